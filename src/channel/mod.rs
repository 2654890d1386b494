//! Adapters for SMS, push and e-mail providers, and for webhooks.
//!
//! Each kind of provider is one file here and one line in [`KINDS`]. An adapter translates an [`OutboundMessage`] into the
//! provider's protocol, and the answer into an [`Outcome`]. It never retries, logs, reads the clock or touches the store:
//! what happens next is decided in `route`.

pub mod access_token;
pub mod apns;
mod aws;
pub mod aws_sms;
mod capabilities;
#[cfg(test)]
mod conformance;
mod credentials;
pub mod email_smtp;
mod endpoint;
mod es256;
pub mod fcm;
mod hmac;
pub mod http;
pub mod infobip;
mod io_problem;
mod mail_headers;
pub mod messagebird;
pub mod postmark;
pub mod priority_semaphore;
mod push_content;
pub mod push_http;
pub mod receipt;
pub mod receipt_feed;
mod receipts_url;
mod redaction;
#[cfg(test)]
mod sample;
pub mod sender_names;
pub mod ses;
mod settings;
mod signed_token;
pub mod sinch;
pub mod smpp;
pub mod sms_gateway;
pub mod smsapi;
#[cfg(test)]
mod test_servers;
mod tls_client;
mod tls_problem;
pub mod twilio;
mod unescape;
pub mod vonage;
pub mod web_push;
pub mod webhook;

pub use capabilities::{Capabilities, KindReport, Repeat};
pub use endpoint::ProviderEndpoint;
pub use settings::{Common, KindSettings, Settings, kinds};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openssl::x509::X509;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::domain::contact::Channel;
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::Outcome;
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection};
use crate::file_access;
use receipt_feed::ReceiptSource;
use settings::ProviderKind;

/// The provider registry: one line for each kind of provider.
const KINDS: &[ProviderKind] = &[
    ProviderKind::new::<sms_gateway::Settings>("sms_gateway", Channel::Sms),
    ProviderKind::new::<infobip::Settings>("infobip", Channel::Sms),
    ProviderKind::new::<smsapi::Settings>("smsapi", Channel::Sms),
    ProviderKind::new::<vonage::Settings>("vonage", Channel::Sms),
    ProviderKind::new::<twilio::Settings>("twilio", Channel::Sms),
    ProviderKind::new::<sinch::Settings>("sinch", Channel::Sms),
    ProviderKind::new::<messagebird::Settings>("messagebird", Channel::Sms),
    ProviderKind::new::<aws_sms::Settings>("aws_sms", Channel::Sms),
    ProviderKind::new::<smpp::Settings>("smpp", Channel::Sms),
    ProviderKind::new::<push_http::Settings>("push_http", Channel::Push),
    ProviderKind::new::<fcm::Settings>("fcm", Channel::Push),
    ProviderKind::new::<apns::Settings>("apns", Channel::Push),
    ProviderKind::new::<web_push::Settings>("web_push", Channel::Push),
    ProviderKind::new::<email_smtp::Settings>("smtp", Channel::Email),
    ProviderKind::new::<ses::Settings>("ses", Channel::Email),
    ProviderKind::new::<postmark::Settings>("postmark", Channel::Email),
    ProviderKind::of_any_channel::<webhook::Settings>("webhook"),
    #[cfg(test)]
    ProviderKind::new::<sample::Settings>("sample", Channel::Sms),
];

/// The longest time for one attempt, and the default. A provider that needs longer does not help a cardholder who is
/// already looking at the form.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(8);

/// The longest time for making a connection. The rest of the attempt's time is left for the next provider.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// The most messages in flight at one provider that can be configured.
const IN_FLIGHT_MAX: usize = 1024;

/// Sends messages to one provider. Translates; never retries, logs, reads the clock or touches the store.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Makes one attempt. There is no `Result`: every failure is classified.
    async fn send(&self, message: &OutboundMessage) -> SendResult;
}

/// The outcome of one attempt, and what a failure looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendResult {
    pub outcome: Outcome,
    /// For operators. It contains nothing of the message, the contact or the credentials.
    pub detail: Option<FailureDetail>,
}

impl SendResult {
    /// `detail` must have been redacted.
    fn new(outcome: Outcome, detail: &str) -> Self {
        Self { outcome, detail: FailureDetail::new(detail) }
    }
}

impl From<Outcome> for SendResult {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, detail: None }
    }
}

/// A provider with an HTTP API. Pure functions; [`http::HttpChannel`] does the I/O.
pub trait HttpProvider: Send + Sync {
    /// The request that hands `message` over, or why nothing can be sent.
    fn request(&self, message: &OutboundMessage) -> Result<http::HttpRequest, SendResult>;
    /// What is read of an answer: its body, and for a provider that writes its codes in headers, these.
    fn answer(&self, _: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
        body
    }
    /// The meaning of an answer.
    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome;
    /// The provider's own code in an answer that is no success, for operators.
    fn error_code(&self, body: &[u8]) -> Option<String>;
    /// The receipts in a callback: the signature is checked first, then the body is parsed. Empty when the callback reports
    /// nothing final. A provider that sends no receipts has signed none.
    fn receipts(&self, _: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        Err(ReceiptRejection::Unsigned)
    }
}

/// A configured provider, ready for use. Nothing has been sent to it yet.
#[derive(Clone)]
pub struct Adapter {
    pub provider: Arc<dyn Provider>,
    /// Where the provider's receipts come from; `None` when it sends none.
    pub receipts: Option<ReceiptSource>,
    /// Makes the requests of `provider`; `None` for other protocols than HTTP.
    pub requests: Option<Arc<dyn HttpProvider>>,
}

/// A provider's settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("provider {provider}: {what}")]
pub struct Error {
    pub provider: String,
    /// The key, and what was expected there.
    pub what: String,
}

impl Error {
    fn new(provider: &str, what: impl Into<String>) -> Self {
        Self { provider: provider.to_owned(), what: what.into() }
    }
}

/// Checks a limit of messages or connections in flight.
fn check_in_flight(provider: &str, key: &str, count: usize) -> Result<(), Error> {
    if (1..=IN_FLIGHT_MAX).contains(&count) {
        return Ok(());
    }
    Err(Error::new(provider, format!("{key}: must be 1 to {IN_FLIGHT_MAX}")))
}

/// The certificates in a PEM file, trusted in addition to the system's.
fn read_ca(provider: &str, file: &Path) -> Result<Vec<X509>, Error> {
    let error = |error| Error::new(provider, format!("ca: {}: {error}", file.display()));
    file_access::read_certificates(file).map_err(error)
}
