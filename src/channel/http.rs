//! The HTTP client that all providers with an HTTP API share: connections, limits, and the classification of failures.
//!
//! It never retries, follows a redirect, uses a proxy or logs. Of an answer it keeps an excerpt without anything that was
//! sent, because gateways repeat the message.

pub(super) mod address_guard;
pub(super) mod answer;
mod client;
mod connect_phase;
mod failure;
pub mod json;
pub mod post;
mod request_body;
mod retry_after;
pub mod shown;
mod xml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Identity, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::priority_semaphore::PrioritySemaphore;
use super::receipt_feed::ReceiptSource;
use super::redaction::Redactor;
use super::{Adapter, Common, Error, HttpProvider, Provider, SendResult, check_in_flight};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;
use address_guard::AddressGuard;
use client::{client, connect_limit};
use connect_phase::{ConnectPhase, Resolver};
use failure::FailedRequest;
use request_body::{RequestBody, SentFlag};
use retry_after::retry_after;

/// The default of `max_in_flight`. In measurements, more requests at once only waited for each other.
pub const MAX_IN_FLIGHT: usize = 64;

/// The most that is read of an answer, in bytes after decompression. Answers have a few hundred bytes.
const BODY_MAX: usize = 64 * 1024;

/// What a connection waits for is looked up so long before its time is over: the sockets must still be there.
const BEFORE_CONNECT_ENDS: Duration = Duration::from_millis(50);

/// One request. It contains the message and the credentials, so it has no `Debug`.
pub struct HttpRequest {
    pub method: Method,
    pub url: Url,
    /// Headers in addition to those of the body.
    pub headers: HeaderMap,
    pub body: Body,
}

/// The body of a request.
pub enum Body {
    /// What is sent is in the query of the URL.
    None,
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Encrypted for the recipient: nothing in it can be repeated in clear.
    Sealed(Vec<u8>),
}

impl HttpRequest {
    /// Everything in it that is the message's or secret: the values of the query, the body and sensitive headers.
    fn values(&self) -> Vec<String> {
        let headers = self.headers.values().filter(|value| value.is_sensitive());
        let headers = headers.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let query = self.url.query_pairs().map(|(_, value)| value.into_owned());
        self.body.values().into_iter().chain(query).chain(headers).collect()
    }
}

impl Body {
    fn content_type(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::None => return None,
            Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
            Self::Sealed(_) => "application/octet-stream",
        }))
    }

    /// As it is sent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Form(pairs) => {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
            }
            Self::Sealed(bytes) => bytes.clone(),
        }
    }

    fn values(&self) -> Vec<String> {
        match self {
            Self::None | Self::Sealed(_) => Vec::new(),
            Self::Json(value) => strings(value),
            Self::Form(pairs) => pairs.iter().map(|(_, value)| value.clone()).collect(),
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Builds the adapter for `provider`. `reports` says whether receipts are configured for it.
pub(super) fn adapter<P: HttpProvider + 'static>(
    common: &Common,
    max_in_flight: usize,
    provider: P,
    reports: bool,
) -> Result<Adapter, Error> {
    guarded_adapter(common, max_in_flight, provider, reports, ConnectionOptions::default())
}

/// The same, with limits on where its connections lead.
pub(super) fn guarded_adapter<P: HttpProvider + 'static>(
    common: &Common,
    max_in_flight: usize,
    provider: P,
    reports: bool,
    options: ConnectionOptions,
) -> Result<Adapter, Error> {
    let provider = Arc::new(provider);
    let channel = HttpChannel::guarded(common, max_in_flight, Arc::clone(&provider), options)?;
    let receipts = reports.then(|| ReceiptSource::Callbacks(Arc::<P>::clone(&provider)));
    Ok(Adapter { provider: Arc::new(channel), receipts, requests: Some(provider) })
}

/// Where connections may lead, and as whom they are made. By default anywhere, and without a client certificate.
#[derive(Default)]
pub(super) struct ConnectionOptions {
    pub(super) guard: AddressGuard,
    pub(super) identity: Option<Identity>,
}

/// An [`HttpProvider`] with the connections to it.
pub struct HttpChannel<P> {
    provider: Arc<P>,
    client: Client,
    resolver: Resolver,
    permits: PrioritySemaphore,
    timeout: Duration,
}

impl<P: HttpProvider> HttpChannel<P> {
    pub(super) fn new(common: &Common, max_in_flight: usize, provider: Arc<P>) -> Result<Self, Error> {
        Self::guarded(common, max_in_flight, provider, ConnectionOptions::default())
    }

    pub(super) fn guarded(
        common: &Common,
        max_in_flight: usize,
        provider: Arc<P>,
        options: ConnectionOptions,
    ) -> Result<Self, Error> {
        check_in_flight(common.name(), "max_in_flight", max_in_flight)?;
        let (permits, resolver) = (PrioritySemaphore::new(max_in_flight), Resolver::new(options.guard));
        let (ca, identity) = (common.ca.as_deref(), options.identity);
        let client = client(common.name(), ca, common.timeout, max_in_flight, &resolver, identity)?;
        Ok(Self { provider, client, resolver, permits, timeout: common.timeout })
    }

    async fn exchange(&self, message: &OutboundMessage, end: Instant) -> SendResult {
        let HttpRequest { method, url, mut headers, body } = match self.provider.request(message) {
            Ok(request) => request,
            Err(not_sent) => return not_sent,
        };
        let sent = SentFlag::default();
        if let Some(content_type) = body.content_type() {
            headers.entry(CONTENT_TYPE).or_insert(content_type);
        }
        let body = reqwest::Body::wrap(RequestBody::new(body.to_bytes(), &sent));
        let left = end.saturating_duration_since(Instant::now());
        let failed = |error: reqwest::Error, phase| {
            FailedRequest { error: &error.without_url(), is_sent: sent.is_set(), phase }.result()
        };
        let request = self.client.request(method, url.clone()).headers(headers).timeout(left).body(body);
        let (response, phase) = self.watched(request, &url, &sent, left).await;
        let mut response = match response {
            Ok(response) => response,
            Err(error) => return failed(error, phase),
        };
        let status = response.status();
        let body = match read_bounded(&mut response).await {
            // The status of a rejection is enough without its body. A success without its body may not be one.
            Err(error) if status.is_success() => return failed(error, phase),
            read => read.unwrap_or_default(),
        };
        let body = self.provider.answer(response.headers(), body);
        let outcome = with_retry_after(self.provider.outcome(status, &body), response.headers());
        if outcome.is_accepted() { outcome.into() } else { self.describe(outcome, message, status, &body) }
    }

    /// Sends a request. When its time to connect is nearly over, and it is not connected, that says what it waits for.
    async fn watched(
        &self,
        request: RequestBuilder,
        url: &Url,
        sent: &SentFlag,
        left: Duration,
    ) -> (reqwest::Result<Response>, Option<ConnectPhase>) {
        let sending = request.send();
        tokio::pin!(sending);
        let nearly = connect_limit(self.timeout).min(left).saturating_sub(BEFORE_CONNECT_ENDS);
        if let Ok(response) = timeout(nearly, &mut sending).await {
            return (response, None);
        }
        let phase = if sent.is_set() { None } else { Some(self.resolver.phase(url).await) };
        (sending.await, phase)
    }

    // Asks for the request once more, because all values in it are cut out of the answer.
    fn describe(&self, outcome: Outcome, message: &OutboundMessage, status: StatusCode, body: &[u8]) -> SendResult {
        let values = self.provider.request(message).map(|request| request.values()).unwrap_or_default();
        let redactor = values.iter().fold(Redactor::of(message), |redactor, value| redactor.and(value));
        let code = self.provider.error_code(body).and_then(|code| redactor.error_code(code));
        let code = code.map(|code| format!(", code {code}")).unwrap_or_default();
        let excerpt = redactor.excerpt(body);
        let colon = if excerpt.is_empty() { "" } else { ": " };
        SendResult::new(outcome, &format!("HTTP {}{code}{colon}{excerpt}", status.as_u16()))
    }
}

#[async_trait]
impl<P: HttpProvider> Provider for HttpChannel<P> {
    async fn send(&self, message: &OutboundMessage) -> SendResult {
        let limit = self.timeout.min(message.valid_for);
        let end = Instant::now() + limit;
        // Waiting for a permit is part of the attempt, and takes at most half of it: a request that is sent without time
        // for an answer would end as "unknown".
        let Ok(Ok(_permit)) = timeout(limit / 2, self.permits.acquire(message.priority)).await else {
            return SendResult::new(
                Outcome::deferred(Cause::LocalQueue),
                "timed out while all max_in_flight requests were in use",
            );
        };
        self.exchange(message, end).await
    }
}

async fn read_bounded(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < BODY_MAX
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(BODY_MAX - body.len())]);
    }
    Ok(body)
}

fn with_retry_after(outcome: Outcome, headers: &HeaderMap) -> Outcome {
    match outcome {
        Outcome::Deferred { cause, retry_after: None } => {
            Outcome::Deferred { cause, retry_after: retry_after(headers) }
        }
        other => other,
    }
}

/// The default of `max_in_flight`, as serde asks for it.
pub(super) const fn max_in_flight() -> usize {
    MAX_IN_FLIGHT
}

/// The text of an SMS; empty for messages of other channels, which an SMS provider does not get.
pub(super) fn sms_text(message: &OutboundMessage) -> &str {
    match &message.rendered {
        RenderedMessage::Sms { text } => text.reveal(),
        RenderedMessage::Push { .. } | RenderedMessage::Email { .. } => "",
    }
}

/// The time left until the message expires, in whole seconds; never 0, which some providers read as "no limit".
pub(super) fn seconds_valid(message: &OutboundMessage) -> u64 {
    message.valid_for.as_secs().max(1)
}

/// The wall-clock time after `seconds`, in seconds since 1970, for providers that take a time and not a duration. Rounded down, so
/// that nothing is valid for longer.
pub(super) fn seconds_since_1970_in(seconds: u64) -> i64 {
    SystemClock.now().after(Duration::from_secs(seconds)).seconds()
}

pub(super) fn check_url(name: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| Error::new(name, "url: expected http:// or https:// and a host"))?;
    if url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    Err(Error::new(name, "url: must not contain credentials; use the user and password keys"))
}

/// The public URL that a provider calls, which `key` holds.
pub(super) fn check_public_url(name: &str, key: &str, text: &str) -> Result<Url, Error> {
    check_url(name, text).map_err(|_| Error::new(name, format!("{key}: expected https:// and a host")))
}

/// The configured headers, marked as sensitive so that the client never prints their values.
pub(super) fn check_headers(name: &str, configured: &BTreeMap<String, Credential>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (key, value) in configured {
        let header = HeaderName::try_from(key.as_str()).ok().zip(HeaderValue::try_from(value.expose()).ok());
        let (key, mut value) =
            header.ok_or_else(|| Error::new(name, format!("headers: expected {key} to be a header on one line")))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// The `Authorization` header of basic authentication (RFC 7617).
pub(super) fn basic(name: &str, user: &Credential, password: &Credential) -> Result<(HeaderName, HeaderValue), Error> {
    if user.expose().contains(':') {
        return Err(Error::new(name, "user: must not contain a colon"));
    }
    let pair = format!("{}:{}", user.expose(), password.expose());
    let pair = Credential::new(openssl::base64::encode_block(pair.as_bytes()));
    authorization(name, "user and password", "Basic", &pair)
}

/// The `Authorization` header with a secret in `scheme`; `key` is the setting that holds the secret.
pub(super) fn authorization(
    name: &str,
    key: &str,
    scheme: &str,
    secret: &Credential,
) -> Result<(HeaderName, HeaderValue), Error> {
    let value = HeaderValue::try_from(format!("{scheme} {}", secret.expose()));
    let mut value = value.map_err(|_| Error::new(name, format!("{key}: expected printable text")))?;
    value.set_sensitive(true);
    Ok((AUTHORIZATION, value))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::json;
    use tempfile::NamedTempFile;

    use super::super::test_servers;
    use super::super::test_servers::Action;
    use super::answer::{common_outcome, reference_at};
    use super::*;
    use crate::domain::contact::Channel;
    use crate::domain::failure_detail::FailureDetail;
    use crate::domain::outcome::Reference;

    struct Plain(Url);

    impl HttpProvider for Plain {
        fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
            let body = Body::Json(json!({ "reference": message.delivery }));
            Ok(HttpRequest { method: Method::POST, url: self.0.clone(), headers: HeaderMap::new(), body })
        }

        fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            if status.is_success() { Outcome::accepted(reference_at(&answer, "/id")) } else { common_outcome(status) }
        }

        fn error_code(&self, _: &[u8]) -> Option<String> {
            None
        }
    }

    fn common(timeout: Duration, ca: Option<&NamedTempFile>) -> Common {
        Common { timeout, ca: ca.map(|ca| ca.path().to_owned()), ..test_servers::common("test", Channel::Sms) }
    }

    fn channel(url: &str, timeout: Duration, max_in_flight: usize) -> HttpChannel<Plain> {
        HttpChannel::new(&common(timeout, None), max_in_flight, Arc::new(Plain(url.parse().unwrap()))).unwrap()
    }

    async fn outcome_trusting(url: &str, ca: &NamedTempFile) -> Outcome {
        let plain = Arc::new(Plain(url.parse().unwrap()));
        let channel = HttpChannel::new(&common(Duration::from_secs(5), Some(ca)), 4, plain).unwrap();
        channel.send(&test_servers::sms("Code 0042")).await.outcome
    }

    async fn outcome(url: &str, timeout_ms: u64) -> Outcome {
        result(url, timeout_ms).await.outcome
    }

    async fn result(url: &str, timeout_ms: u64) -> SendResult {
        channel(url, Duration::from_millis(timeout_ms), 4).send(&test_servers::sms("Code 0042")).await
    }

    fn detail(result: &SendResult) -> &str {
        result.detail.as_ref().map_or("", FailureDetail::as_str)
    }

    async fn outcome_of(action: Action) -> Outcome {
        outcome(&test_servers::http(action).await.0, 5000).await
    }

    fn deferred_for(seconds: u64) -> Outcome {
        Outcome::Deferred { cause: Cause::ProviderDown, retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[tokio::test]
    async fn the_adapter_classifies_the_answer() {
        let accepted = outcome_of(test_servers::http_answer("200 OK", &[], r#"{"id":"m-1"}"#)).await;
        assert_eq!(accepted, Outcome::accepted(Reference::new("m-1")));
        let down = outcome_of(test_servers::http_answer("503 Busy", &[], "")).await;
        assert_eq!(down, Outcome::deferred(Cause::ProviderDown));
    }

    #[tokio::test]
    async fn the_providers_retry_after_is_kept() {
        let down = |headers: &'static [&str]| outcome_of(test_servers::http_answer("503 Busy", headers, ""));
        assert_eq!(down(&["retry-after: 7"]).await, deferred_for(7));
        let dates = &["date: Wed, 21 Oct 2015 07:28:00 GMT", "retry-after: Wed, 21 Oct 2015 07:28:30 GMT"];
        assert_eq!(down(dates).await, deferred_for(30));
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable() {
        let address: SocketAddr = test_servers::closed_port().await;
        assert_eq!(outcome(&format!("http://{address}/"), 5000).await, Outcome::deferred(Cause::Unreachable));
    }

    #[tokio::test]
    async fn a_connection_that_is_not_made_in_time_is_unreachable() {
        let (_listener, address) = test_servers::silent_port().await;
        let no_handshake = outcome(&format!("https://{address}/"), 300).await;
        assert_eq!(no_handshake, Outcome::deferred(Cause::Unreachable));
    }

    #[tokio::test]
    async fn a_server_with_an_untrusted_certificate_gets_no_message() {
        let (acceptor, ca) = test_servers::localhost();
        let (_, other) = test_servers::localhost();
        let (url, received) = test_servers::https(test_servers::http_answer("200 OK", &[], "{}"), acceptor).await;
        assert_eq!(outcome_trusting(&url, &other).await, Outcome::deferred(Cause::TlsFailed));
        assert_eq!(received.all().len(), 0);
        assert_eq!(outcome_trusting(&url, &ca).await, Outcome::accepted(None));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_leaves_the_outcome_unknown() {
        let (url, received) = test_servers::http(Action::NeverReply).await;
        assert_eq!(outcome(&url, 300).await, Outcome::unknown(Cause::TimedOut));
        assert_eq!(received.all().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_disconnects_after_the_request_leaves_the_outcome_unknown() {
        let (url, received) = test_servers::http(Action::Disconnect).await;
        assert_eq!(outcome(&url, 5000).await, Outcome::unknown(Cause::Disconnected));
        assert_eq!(received.all().len(), 1, "sent again");
    }

    #[tokio::test]
    async fn a_truncated_answer_does_not_prove_that_the_message_was_accepted() {
        let cut = |status: &str| Action::Reply(format!("HTTP/1.1 {status}\r\ncontent-length: 9\r\n\r\n{{"));
        let outcome_of = async |action| outcome(&test_servers::http(action).await.0, 300).await;
        assert_eq!(outcome_of(cut("200 OK")).await, Outcome::unknown(Cause::TimedOut));
        assert_eq!(outcome_of(cut("403 No")).await, Outcome::deferred(Cause::Unauthorized));
    }

    #[tokio::test]
    async fn an_endless_answer_is_truncated() {
        let endless =
            Action::ReplyForever("HTTP/1.1 200 OK\r\n\r\n                                                    ");
        assert_eq!(outcome_of(endless).await, Outcome::accepted(None));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (elsewhere, received) = test_servers::http(test_servers::http_answer("200 OK", &[], "{}")).await;
        let location = format!("location: {elsewhere}");
        let outcome = outcome_of(test_servers::http_answer("307 There", &[&location], "")).await;
        assert_eq!((outcome, received.all().len()), (Outcome::deferred(Cause::WrongUrl), 0));
    }

    #[tokio::test]
    async fn a_message_waits_for_a_permit_only_while_there_is_time_for_an_answer() {
        let (url, received) = test_servers::http(Action::NeverReply).await;
        let channel = channel(&url, Duration::from_millis(300), 1);
        let message = test_servers::sms("Code 0042");
        let outcomes = tokio::join!(channel.send(&message), channel.send(&message));
        assert_eq!(outcomes.0.outcome, Outcome::unknown(Cause::TimedOut));
        assert_eq!((outcomes.1.outcome, received.all().len()), (Outcome::deferred(Cause::LocalQueue), 1));
    }

    #[tokio::test]
    async fn a_failure_names_its_phase_and_its_reason() {
        let closed = format!("http://{}/", test_servers::closed_port().await);
        // A label that is too long is refused by the resolver itself.
        let nowhere = format!("http://{}.example/", "x".repeat(64));
        let (_listener, silent) = test_servers::silent_port().await;
        let full = test_servers::FullPort::open().await;
        let (acceptor, _) = test_servers::localhost();
        let (untrusted, _) = test_servers::https(test_servers::http_answer("200 OK", &[], "{}"), acceptor).await;
        let (plain, _) = test_servers::http(Action::NeverReply).await;
        let cut = Action::Reply("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned());
        let tls = |what: &str| (Outcome::deferred(Cause::TlsFailed), what.to_owned());
        let unreachable = |what: &str| (Outcome::deferred(Cause::Unreachable), what.to_owned());
        for (url, (outcome, expected)) in [
            (closed, unreachable("connection refused")),
            (nowhere, unreachable("DNS: ")),
            (format!("https://{silent}/"), unreachable("timed out in the TLS handshake")),
            (format!("https://localhost:{}/", silent.port()), unreachable("timed out in the TLS handshake")),
            (format!("https://{}/", full.address), unreachable("timed out while connecting")),
            (format!("http://{}/", full.address), unreachable("timed out while connecting")),
            (untrusted, tls("TLS: unable to get local issuer certificate")),
            (plain, (Outcome::unknown(Cause::TimedOut), "timed out while waiting for the answer".to_owned())),
            (
                test_servers::http(Action::Disconnect).await.0,
                (Outcome::unknown(Cause::Disconnected), "after the request was sent".to_owned()),
            ),
            (
                test_servers::http(cut).await.0,
                (Outcome::unknown(Cause::TimedOut), "timed out while reading the answer".to_owned()),
            ),
        ] {
            let result = result(&url, 600).await;
            assert_eq!(result.outcome, outcome, "{url}");
            assert!(detail(&result).contains(&expected), "{url}: {}", detail(&result));
        }
    }

    #[tokio::test]
    async fn an_error_answer_is_kept_without_anything_that_was_sent() {
        let answer = r#"{"error":"text not allowed","text":"Code 0042","to":"+48600100200"}"#;
        let (url, _) = test_servers::http(test_servers::http_answer("400 Bad", &[], answer)).await;
        let result = result(&url, 5000).await;
        assert_eq!(result.outcome, Outcome::deferred(Cause::Unclassified));
        assert_eq!(detail(&result), r#"HTTP 400: {"error":"text not allowed","text":"***","to":"+***"}"#);
    }

    #[tokio::test]
    async fn an_answer_that_was_accepted_has_no_detail() {
        let (url, _) = test_servers::http(test_servers::http_answer("200 OK", &[], "{}")).await;
        assert_eq!(result(&url, 5000).await.detail, None);
    }

    #[tokio::test]
    async fn a_request_for_which_the_time_ended_before_a_connection_was_made_was_not_sent() {
        let (_listener, silent) = test_servers::silent_port().await;
        let channel = channel(&format!("https://{silent}/"), Duration::from_secs(8), 4);
        let message = OutboundMessage { valid_for: Duration::from_millis(200), ..test_servers::sms("Code 0042") };
        assert_eq!(channel.send(&message).await.outcome, Outcome::deferred(Cause::Unreachable));
    }
}
