//! The outside world: one file per provider, each translating a [`OutboundMessage`] into its language and the answer back.
//!
//! Adapters never retry, log, read the clock or touch the store; what to do next is `route`'s choice.

pub mod email_smtp;
pub mod http;
mod priority_semaphore;
pub mod push_http;
pub mod receipt;
pub mod sandbox;
pub mod sms_gateway;
#[cfg(test)]
mod test_servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openssl::x509::X509;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::domain::contact::Channel;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::Outcome;
use crate::domain::price::Price;

/// The longest attempt, and what an attempt gets when nothing shorter is configured: a provider that needs longer
/// will not help a cardholder who is already looking at the form.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(8);

/// A connection that takes longer than this will not carry a message in time either; what is left is for the next provider.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// One way of reaching a person. Translates; never retries, logs, reads the clock or touches the store.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Hands one parcel over and says what came of it. There is no `Result`: every failure must be classified.
    async fn send(&self, outbound: &OutboundMessage) -> Outcome;
}

/// A provider spoken to over HTTP. Pure functions; [`http::HttpChannel`] does the talking.
pub trait HttpProvider: Send + Sync {
    /// The request that hands `outbound` over.
    fn request(&self, outbound: &OutboundMessage) -> http::HttpRequest;
    /// What the answer means.
    fn verdict(&self, status: StatusCode, body: &[u8]) -> Outcome;
}

/// One `[[provider]]` of the configuration; `kind` chooses the adapter.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there are a handful, made once")]
pub enum Settings {
    /// An SMS gateway that takes one HTTP request a message.
    SmsGateway(sms_gateway::Settings),
    /// A push service that takes one HTTP request a message.
    PushHttp(push_http::Settings),
    /// A mail relay.
    Smtp(email_smtp::Settings),
}

impl Settings {
    /// The configured name.
    pub fn name(&self) -> &str {
        match self {
            Self::SmsGateway(s) => &s.name,
            Self::PushHttp(s) => &s.name,
            Self::Smtp(s) => &s.name,
        }
    }

    /// The channel this provider serves.
    pub fn channel(&self) -> Channel {
        match self {
            Self::SmsGateway(_) => Channel::Sms,
            Self::PushHttp(_) => Channel::Push,
            Self::Smtp(_) => Channel::Email,
        }
    }

    /// The file of further authorities to trust, for whoever must make its path absolute.
    pub fn ca_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::SmsGateway(s) => s.ca.as_mut(),
            Self::PushHttp(s) => s.ca.as_mut(),
            Self::Smtp(s) => s.ca.as_mut(),
        }
    }

    fn receipt(&self) -> Option<&receipt::Settings> {
        match self {
            Self::SmsGateway(s) => s.receipt.as_ref(),
            Self::PushHttp(s) => s.receipt.as_ref(),
            Self::Smtp(_) => None,
        }
    }

    fn said_channel(&self) -> Option<Channel> {
        match self {
            Self::SmsGateway(s) => s.channel,
            Self::PushHttp(s) => s.channel,
            Self::Smtp(s) => s.channel,
        }
    }

    /// The calling-code prefixes it serves; empty when it serves every address of its channel.
    pub fn countries(&self) -> &[String] {
        match self {
            Self::SmsGateway(s) => &s.countries,
            Self::PushHttp(_) | Self::Smtp(_) => &[],
        }
    }

    /// Its share of the traffic among the providers of its channel that have one. Providers without stand in the
    /// order of the file; those with a weight share the place of the first of them.
    pub fn weight(&self) -> Option<u32> {
        match self {
            Self::SmsGateway(s) => s.weight,
            Self::PushHttp(s) => s.weight,
            Self::Smtp(s) => s.weight,
        }
    }

    /// With less time left than this, others are asked before it.
    pub fn min_validity(&self) -> Duration {
        match self {
            Self::SmsGateway(s) => s.min_validity,
            Self::PushHttp(s) => s.min_validity,
            Self::Smtp(s) => s.min_validity,
        }
    }

    /// What a message costs; an SMS, each of its segments.
    pub fn price(&self) -> Price {
        match self {
            Self::SmsGateway(s) => s.price,
            Self::PushHttp(s) => s.price,
            Self::Smtp(s) => s.price,
        }
    }

    /// Whether the letters of its messages are written with the nearest ones of GSM 03.38, when it says so.
    pub fn transliterate(&self) -> Option<bool> {
        match self {
            Self::SmsGateway(s) => s.transliterate,
            Self::PushHttp(_) | Self::Smtp(_) => None,
        }
    }

    /// What may be spent on it in an hour, if there is a limit.
    pub fn spend_cap(&self) -> Option<Price> {
        match self {
            Self::SmsGateway(s) => s.spend_cap_per_hour,
            Self::PushHttp(s) => s.spend_cap_per_hour,
            Self::Smtp(s) => s.spend_cap_per_hour,
        }
    }

    /// Whether it delivers once when the same reference comes twice.
    pub fn deduplicates(&self) -> bool {
        match self {
            Self::SmsGateway(s) => s.deduplicates,
            Self::PushHttp(s) => s.deduplicates,
            Self::Smtp(s) => s.deduplicates,
        }
    }
}

/// Why a provider could not be set up from its configuration.
#[derive(Debug, thiserror::Error)]
#[error("provider {provider}: {what}")]
pub struct Error {
    /// The configured name.
    pub provider: String,
    /// What is wrong and what was expected.
    pub what: String,
}

impl Error {
    fn new(provider: &str, what: impl Into<String>) -> Self {
        Self { provider: provider.to_owned(), what: what.into() }
    }
}

/// Sets up the adapter that `settings` describe. Nothing is contacted yet.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Provider>, Error> {
    if settings.said_channel().is_some_and(|said| said != settings.channel()) {
        let what = format!("channel: expected {}, which is what this kind serves", settings.channel());
        return Err(Error::new(settings.name(), what));
    }
    if settings.spend_cap().is_some_and(|cap| settings.price().is_zero() || cap < settings.price()) {
        let what = "spend_cap_per_hour: expected at least the price of one message, which price says";
        return Err(Error::new(settings.name(), what));
    }
    match settings {
        Settings::SmsGateway(s) => sms_gateway::connect(s),
        Settings::PushHttp(s) => push_http::connect(s),
        Settings::Smtp(s) => email_smtp::connect(s),
    }
}

/// Sets up the reading of the receipts that `settings` describe, if the provider sends any.
pub fn hear(settings: &Settings) -> Result<Option<receipt::ReceiptParser>, Error> {
    settings.receipt().map(|receipt| receipt::ReceiptParser::new(settings.name(), receipt)).transpose()
}

const fn attempt_max() -> Duration {
    ATTEMPT_MAX
}

/// Checks the two bounds that every provider has.
fn check_bounds(provider: &str, timeout: Duration, at_once: (&str, usize)) -> Result<(), Error> {
    if timeout.is_zero() || timeout > ATTEMPT_MAX {
        return Err(Error::new(provider, "timeout: expected more than nothing and at most 8s"));
    }
    if !(1..=1024).contains(&at_once.1) {
        return Err(Error::new(provider, format!("{}: expected 1 to 1024", at_once.0)));
    }
    Ok(())
}

/// The certificates of a PEM file, trusted beside those of the system.
fn read_ca(provider: &str, file: &Path) -> Result<Vec<X509>, Error> {
    let shown = file.display();
    let pem = std::fs::read(file).map_err(|error| Error::new(provider, format!("ca: cannot read {shown}: {error}")))?;
    match X509::stack_from_pem(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::new(provider, format!("ca: expected certificates in PEM form in {shown}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }

    fn refusal(json: &str) -> String {
        connect(&settings(json)).err().unwrap().to_string()
    }

    #[test]
    fn a_provider_is_described_by_a_few_keys_and_the_rest_has_defaults() {
        let sms = settings(r#"{"kind":"sms_gateway","name":"primary","url":"https://sms.example/send"}"#);
        assert_eq!((sms.name(), sms.channel(), sms.weight()), ("primary", Channel::Sms, None));
        assert!(sms.countries().is_empty() && !sms.deduplicates());
        assert!(connect(&sms).is_ok());

        let push = r#"{"kind":"push_http","name":"app","url":"http://push.example","weight":3,"min_validity":"90s","deduplicates":true}"#;
        let push = settings(push);
        assert_eq!((push.channel(), push.weight(), push.deduplicates()), (Channel::Push, Some(3), true));
        assert_eq!((push.min_validity(), sms.min_validity()), (Duration::from_secs(90), Duration::ZERO));
        assert!(connect(&push).is_ok());

        let mail = settings(r#"{"kind":"smtp","name":"relay","host":"mx.example","from":"Bank <otp@bank.example>"}"#);
        assert_eq!((mail.channel(), mail.name()), (Channel::Email, "relay"));
        assert!(connect(&mail).is_ok());
    }

    #[test]
    fn an_unknown_key_is_a_mistake() {
        let read = |json| serde_json::from_str::<Settings>(json);
        assert!(read(r#"{"kind":"push_http","name":"a","url":"https://a.example","colour":"red"}"#).is_err());
        assert!(read(r#"{"kind":"smtp","name":"a","host":"h","from":"a@b.cd","tls":"opportunistic"}"#).is_err());
    }

    #[test]
    fn an_error_names_the_provider_and_what_was_expected() {
        let sms = |rest: &str| refusal(&format!(r#"{{"kind":"sms_gateway","name":"primary",{rest}}}"#));
        assert_eq!(sms(r#""url":"sms.example""#), "provider primary: url: expected http:// or https:// and a host");
        assert_eq!(
            sms(r#""url":"https://me:secret@sms.example""#),
            "provider primary: url: expected no user or password in it; use user and password"
        );
        assert_eq!(
            sms(r#""url":"https://a.example","timeout":"9s""#),
            "provider primary: timeout: expected more than nothing and at most 8s"
        );
        assert_eq!(
            sms(r#""url":"https://a.example","in_flight":0"#),
            "provider primary: in_flight: expected 1 to 1024"
        );
        assert_eq!(
            sms(r#""url":"https://a.example","countries":["PL"]"#),
            "provider primary: countries: expected calling codes such as +48"
        );
        for (money, said) in [
            (r#""spend_cap_per_hour":"200""#, "expected at least the price of one message, which price says"),
            (r#""price":"0.5","spend_cap_per_hour":"0.4""#, "expected at least the price of one message"),
        ] {
            let told = sms(&format!(r#""url":"https://a.example",{money}"#));
            assert!(told.starts_with(&format!("provider primary: spend_cap_per_hour: {said}")), "{told}");
        }
        assert!(
            sms(r#""url":"https://a.example","ca":"/nowhere/ca.pem""#)
                .starts_with("provider primary: ca: cannot read /nowhere/ca.pem: ")
        );
        assert_eq!(
            refusal(r#"{"kind":"smtp","name":"relay","host":"h","from":"the bank"}"#),
            "provider relay: from: expected a mailbox such as Bank <otp@bank.example>"
        );
    }

    #[test]
    fn a_credential_is_not_shown_with_its_settings() {
        let sms = settings(
            r#"{"kind":"sms_gateway","name":"primary","url":"https://a.example","headers":{"x-key":"hush"},
                "user":"hush","password":"hush","static_fields":{"api_secret":"hush"}}"#,
        );
        assert!(!format!("{sms:?}").contains("hush"));
    }
}
