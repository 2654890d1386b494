//! Speaks HTTP for every provider that is reached by it: one client, one set of limits, one reading of failures.
//!
//! Never retries, follows a redirect, uses a proxy or logs. Of an error nothing is kept but its class,
//! because its text may hold the address, the message or a key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::priority_semaphore::PrioritySemaphore;
use super::{CONNECT_MAX, Error, HttpProvider, Provider, check_bounds, read_ca};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::secret::Credential;

/// Requests under way at one provider when nothing else is configured; measured, more only wait for each other.
pub const IN_FLIGHT: usize = 64;

/// The most that is read of an answer, counted after unpacking. Answers are a few hundred bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// The longest pause a provider may ask for: long enough to be passed over, and not to lose a code that has no other way.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// Idle connections are closed before the 60 s after which many servers close theirs, so that no message meets a closed one.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// One request. It holds the message and the credentials, so it cannot be printed.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers beside those that follow from the body.
    pub headers: HeaderMap,
    /// What to say.
    pub body: Body,
}

/// The body of a request, put into bytes by a serializer.
pub enum Body {
    /// As JSON.
    Json(Value),
    /// As `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
}

/// What an adapter's settings say about the connection, whatever is said over it.
pub(super) struct ClientOptions<'a> {
    pub(super) name: &'a str,
    pub(super) timeout: Duration,
    pub(super) in_flight: usize,
    pub(super) ca: Option<&'a PathBuf>,
}

/// An [`HttpProvider`] with a connection to it.
pub struct HttpChannel<P> {
    provider: P,
    client: Client,
    slots: PrioritySemaphore,
    timeout: Duration,
}

impl<P: HttpProvider> HttpChannel<P> {
    pub(super) fn new(line: &ClientOptions<'_>, provider: P) -> Result<Self, Error> {
        check_bounds(line.name, line.timeout, ("in_flight", line.in_flight))?;
        let slots = PrioritySemaphore::new(line.in_flight);
        Ok(Self { provider, client: client(line)?, slots, timeout: line.timeout })
    }

    async fn exchange(&self, outbound: &OutboundMessage, end: Instant) -> reqwest::Result<Outcome> {
        let HttpRequest { method, url, headers, body } = self.provider.request(outbound);
        let left = end.saturating_duration_since(Instant::now());
        let request = self.client.request(method, url).headers(headers).timeout(left);
        let mut response = match body {
            Body::Json(value) => request.json(&value),
            Body::Form(pairs) => request.form(&pairs),
        }
        .send()
        .await?;
        let status = response.status();
        let body = match read_bounded(&mut response).await {
            // Without the rest of a refusal its status is word enough; without the rest of a success nobody knows.
            Err(error) if status.is_success() => return Err(error),
            read => read.unwrap_or_default(),
        };
        Ok(with_pause(self.provider.verdict(status, &body), response.headers()))
    }
}

#[async_trait]
impl<P: HttpProvider> Provider for HttpChannel<P> {
    async fn send(&self, outbound: &OutboundMessage) -> Outcome {
        let limit = self.timeout.min(outbound.valid_for);
        let end = Instant::now() + limit;
        // Waiting for a slot is part of the attempt, and at most half of it: what is sent without time for an answer
        // would end as "unknown".
        let Ok(Ok(_slot)) = timeout(limit / 2, self.slots.take(outbound.priority)).await else {
            return Outcome::deferred(Cause::Throttled);
        };
        self.exchange(outbound, end).await.unwrap_or_else(|error| failure(&error.without_url()))
    }
}

/// The one place where HTTP clients are made.
#[expect(clippy::disallowed_methods, reason = "this is the place they come from")]
fn client(line: &ClientOptions<'_>) -> Result<Client, Error> {
    let mut builder = Client::builder()
        .tls_backend_native()
        .user_agent(concat!("otpost/", env!("CARGO_PKG_VERSION")))
        // Half of a short limit, so that what cannot be reached is told from what does not answer.
        .connect_timeout(CONNECT_MAX.min(line.timeout / 2))
        .timeout(line.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(line.in_flight)
        .pool_idle_timeout(IDLE_MAX);
    let unfit = || Error::new(line.name, "the TLS library could not be set up");
    if let Some(file) = line.ca {
        for certificate in read_ca(line.name, file)? {
            let der = certificate.to_der().map_err(|_| unfit())?;
            builder = builder.tls_certs_merge([Certificate::from_der(&der).map_err(|_| unfit())?]);
        }
    }
    builder.build().map_err(|_| unfit())
}

async fn read_bounded(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < ANSWER_MAX
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_MAX - body.len())]);
    }
    Ok(body)
}

fn failure(error: &reqwest::Error) -> Outcome {
    if error.is_builder() {
        return Outcome::refused(Cause::Unclassified);
    }
    if error.is_connect() {
        return Outcome::deferred(Cause::Unreachable);
    }
    Outcome::unknown(if error.is_timeout() { Cause::TimedOut } else { Cause::Disconnected })
}

fn with_pause(outcome: Outcome, headers: &HeaderMap) -> Outcome {
    match outcome {
        Outcome::Deferred { cause, retry_after: None } => Outcome::Deferred { cause, retry_after: pause(headers) },
        other => other,
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3), at most [`RETRY_AFTER_MAX`]: seconds, or a date in one of the three forms of
/// section 5.6.7, measured against the `Date` of the same answer and not against a clock here. A date without another to
/// measure it by is taken at its longest, since to come too early is what the provider asked us not to do.
///
/// Of several the longest counts, for the same reason.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let said_at = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?.trim()).ok());
    headers.get_all(RETRY_AFTER).iter().filter_map(|asked| one_pause(asked.to_str().ok()?.trim(), said_at)).max()
}

fn one_pause(text: &str, said_at: Option<SystemTime>) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds are a long time too.
        return Some(text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let wait = said_at.map_or(RETRY_AFTER_MAX, |at| then.duration_since(at).unwrap_or_default());
    Some(wait.min(RETRY_AFTER_MAX))
}

/// What a status means at any provider that gives it its HTTP meaning. Successes are for the adapter to read.
pub(super) fn common_verdict(status: StatusCode) -> Outcome {
    match status.as_u16() {
        401 | 403 => Outcome::refused(Cause::Unauthorized),
        408 | 425 | 429 => Outcome::deferred(Cause::Throttled),
        500..=599 => Outcome::deferred(Cause::ProviderDown),
        _ => Outcome::refused(Cause::Unclassified),
    }
}

/// The provider's name for the message: the text or number at `pointer` in a JSON answer.
pub(super) fn reference_at(answer: &Value, pointer: &str) -> Option<Reference> {
    scalar(answer.pointer(pointer)?).as_deref().and_then(Reference::new)
}

/// A text or a number as text; gateways disagree about which of the two a code or an id is.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How long the message is of use, in the whole seconds that providers take; never 0, which some read as "no limit".
pub(super) fn seconds_valid(outbound: &OutboundMessage) -> u64 {
    outbound.valid_for.as_secs().max(1)
}

pub(super) fn check_url(name: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| Error::new(name, "url: expected http:// or https:// and a host"))?;
    if url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    Err(Error::new(name, "url: expected no user or password in it; use user and password"))
}

/// Configured headers, marked so that no part of the client prints their values.
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

/// RFC 7617: the `Authorization` header for `user` and `password`.
pub(super) fn basic(name: &str, user: &Credential, password: &Credential) -> Result<(HeaderName, HeaderValue), Error> {
    if user.expose().contains(':') {
        return Err(Error::new(name, "user: expected no colon in it"));
    }
    let pair = format!("{}:{}", user.expose(), password.expose());
    let value = format!("Basic {}", openssl::base64::encode_block(pair.as_bytes()));
    let mut value =
        HeaderValue::try_from(value).map_err(|_| Error::new(name, "user and password: expected printable text"))?;
    value.set_sensitive(true);
    Ok((AUTHORIZATION, value))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use reqwest::header::HeaderValue;
    use serde_json::json;
    use tempfile::NamedTempFile;

    use super::super::test_servers;
    use super::super::test_servers::Action;
    use super::*;

    struct Plain(Url);

    impl HttpProvider for Plain {
        fn request(&self, outbound: &OutboundMessage) -> HttpRequest {
            let body = Body::Json(json!({ "reference": outbound.delivery }));
            HttpRequest { method: Method::POST, url: self.0.clone(), headers: HeaderMap::new(), body }
        }

        fn verdict(&self, status: StatusCode, body: &[u8]) -> Outcome {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            if status.is_success() { Outcome::accepted(reference_at(&answer, "/id")) } else { common_verdict(status) }
        }
    }

    fn channel(url: &str, timeout: Duration, in_flight: usize) -> HttpChannel<Plain> {
        let line = ClientOptions { name: "test", timeout, in_flight, ca: None };
        HttpChannel::new(&line, Plain(url.parse().unwrap())).unwrap()
    }

    async fn outcome_trusting(url: &str, ca: &NamedTempFile) -> Outcome {
        let ca = ca.path().to_owned();
        let line = ClientOptions { name: "test", timeout: Duration::from_secs(5), in_flight: 4, ca: Some(&ca) };
        HttpChannel::new(&line, Plain(url.parse().unwrap())).unwrap().send(&test_servers::sms("Code 0042")).await
    }

    async fn outcome(url: &str, timeout_ms: u64) -> Outcome {
        channel(url, Duration::from_millis(timeout_ms), 4).send(&test_servers::sms("Code 0042")).await
    }

    async fn outcome_of(then: Action) -> Outcome {
        outcome(&test_servers::http(then).await.0, 5000).await
    }

    fn paused(seconds: u64) -> Outcome {
        Outcome::Deferred { cause: Cause::ProviderDown, retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[tokio::test]
    async fn an_answer_becomes_the_verdict_of_the_adapter() {
        let taken = outcome_of(test_servers::http_answer("200 OK", &[], r#"{"id":"m-1"}"#)).await;
        assert_eq!(taken, Outcome::accepted(Reference::new("m-1")));
        let down = outcome_of(test_servers::http_answer("503 Busy", &[], "")).await;
        assert_eq!(down, Outcome::deferred(Cause::ProviderDown));
    }

    #[tokio::test]
    async fn the_pause_a_provider_asks_for_is_passed_on() {
        let down = |headers: &'static [&str]| outcome_of(test_servers::http_answer("503 Busy", headers, ""));
        assert_eq!(down(&["retry-after: 7"]).await, paused(7));
        let dates = &["date: Wed, 21 Oct 2015 07:28:00 GMT", "retry-after: Wed, 21 Oct 2015 07:28:30 GMT"];
        assert_eq!(down(dates).await, paused(30));
    }

    #[test]
    fn a_pause_is_read_in_every_form_it_is_at_most_a_minute_and_nonsense_is_none() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let read = |asked: &str| pause(&[(RETRY_AFTER, asked), (DATE, date)].map(header).into_iter().collect());
        for (asked, seconds) in [
            ("0", Some(0)),
            ("2", Some(2)),
            (" 7 ", Some(7)),
            ("007", Some(7)),
            ("60", Some(60)),
            ("3600", Some(60)),
            ("99999999999999999999999", Some(60)),
            ("Wed, 21 Oct 2015 07:28:05 GMT", Some(5)),
            ("Wednesday, 21-Oct-15 07:28:05 GMT", Some(5)),
            ("Wed Oct 21 07:28:05 2015", Some(5)),
            ("Thu, 22 Oct 2015 07:28:00 GMT", Some(60)),
            ("Tue, 20 Oct 2015 07:28:00 GMT", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("5s", None),
            ("1,2", None),
            ("Wed, 32 Oct 2015 07:28:00 GMT", None),
        ] {
            assert_eq!(read(asked), seconds.map(Duration::from_secs), "{asked}");
        }
        assert_eq!(pause(&HeaderMap::new()), None);
    }

    #[test]
    fn of_several_pauses_the_longest_is_kept() {
        let read = |asked: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.extend(asked.iter().map(|asked| (RETRY_AFTER, HeaderValue::from_static(asked))));
            pause(&headers).map(|pause| pause.as_secs())
        };
        assert_eq!((read(&["2", "30"]), read(&["30", "0"]), read(&["soon", "4"])), (Some(30), Some(30), Some(4)));
    }

    #[test]
    fn a_date_that_nothing_measures_is_a_long_pause_and_bytes_that_are_no_text_are_none() {
        let minute = Some(Duration::from_mins(1));
        let date = (RETRY_AFTER, "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(pause(&[header(date.clone())].into_iter().collect()), minute);
        assert_eq!(pause(&[date, (DATE, "yesterday")].map(header).into_iter().collect()), minute);
        let odd = HeaderValue::from_bytes(b"\xff5").unwrap();
        assert_eq!(pause(&[(RETRY_AFTER, odd)].into_iter().collect()), None);
    }

    fn header((name, value): (HeaderName, &str)) -> (HeaderName, HeaderValue) {
        (name, HeaderValue::from_str(value).unwrap())
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let address: SocketAddr = test_servers::nobody().await;
        assert_eq!(outcome(&format!("http://{address}/"), 5000).await, Outcome::deferred(Cause::Unreachable));
    }

    #[tokio::test]
    async fn a_connection_that_does_not_come_about_in_time_is_unreachable() {
        let (_listener, address) = test_servers::silence().await;
        let no_handshake = outcome(&format!("https://{address}/"), 300).await;
        assert_eq!(no_handshake, Outcome::deferred(Cause::Unreachable));
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_gets_no_message() {
        let (acceptor, ca) = test_servers::localhost();
        let (_, other) = test_servers::localhost();
        let (url, seen) = test_servers::https(test_servers::http_answer("200 OK", &[], "{}"), acceptor).await;
        assert_eq!(outcome_trusting(&url, &other).await, Outcome::deferred(Cause::Unreachable));
        assert_eq!(seen.all().len(), 0);
        assert_eq!(outcome_trusting(&url, &ca).await, Outcome::accepted(None));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_leaves_the_outcome_unknown() {
        let (url, seen) = test_servers::http(Action::Hang).await;
        assert_eq!(outcome(&url, 300).await, Outcome::unknown(Cause::TimedOut));
        assert_eq!(seen.all().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_on_a_request_leaves_the_outcome_unknown() {
        let (url, seen) = test_servers::http(Action::HangUp).await;
        assert_eq!(outcome(&url, 5000).await, Outcome::unknown(Cause::Disconnected));
        assert_eq!(seen.all().len(), 1, "sent again");
    }

    #[tokio::test]
    async fn an_answer_cut_short_is_no_proof_that_the_message_was_taken() {
        let cut = |status: &str| Action::Say(format!("HTTP/1.1 {status}\r\ncontent-length: 9\r\n\r\n{{"));
        let outcome_of = async |then| outcome(&test_servers::http(then).await.0, 300).await;
        assert_eq!(outcome_of(cut("200 OK")).await, Outcome::unknown(Cause::TimedOut));
        assert_eq!(outcome_of(cut("403 No")).await, Outcome::refused(Cause::Unauthorized));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut() {
        let endless = Action::Babble("HTTP/1.1 200 OK\r\n\r\n                                                    ");
        assert_eq!(outcome_of(endless).await, Outcome::accepted(None));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (elsewhere, seen) = test_servers::http(test_servers::http_answer("200 OK", &[], "{}")).await;
        let location = format!("location: {elsewhere}");
        let outcome = outcome_of(test_servers::http_answer("307 There", &[&location], "")).await;
        assert_eq!((outcome, seen.all().len()), (Outcome::refused(Cause::Unclassified), 0));
    }

    #[tokio::test]
    async fn a_message_waits_for_a_slot_only_while_there_is_time_for_an_answer() {
        let (url, seen) = test_servers::http(Action::Hang).await;
        let channel = channel(&url, Duration::from_millis(300), 1);
        let outbound = test_servers::sms("Code 0042");
        let outcomes = tokio::join!(channel.send(&outbound), channel.send(&outbound));
        assert_eq!(outcomes.0, Outcome::unknown(Cause::TimedOut));
        assert_eq!((outcomes.1, seen.all().len()), (Outcome::deferred(Cause::Throttled), 1));
    }

    #[test]
    fn a_status_that_every_provider_means_alike() {
        for (status, outcome) in [
            (401, Outcome::refused(Cause::Unauthorized)),
            (403, Outcome::refused(Cause::Unauthorized)),
            (408, Outcome::deferred(Cause::Throttled)),
            (425, Outcome::deferred(Cause::Throttled)),
            (429, Outcome::deferred(Cause::Throttled)),
            (500, Outcome::deferred(Cause::ProviderDown)),
            (599, Outcome::deferred(Cause::ProviderDown)),
            (302, Outcome::refused(Cause::Unclassified)),
            (418, Outcome::refused(Cause::Unclassified)),
        ] {
            assert_eq!(common_verdict(StatusCode::from_u16(status).unwrap()), outcome, "{status}");
        }
    }
}
