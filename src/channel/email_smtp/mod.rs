//! E-mail through a relay, over SMTP connections that are kept open.
//!
//! It never delivers to the recipient's own mail server, and never falls back to an unprotected connection: `tls` decides.

mod connector;
mod dkim;
mod failure;
mod mail;
mod pool;
mod read_limit;
mod session;
mod xoauth2;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::Mailbox;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::access_token::{self, AccessTokens};
use super::mail_headers::{self, Unsubscribe};
use super::priority_semaphore::PriorityPermit;
use super::redaction::Redactor;
use super::{
    Adapter, Capabilities, Common, Error, KindSettings, Provider, ProviderEndpoint, Repeat, SendResult, check_in_flight,
};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::secret::Credential;
use connector::Connector;
use dkim::DkimSigner;
use failure::{SessionError, SmtpStep, timed_out};
use mail::OutgoingMail;
use pool::Pool;
use session::SmtpSession;

/// The keys of kind `smtp`. With `deduplicates`, the relay delivers one mail when the same `Message-ID` comes twice.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The host name, as in the relay's certificate.
    pub host: String,
    /// 587 for `starttls`, 465 for `tls`, 25 for most relays in the same network.
    #[serde(default = "submission")]
    pub port: u16,
    #[serde(default)]
    pub tls: Tls,
    /// The user for authentication; there is none when absent.
    #[serde(default)]
    pub user: Option<Credential>,
    #[serde(default)]
    pub password: Option<Credential>,
    /// In place of a password: access tokens (`AUTH XOAUTH2`).
    #[serde(default)]
    pub oauth2: Option<access_token::Settings>,
    /// The sender, such as `Bank <otp@bank.example>`.
    pub from: String,
    /// Where recipients unsubscribe: `mailto:stop@bank.example`, a page at `https://`, or both separated by a comma. Written
    /// in standard notifications, never in codes. Empty for none.
    #[serde(default)]
    pub list_unsubscribe: String,
    /// Signs mails for the sender's domain, where the relay does not.
    #[serde(default)]
    pub dkim: Option<dkim::Settings>,
    /// The name in `EHLO`; the machine's host name when absent.
    #[serde(default)]
    pub hello: Option<String>,
    /// The most connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// How a connection is protected. There is no opportunistic mode: an attacker who drops packets would choose for us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not protected; for a relay on the same machine.
    None,
    /// TLS after a plain greeting; required before anything is sent.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
}

const fn submission() -> u16 {
    587
}

const fn connections() -> usize {
    8
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        Ok(Adapter { provider: Arc::new(Relay::new(self, common)?), receipts: None, requests: None })
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        Some(ProviderEndpoint { host: self.host.clone(), port: self.port, is_encrypted: self.tls != Tls::None })
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "none",
            repeat: Repeat::AsConfigured("a second mail, unless the relay compares `Message-ID`"),
            receipts: "none",
            tested_against: "Python's `smtpd`, `dkimpy` for signatures, Chromium for the look",
        }
    }
}

struct Relay {
    from: Mailbox,
    unsubscribe: Option<Unsubscribe>,
    dkim: Option<DkimSigner>,
    credentials: Vec<Credential>,
    tokens: Option<Arc<AccessTokens>>,
    connector: Connector,
    pool: Pool,
    timeout: Duration,
}

impl Relay {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        check_in_flight(name, "connections", settings.connections)?;
        let from = mail_headers::sender(name, &settings.from)?;
        let unsubscribe =
            Unsubscribe::read(&settings.list_unsubscribe).map_err(|expected| Error::new(name, expected))?;
        let dkim = settings.dkim.as_ref().map(|dkim| DkimSigner::new(name, dkim, from.email.domain())).transpose()?;
        let tokens = settings.oauth2.as_ref().map(|oauth2| AccessTokens::configured(common, oauth2));
        let tokens = tokens.transpose()?.map(Arc::new);
        Ok(Self {
            from,
            unsubscribe,
            dkim,
            credentials: [&settings.user, &settings.password].into_iter().flatten().cloned().collect(),
            connector: Connector::new(settings, common, tokens.as_ref())?,
            tokens,
            pool: Pool::new(settings.connections),
            timeout: common.timeout,
        })
    }

    fn write(&self, message: &OutboundMessage) -> Result<OutgoingMail, Cause> {
        let mut mail = OutgoingMail::write(&self.from, self.unsubscribe.as_ref(), message)?;
        if let Some(dkim) = &self.dkim {
            dkim.sign(&mut mail.bytes, SystemClock.now()).map_err(|_| Cause::NotRendered)?;
        }
        Ok(mail)
    }

    /// Sends one mail over one connection, which `_permit` is for. `step` outlives the attempt, so that a timeout knows how far it came.
    async fn transmit(
        &self,
        mail: &OutgoingMail,
        _permit: PriorityPermit,
        step: &mut SmtpStep,
    ) -> Result<Option<Reference>, SessionError> {
        let mut session = self.open(mail, step).await?;
        let result = session.finish(mail, step).await;
        if !result.as_ref().is_err_and(SessionError::ends_connection) {
            self.pool.put(session);
        }
        result.map(|reply| reference(&reply))
    }

    /// A connection on which the relay has accepted the sender.
    async fn open(&self, mail: &OutgoingMail, step: &mut SmtpStep) -> Result<SmtpSession, SessionError> {
        *step = SmtpStep::Sender;
        while let Some(mut session) = self.pool.take() {
            match session.start(mail).await {
                Ok(()) => return Ok(session),
                // It was closed while idle. Nothing of this mail was sent, and the other connections have been idle longer.
                Err(error) if error.ends_connection() => self.pool.clear(),
                Err(rejected) => {
                    self.pool.put(session);
                    return Err(rejected);
                }
            }
        }
        let mut session = SmtpSession::new(self.connector.connect(step).await?);
        *step = SmtpStep::Sender;
        session.start(mail).await?;
        Ok(session)
    }

    fn redactor(&self, message: &OutboundMessage) -> Redactor {
        let token = self.tokens.as_ref().and_then(|tokens| tokens.token());
        let credentials = self.credentials.iter().chain(&token);
        credentials.fold(Redactor::of(message), |redactor, credential| redactor.and(credential.expose()))
    }
}

#[async_trait]
impl Provider for Relay {
    async fn send(&self, message: &OutboundMessage) -> SendResult {
        let mail = match self.write(message) {
            Ok(mail) => mail,
            Err(cause) => return Outcome::failed(cause).into(),
        };
        let mut step = SmtpStep::Queue;
        let limit = self.timeout.min(message.valid_for);
        let end = Instant::now() + limit;
        if let Some(tokens) = &self.tokens
            && let Err(failure) = tokens.renew(limit / 2).await
        {
            return failure;
        }
        // At most half of the time, as over HTTP: a mail that gets a connection at the last moment would end as one to a relay
        // that cannot be reached.
        let permit = match timeout(limit / 2, self.pool.acquire(message.priority)).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(error)) => return error.result(step, &self.redactor(message)),
            Err(_) => return timed_out(step),
        };
        let result = match timeout_at(end, self.transmit(&mail, permit, &mut step)).await {
            Ok(Ok(reference)) => Outcome::accepted(reference).into(),
            Ok(Err(error)) => error.result(step, &self.redactor(message)),
            Err(_) => timed_out(step),
        };
        if step == SmtpStep::Login && result.outcome.cause() == Some(Cause::Unauthorized) {
            self.tokens.iter().for_each(|tokens| tokens.forget());
        }
        result
    }
}

/// The relay's reference for the mail: `queued as 4ABCD` (Postfix), `id=1tABC-0001` (Exim) or `Ok 0102-abc` (Amazon SES).
fn reference(reply: &str) -> Option<Reference> {
    let words: Vec<&str> = reply.split_ascii_whitespace().collect();
    let postfix = || words.windows(3).find(|w| w[..2] == ["queued", "as"]).map(|w| w[2]);
    let exim = || words.iter().find_map(|word| word.strip_prefix("id="));
    let ses = || matches!(words[..], [ok, _] if ok.eq_ignore_ascii_case("ok")).then(|| words[1]);
    postfix().or_else(exim).or_else(ses).filter(|id| id.is_ascii()).and_then(Reference::new)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use serde_json::{Value, json};

    use super::super::test_servers;
    use super::super::test_servers::Action;
    use super::*;
    use crate::domain::failure_detail::FailureDetail;

    fn settings(address: SocketAddr, mut given: Value) -> crate::channel::Settings {
        let usual = json!({
            "kind": "smtp", "name": "relay", "host": "127.0.0.1", "port": address.port(), "tls": "none",
            "from": "Bank <otp@bank.example>", "hello": "otpost.example",
        });
        for (key, value) in usual.as_object().unwrap() {
            given.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
        }
        serde_json::from_value(given).unwrap()
    }

    async fn connected(relay: &test_servers::TestRelay, rest: Value) -> Arc<dyn Provider> {
        settings(relay.start().await, rest).connect().unwrap().provider
    }

    async fn outcome(relay: &test_servers::TestRelay, rest: Value) -> Outcome {
        connected(relay, rest).await.send(&mail()).await.outcome
    }

    async fn send(provider: &Arc<dyn Provider>) -> Outcome {
        provider.send(&mail()).await.outcome
    }

    async fn detail(relay: &test_servers::TestRelay, rest: Value) -> String {
        let result = connected(relay, rest).await.send(&mail()).await;
        result.detail.as_ref().map_or("", FailureDetail::as_str).to_owned()
    }

    fn mail() -> OutboundMessage {
        test_servers::email("Your code", "Code 0042\r\n.\r\nMAIL FROM:<eve@evil.example>", "<p>0042</p>")
    }

    fn accepted() -> Outcome {
        Outcome::accepted(Reference::new("4ABCD"))
    }

    #[tokio::test]
    async fn a_mail_is_sent_and_keeps_the_relays_reference() {
        let relay = test_servers::TestRelay::new();
        assert_eq!(outcome(&relay, json!({})).await, accepted());
        let received = relay.received.all();
        let commands = [
            "(greeting)",
            "EHLO otpost.example",
            "MAIL FROM:<otp@bank.example>",
            "RCPT TO:<leon@mail.example>",
            "DATA",
        ];
        assert_eq!(received[..5], commands);
        assert_eq!((received.len(), relay.received.count("MAIL")), (7, 1), "a dot in the text ended the mail");
    }

    fn oauth2(token_url: &str, secrets: &Value) -> Value {
        let mut oauth2 =
            json!({ "token_url": token_url, "client_id": "otpost", "scope": "https://mail.example/.default" });
        oauth2.as_object_mut().unwrap().extend(secrets.as_object().unwrap().clone());
        json!({ "user": "otp@bank.example", "oauth2": oauth2 })
    }

    #[tokio::test]
    async fn a_mailbox_logs_in_with_an_access_token_that_is_fetched_once() {
        let answer = r#"{"access_token":"t-0","expires_in":3599,"token_type":"Bearer"}"#;
        for (secrets, asked_for) in [
            (
                json!({ "client_secret": "hush" }),
                "grant_type=client_credentials&client_id=otpost&client_secret=hush&scope=https%3A%2F%2Fmail.example%2F.default",
            ),
            (
                json!({ "refresh_token": "once" }),
                "grant_type=refresh_token&client_id=otpost&refresh_token=once&scope=https%3A%2F%2Fmail.example%2F.default",
            ),
        ] {
            let (token_url, asked) = test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await;
            let relay = test_servers::TestRelay::new().offering("250-AUTH XOAUTH2 PLAIN\r\n").closing_after(1);
            let provider = connected(&relay, oauth2(&token_url, &secrets)).await;

            assert_eq!((send(&provider).await, send(&provider).await), (accepted(), accepted()));

            let login = openssl::base64::encode_block(b"user=otp@bank.example\x01auth=Bearer t-0\x01\x01");
            assert_eq!(relay.received.all()[2], format!("AUTH XOAUTH2 {login}"));
            assert_eq!((relay.received.count("AUTH"), asked.all().len()), (2, 1));
            assert!(asked.all()[0].ends_with(asked_for), "{}", asked.all()[0]);
        }
    }

    #[tokio::test]
    async fn a_token_that_is_not_accepted_is_fetched_again_for_the_next_mail() {
        let answer = r#"{"access_token":"t-0","expires_in":3599}"#;
        let (token_url, asked) = test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await;
        let relay = test_servers::TestRelay::new().offering("250-AUTH XOAUTH2\r\n");
        let relay = relay.on("(greeting)", "220 ready").on("EHLO", "250-fake\r\n250 AUTH XOAUTH2");
        let relay = relay.on("AUTH", "334 eyJzdGF0dXMiOiI0MDAifQ==").on("", "535 5.7.3 Authentication unsuccessful");
        let provider = connected(&relay, oauth2(&token_url, &json!({ "client_secret": "hush" }))).await;

        for _ in 0..2 {
            let result = provider.send(&mail()).await;
            assert_eq!(result.outcome, Outcome::deferred(Cause::Unauthorized), "{result:?}");
            let detail = result.detail.as_ref().map_or("", FailureDetail::as_str);
            assert!(detail.starts_with("SMTP 535 after AUTH: ") && !detail.contains("t-0"), "{detail}");
        }
        assert_eq!(asked.all().len(), 2);
    }

    #[tokio::test]
    async fn nothing_is_sent_without_a_token_or_to_a_relay_that_takes_none() {
        let (token_url, _) = test_servers::http(test_servers::http_answer("401 No", &[], "{}")).await;
        let relay = test_servers::TestRelay::new();
        let secrets = json!({ "client_secret": "hush" });
        let refused = outcome(&relay, oauth2(&token_url, &secrets)).await;
        assert_eq!((refused, relay.received.all().len()), (Outcome::deferred(Cause::Unauthorized), 0));

        let answer = r#"{"access_token":"t-0","expires_in":3599}"#;
        let (token_url, _) = test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await;
        let detail = detail(&relay, oauth2(&token_url, &secrets)).await;
        assert_eq!(detail, "the relay does not support XOAUTH2 after AUTH");

        let address = relay.start().await;
        let error = |given| settings(address, given).connect().err().unwrap().to_string();
        let mut both = oauth2("http://127.0.0.1/token", &secrets);
        both["password"] = "hush".into();
        assert_eq!(error(both), "provider relay: oauth2: expected user, and no password");
        let none = error(oauth2("http://127.0.0.1/token", &json!({})));
        assert_eq!(none, "provider relay: oauth2: expected client_secret or refresh_token, or both");
        let nowhere = error(oauth2("token", &json!({ "client_secret": "hush" })));
        assert_eq!(nowhere, "provider relay: oauth2.token_url: expected http:// or https:// and a host");
        let exposed = error(oauth2("http://login.example/token", &json!({ "client_secret": "hush" })));
        assert_eq!(exposed, "provider relay: oauth2.token_url: expected https://, because secrets are sent there");
    }

    #[tokio::test]
    async fn two_mails_go_over_one_connection() {
        let relay = test_servers::TestRelay::new();
        let provider = connected(&relay, json!({})).await;
        assert_eq!((send(&provider).await, send(&provider).await), (accepted(), accepted()));
        assert_eq!(relay.received.count("EHLO"), 1);
    }

    #[tokio::test]
    async fn a_connection_closed_while_idle_does_not_lose_a_mail() {
        let relay = test_servers::TestRelay::new().closing_after(1);
        let provider = connected(&relay, json!({})).await;
        for _ in 0..3 {
            assert_eq!(send(&provider).await, accepted());
        }
        assert_eq!((relay.received.count("EHLO"), relay.received.count(".")), (3, 3));
    }

    #[tokio::test]
    async fn the_connection_survives_a_rejected_recipient() {
        let relay = test_servers::TestRelay::new().on("RCPT", "550 5.1.1 unknown");
        let provider = connected(&relay, json!({})).await;
        for _ in 0..2 {
            assert_eq!(send(&provider).await, Outcome::rejected(Cause::ContactGone));
        }
        assert_eq!(
            (relay.received.count("EHLO"), relay.received.count("RSET"), relay.received.count("DATA")),
            (1, 1, 0)
        );
    }

    #[tokio::test]
    async fn no_more_connections_are_made_than_allowed() {
        let relay = test_servers::TestRelay::new();
        let provider = connected(&relay, json!({ "connections": 2 })).await;
        let sent = tokio::join!(send(&provider), send(&provider), send(&provider), send(&provider));
        assert_eq!(sent, (accepted(), accepted(), accepted(), accepted()));
        assert!(relay.received.count("EHLO") <= 2);
    }

    #[tokio::test]
    async fn a_login_comes_before_the_mail_and_a_failed_login_does_not_reject_the_mail_itself() {
        let login = json!({ "user": "me", "password": "hush" });
        let relay = test_servers::TestRelay::new();
        assert_eq!(outcome(&relay, login.clone()).await, accepted());
        assert_eq!(relay.received.all()[2], "AUTH PLAIN AG1lAGh1c2g=");

        let strict = test_servers::TestRelay::new().on("AUTH", "535 5.7.8 no");
        assert_eq!(outcome(&strict, login).await, Outcome::deferred(Cause::Unauthorized));
    }

    #[test]
    fn a_password_is_never_sent_unencrypted_to_another_machine() {
        let address = SocketAddr::from(([127, 0, 0, 1], 25));
        let rejected = settings(address, json!({ "host": "mx.example", "user": "me", "password": "hush" })).connect();
        assert_eq!(
            rejected.err().unwrap().to_string(),
            "provider relay: tls: expected starttls or tls, because a password must not be sent unencrypted"
        );
    }

    #[tokio::test]
    async fn the_outcome_of_a_reply_depends_on_the_command() {
        for (command, reply, expected) in [
            ("(greeting)", "554 not you", Outcome::deferred(Cause::Account)),
            ("MAIL", "550 sender unknown", Outcome::deferred(Cause::Account)),
            ("RCPT", "550 5.7.1 relaying denied", Outcome::deferred(Cause::Unauthorized)),
            ("RCPT", "550 5.1.1 unknown", Outcome::rejected(Cause::ContactGone)),
            ("DATA", "452 disk full", Outcome::deferred(Cause::ProviderDown)),
            (".", "552 too large", Outcome::rejected(Cause::BadMessage)),
        ] {
            let relay = test_servers::TestRelay::new().on(command, reply);
            assert_eq!(outcome(&relay, json!({})).await, expected, "{command} {reply}");
        }
    }

    #[tokio::test]
    async fn a_failure_names_its_phase_and_its_reason_without_anything_that_was_sent() {
        let new = test_servers::TestRelay::new;
        let short = || json!({ "timeout": "300ms" });
        let unknown = new().on("RCPT", "550-5.1.1 <leon@mail.example>: unknown\r\n550 5.1.1 Code 0042");
        assert_eq!(detail(&unknown, json!({})).await, "SMTP 550 after RCPT TO: 5.1.1 <***>: unknown ***");
        assert_eq!(
            detail(&new().react("MAIL", Action::Disconnect), json!({})).await,
            "no complete reply after MAIL FROM"
        );
        assert_eq!(detail(&new().react(".", Action::NeverReply), short()).await, "timed out while sending the mail");
        assert_eq!(
            detail(&new().react("(greeting)", Action::NeverReply), short()).await,
            "timed out before the greeting was complete"
        );
        let closed = settings(test_servers::closed_port().await, json!({})).connect().unwrap().provider;
        let refused = closed.send(&mail()).await.detail.unwrap();
        assert_eq!(refused.as_str(), "connection refused");
        let (acceptor, _) = test_servers::localhost();
        let (_, other) = test_servers::localhost();
        let upgraded = new().start_tls(acceptor.clone());
        assert_eq!(detail(&upgraded, trusting("starttls", other.path())).await, "TLS: certificate signature failure");
        let implicit = new().implicit_tls(acceptor);
        assert_eq!(detail(&implicit, trusting("tls", other.path())).await, "TLS: certificate signature failure");
        let without = detail(&new(), trusting("starttls", other.path())).await;
        assert_eq!(without, "TLS: the relay does not support STARTTLS");
    }

    #[tokio::test]
    async fn a_mail_may_have_arrived_only_once_its_content_was_sent() {
        for (command, action, expected) in [
            ("(greeting)", Action::Disconnect, Outcome::deferred(Cause::Unreachable)),
            ("(greeting)", Action::NeverReply, Outcome::deferred(Cause::Unreachable)),
            ("(greeting)", Action::Reply("HTTP/1.1 200 OK\r\n".into()), Outcome::deferred(Cause::Unreachable)),
            ("RCPT", Action::Disconnect, Outcome::deferred(Cause::Unreachable)),
            ("RCPT", Action::NeverReply, Outcome::deferred(Cause::Unreachable)),
            ("DATA", Action::Disconnect, Outcome::deferred(Cause::Unreachable)),
            (".", Action::Disconnect, Outcome::unknown(Cause::Disconnected)),
            (".", Action::NeverReply, Outcome::unknown(Cause::TimedOut)),
        ] {
            let relay = test_servers::TestRelay::new().react(command, action);
            assert_eq!(outcome(&relay, json!({ "timeout": "300ms" })).await, expected, "{command}");
        }
        let closed = settings(test_servers::closed_port().await, json!({})).connect().unwrap().provider;
        assert_eq!(send(&closed).await, Outcome::deferred(Cause::Unreachable));
    }

    fn trusting(tls: &str, ca: &Path) -> Value {
        json!({ "host": "localhost", "tls": tls, "ca": ca })
    }

    #[tokio::test]
    async fn tls_is_used_where_it_is_configured() {
        let (acceptor, ca) = test_servers::localhost();
        let upgraded = test_servers::TestRelay::new().start_tls(acceptor.clone());
        assert_eq!(outcome(&upgraded, trusting("starttls", ca.path())).await, accepted());
        assert_eq!(upgraded.received.count("EHLO"), 2);
        let implicit = test_servers::TestRelay::new().implicit_tls(acceptor);
        assert_eq!(outcome(&implicit, trusting("tls", ca.path())).await, accepted());
    }

    #[tokio::test]
    async fn a_relay_with_an_untrusted_certificate_gets_no_mail() {
        let (acceptor, _) = test_servers::localhost();
        let (_, other) = test_servers::localhost();
        for (tls, relay) in [
            ("starttls", test_servers::TestRelay::new()),
            ("starttls", test_servers::TestRelay::new().start_tls(acceptor.clone())),
            ("tls", test_servers::TestRelay::new().implicit_tls(acceptor.clone())),
        ] {
            assert_eq!(outcome(&relay, trusting(tls, other.path())).await, Outcome::deferred(Cause::TlsFailed));
            assert_eq!(relay.received.count("MAIL"), 0, "{tls}");
        }
    }

    #[tokio::test]
    async fn a_reply_injected_before_tls_is_not_read_as_one_over_tls() {
        let (acceptor, ca) = test_servers::localhost();
        let relay = test_servers::TestRelay::new().start_tls(acceptor).on("STARTTLS", "220 ready\r\n250 slipped in");
        assert_eq!(outcome(&relay, trusting("starttls", ca.path())).await, Outcome::deferred(Cause::TlsFailed));
    }

    #[test]
    fn a_reply_may_contain_a_reference() {
        let read = |reply| reference(reply).map(|reference| reference.as_str().to_owned());
        assert_eq!(read("2.0.0 Ok: queued as 4ABCD").as_deref(), Some("4ABCD"));
        assert_eq!(read("OK id=1tABC-0001").as_deref(), Some("1tABC-0001"));
        assert_eq!(read("Ok 0102-abc-000000").as_deref(), Some("0102-abc-000000"));
        for without in ["", "Ok", "2.0.0 Message accepted for delivery", "queued as", "queued as żółw"] {
            assert_eq!(read(without), None, "{without}");
        }
    }
}
