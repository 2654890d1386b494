//! Hands mails to a relay over SMTP, on connections that are kept.
//!
//! Never delivers to the recipient's own server, and never falls back to an unprotected connection:
//! what `tls` says is what happens.

mod connector;
mod headers;
mod mail;
mod pool;
mod read_limit;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::Mailbox;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Error, Provider, check_bounds};
use crate::domain::contact::Channel;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::price::Price;
use crate::domain::secret::Credential;
use connector::Connector;
use headers::Unsubscribe;
use mail::OutgoingMail;
use pool::Pool;
use session::SmtpSession;

/// How to reach the relay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name it has here.
    pub name: String,
    /// The channel it serves; may be left out, since the kind says it.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// Its host name, as its certificate has it.
    pub host: String,
    /// Its port: 587 for `starttls`, 465 for `tls`, 25 for most relays in one's own network.
    #[serde(default = "submission")]
    pub port: u16,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// The user to log in as; nobody logs in when not given.
    #[serde(default)]
    pub user: Option<Credential>,
    /// The password that belongs to it.
    #[serde(default)]
    pub password: Option<Credential>,
    /// Who the mails are from, such as `Bank <otp@bank.example>`.
    pub from: String,
    /// Where readers ask to be told no more news, such as `mailto:stop@bank.example` or a page behind `https://`, or both
    /// with a comma between; not written under codes. Empty for none.
    #[serde(default)]
    pub list_unsubscribe: String,
    /// The name given in `EHLO`; the machine's own when not given.
    #[serde(default)]
    pub hello: Option<String>,
    /// How long one attempt may take, at most 8s.
    #[serde(default = "super::attempt_max", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub timeout: Duration,
    /// How many connections there may be at once.
    #[serde(default = "connections")]
    pub connections: usize,
    /// A PEM file of certificates to trust beside those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the relay delivers once when the same `Message-ID` comes twice.
    #[serde(default)]
    pub deduplicates: bool,
    /// Its share of the traffic among the relays that have a weight; without one the order of the file counts.
    #[serde(default)]
    pub weight: Option<u32>,
    /// With less time left than this, others are asked before it.
    #[serde(default, with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub min_validity: Duration,
    /// What a message costs; nothing when not given.
    #[serde(default)]
    pub price: Price,
    /// What may be spent on it in an hour; no limit when not given.
    #[serde(default)]
    pub spend_cap_per_hour: Option<Price>,
}

/// How a connection is protected. There is no "if possible": whoever can drop a packet could choose for us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all; for a relay on the same machine or wire.
    None,
    /// TLS after a plain greeting; without it nothing is sent.
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

/// Sets the relay up; nothing is contacted yet.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Provider>, Error> {
    Ok(Arc::new(Relay::new(settings)?))
}

struct Relay {
    from: Mailbox,
    unsubscribe: Option<Unsubscribe>,
    dialer: Connector,
    pool: Pool,
    timeout: Duration,
}

/// How far an attempt has come. What a failure means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SmtpStep {
    /// Waiting for one of the connections to be free.
    Queue,
    /// Connecting, up to the answer to `EHLO`.
    Dial,
    /// `AUTH`.
    Login,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, before the first byte of the mail.
    Data,
    /// From the first byte of the mail to the answer that takes it.
    Content,
}

/// Why an attempt ended early: the class of the failure, because its text may repeat an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionError {
    /// The relay said no, with this code.
    Reply(u16),
    /// There was no connection, or it ended, or what came over it was not SMTP.
    Lost,
    /// The address has letters beyond ASCII and the relay does not take such (RFC 6531).
    AsciiOnly,
}

impl From<lettre::transport::smtp::Error> for SessionError {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        error.status().map_or(Self::Lost, |code| Self::Reply(code.into()))
    }
}

impl Relay {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let Settings { name, timeout, connections, .. } = settings;
        check_bounds(name, *timeout, ("connections", *connections))?;
        let from = settings
            .from
            .parse()
            .map_err(|_| Error::new(name, "from: expected a mailbox such as Bank <otp@bank.example>"))?;
        let unsubscribe =
            Unsubscribe::read(&settings.list_unsubscribe).map_err(|expected| Error::new(name, expected))?;
        Ok(Self {
            from,
            unsubscribe,
            dialer: Connector::new(settings)?,
            pool: Pool::new(*connections),
            timeout: *timeout,
        })
    }

    /// One mail over one connection. `step` outlives the attempt, so that a time-out knows where it struck.
    async fn hand_over(
        &self,
        letter: &OutgoingMail,
        lane: Priority,
        step: &mut SmtpStep,
    ) -> Result<Option<Reference>, SessionError> {
        let _slot = self.pool.slot(lane).await?;
        let mut line = self.open(letter, step).await?;
        let result = line.finish(letter, step).await;
        if !matches!(result, Err(SessionError::Lost | SessionError::Reply(SHUTTING_DOWN))) {
            self.pool.put(line);
        }
        result.map(|reply| reference(&reply))
    }

    /// A connection on which the relay has taken the sender.
    async fn open(&self, letter: &OutgoingMail, step: &mut SmtpStep) -> Result<SmtpSession, SessionError> {
        *step = SmtpStep::Sender;
        while let Some(mut line) = self.pool.take() {
            match line.begin(letter).await {
                Ok(()) => return Ok(line),
                // It ended while nobody looked. Nothing of this mail was sent, and the others have been idle for longer.
                Err(SessionError::Lost | SessionError::Reply(SHUTTING_DOWN)) => self.pool.clear(),
                Err(refused) => {
                    self.pool.put(line);
                    return Err(refused);
                }
            }
        }
        let mut line = SmtpSession::new(self.dialer.dial(step).await?);
        *step = SmtpStep::Sender;
        line.begin(letter).await?;
        Ok(line)
    }
}

#[async_trait]
impl Provider for Relay {
    async fn send(&self, outbound: &OutboundMessage) -> Outcome {
        let letter = match OutgoingMail::write(&self.from, self.unsubscribe.as_ref(), outbound) {
            Ok(letter) => letter,
            Err(cause) => return Outcome::refused(cause),
        };
        let mut step = SmtpStep::Queue;
        let result =
            timeout(self.timeout.min(outbound.valid_for), self.hand_over(&letter, outbound.priority, &mut step)).await;
        match result {
            Ok(Ok(reference)) => Outcome::accepted(reference),
            Ok(Err(broken)) => verdict(step, broken),
            Err(_) => timed_out(step),
        }
    }
}

/// RFC 5321, 3.8: the relay closes the connection after this, whatever was asked.
const SHUTTING_DOWN: u16 = 421;

fn verdict(step: SmtpStep, broken: SessionError) -> Outcome {
    match (step, broken) {
        (SmtpStep::Content, SessionError::Lost) => Outcome::unknown(Cause::Disconnected),
        (_, SessionError::Lost) => Outcome::deferred(Cause::Unreachable),
        // 450 is also how relays say "greylisted" and "too many of these".
        (_, SessionError::Reply(450)) => Outcome::deferred(Cause::Throttled),
        (_, SessionError::Reply(400..=499)) => Outcome::deferred(Cause::ProviderDown),
        (_, SessionError::Reply(530 | 534 | 535 | 538)) | (SmtpStep::Login, SessionError::Reply(_)) => {
            Outcome::refused(Cause::Unauthorized)
        }
        // A greeting of 554 turns this machine away, and says nothing about the mail.
        (SmtpStep::Queue | SmtpStep::Dial, SessionError::Reply(_)) => Outcome::deferred(Cause::ProviderDown),
        (_, SessionError::AsciiOnly) | (SmtpStep::Recipient, SessionError::Reply(501 | 550 | 551 | 553 | 556)) => {
            Outcome::refused(Cause::InvalidContact)
        }
        (_, SessionError::Reply(550 | 552 | 553 | 554)) => Outcome::refused(Cause::BadMessage),
        (_, SessionError::Reply(_)) => Outcome::refused(Cause::Unclassified),
    }
}

fn timed_out(step: SmtpStep) -> Outcome {
    match step {
        SmtpStep::Queue => Outcome::deferred(Cause::Throttled),
        SmtpStep::Dial | SmtpStep::Login | SmtpStep::Sender | SmtpStep::Recipient | SmtpStep::Data => {
            Outcome::deferred(Cause::Unreachable)
        }
        SmtpStep::Content => Outcome::unknown(Cause::TimedOut),
    }
}

/// The relay's own name for the mail: `queued as 4ABCD` (Postfix), `id=1tABC-0001` (Exim) or `Ok 0102-abc` (Amazon SES).
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

    fn settings(address: SocketAddr, mut given: Value) -> Settings {
        let usual = json!({
            "name": "relay", "host": "127.0.0.1", "port": address.port(), "tls": "none",
            "from": "Bank <otp@bank.example>", "hello": "otpost.example",
        });
        for (key, value) in usual.as_object().unwrap() {
            given.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
        }
        serde_json::from_value(given).unwrap()
    }

    async fn connected(relay: &test_servers::TestRelay, rest: Value) -> Arc<dyn Provider> {
        connect(&settings(relay.start().await, rest)).unwrap()
    }

    async fn outcome(relay: &test_servers::TestRelay, rest: Value) -> Outcome {
        connected(relay, rest).await.send(&mail()).await
    }

    fn mail() -> OutboundMessage {
        test_servers::email("Your code", "Code 0042\r\n.\r\nMAIL FROM:<eve@evil.example>", "<p>0042</p>")
    }

    fn taken() -> Outcome {
        Outcome::accepted(Reference::new("4ABCD"))
    }

    #[tokio::test]
    async fn a_mail_is_handed_over_under_the_name_the_relay_gave_it() {
        let relay = test_servers::TestRelay::new();
        assert_eq!(outcome(&relay, json!({})).await, taken());
        let seen = relay.seen.all();
        let commands = [
            "(greeting)",
            "EHLO otpost.example",
            "MAIL FROM:<otp@bank.example>",
            "RCPT TO:<leon@mail.example>",
            "DATA",
        ];
        assert_eq!(seen[..5], commands);
        assert_eq!((seen.len(), relay.seen.count("MAIL")), (7, 1), "a dot in the text ended the mail");
    }

    #[tokio::test]
    async fn two_mails_go_over_one_connection() {
        let relay = test_servers::TestRelay::new();
        let provider = connected(&relay, json!({})).await;
        assert_eq!((provider.send(&mail()).await, provider.send(&mail()).await), (taken(), taken()));
        assert_eq!(relay.seen.count("EHLO"), 1);
    }

    #[tokio::test]
    async fn a_connection_that_died_while_idle_does_not_cost_a_mail() {
        let relay = test_servers::TestRelay::new().closing_after(1);
        let provider = connected(&relay, json!({})).await;
        for _ in 0..3 {
            assert_eq!(provider.send(&mail()).await, taken());
        }
        assert_eq!((relay.seen.count("EHLO"), relay.seen.count(".")), (3, 3));
    }

    #[tokio::test]
    async fn the_connection_survives_a_refused_recipient() {
        let relay = test_servers::TestRelay::new().on("RCPT", "550 5.1.1 unknown");
        let provider = connected(&relay, json!({})).await;
        for _ in 0..2 {
            assert_eq!(provider.send(&mail()).await, Outcome::refused(Cause::InvalidContact));
        }
        assert_eq!((relay.seen.count("EHLO"), relay.seen.count("RSET"), relay.seen.count("DATA")), (1, 1, 0));
    }

    #[tokio::test]
    async fn no_more_connections_are_made_than_allowed() {
        let relay = test_servers::TestRelay::new();
        let provider = connected(&relay, json!({ "connections": 2 })).await;
        let mail = mail();
        let sent = tokio::join!(provider.send(&mail), provider.send(&mail), provider.send(&mail), provider.send(&mail));
        assert_eq!(sent, (taken(), taken(), taken(), taken()));
        assert!(relay.seen.count("EHLO") <= 2);
    }

    #[tokio::test]
    async fn a_login_comes_before_the_mail_and_its_refusal_is_no_word_on_the_mail() {
        let login = json!({ "user": "me", "password": "hush" });
        let relay = test_servers::TestRelay::new();
        assert_eq!(outcome(&relay, login.clone()).await, taken());
        assert_eq!(relay.seen.all()[2], "AUTH PLAIN AG1lAGh1c2g=");

        let strict = test_servers::TestRelay::new().on("AUTH", "535 5.7.8 no");
        assert_eq!(outcome(&strict, login).await, Outcome::refused(Cause::Unauthorized));
    }

    #[test]
    fn a_password_does_not_leave_the_machine_in_the_clear() {
        let address = SocketAddr::from(([127, 0, 0, 1], 25));
        let refused = connect(&settings(address, json!({ "host": "mx.example", "user": "me", "password": "hush" })));
        assert_eq!(
            refused.err().unwrap().to_string(),
            "provider relay: tls: expected starttls or tls, or a password would travel in the clear"
        );
    }

    #[tokio::test]
    async fn what_the_relay_says_is_what_came_of_it() {
        for (command, reply, expected) in [
            ("(greeting)", "421 too busy", Outcome::deferred(Cause::ProviderDown)),
            ("(greeting)", "554 not you", Outcome::deferred(Cause::ProviderDown)),
            ("MAIL", "421 closing", Outcome::deferred(Cause::ProviderDown)),
            ("MAIL", "530 log in first", Outcome::refused(Cause::Unauthorized)),
            ("MAIL", "550 sender unknown", Outcome::refused(Cause::BadMessage)),
            ("RCPT", "450 greylisted", Outcome::deferred(Cause::Throttled)),
            ("RCPT", "451 trouble", Outcome::deferred(Cause::ProviderDown)),
            ("RCPT", "550 unknown", Outcome::refused(Cause::InvalidContact)),
            ("RCPT", "551 moved", Outcome::refused(Cause::InvalidContact)),
            ("RCPT", "553 not a name", Outcome::refused(Cause::InvalidContact)),
            ("RCPT", "554 blocked", Outcome::refused(Cause::BadMessage)),
            ("RCPT", "555 what?", Outcome::refused(Cause::Unclassified)),
            ("DATA", "452 disk full", Outcome::deferred(Cause::ProviderDown)),
            (".", "421 closing", Outcome::deferred(Cause::ProviderDown)),
            (".", "451 trouble", Outcome::deferred(Cause::ProviderDown)),
            (".", "552 too large", Outcome::refused(Cause::BadMessage)),
            (".", "554 spam", Outcome::refused(Cause::BadMessage)),
        ] {
            let relay = test_servers::TestRelay::new().on(command, reply);
            assert_eq!(outcome(&relay, json!({})).await, expected, "{command} {reply}");
        }
    }

    #[tokio::test]
    async fn only_a_mail_that_was_begun_can_have_arrived() {
        for (command, then, expected) in [
            ("(greeting)", Action::HangUp, Outcome::deferred(Cause::Unreachable)),
            ("(greeting)", Action::Hang, Outcome::deferred(Cause::Unreachable)),
            ("(greeting)", Action::Say("HTTP/1.1 200 OK\r\n".into()), Outcome::deferred(Cause::Unreachable)),
            ("RCPT", Action::HangUp, Outcome::deferred(Cause::Unreachable)),
            ("RCPT", Action::Hang, Outcome::deferred(Cause::Unreachable)),
            ("DATA", Action::HangUp, Outcome::deferred(Cause::Unreachable)),
            (".", Action::HangUp, Outcome::unknown(Cause::Disconnected)),
            (".", Action::Hang, Outcome::unknown(Cause::TimedOut)),
        ] {
            let relay = test_servers::TestRelay::new().then(command, then);
            assert_eq!(outcome(&relay, json!({ "timeout": "300ms" })).await, expected, "{command}");
        }
        let nobody = connect(&settings(test_servers::nobody().await, json!({}))).unwrap();
        assert_eq!(nobody.send(&mail()).await, Outcome::deferred(Cause::Unreachable));
    }

    fn trusting(tls: &str, ca: &Path) -> Value {
        json!({ "host": "localhost", "tls": tls, "ca": ca })
    }

    #[tokio::test]
    async fn tls_is_used_where_it_is_asked_for() {
        let (acceptor, ca) = test_servers::localhost();
        let upgraded = test_servers::TestRelay::new().start_tls(acceptor.clone());
        assert_eq!(outcome(&upgraded, trusting("starttls", ca.path())).await, taken());
        assert_eq!(upgraded.seen.count("EHLO"), 2);
        let implicit = test_servers::TestRelay::new().implicit_tls(acceptor);
        assert_eq!(outcome(&implicit, trusting("tls", ca.path())).await, taken());
    }

    #[tokio::test]
    async fn a_relay_that_nobody_vouches_for_gets_no_mail() {
        let (acceptor, _) = test_servers::localhost();
        let (_, other) = test_servers::localhost();
        for (tls, relay) in [
            ("starttls", test_servers::TestRelay::new()),
            ("starttls", test_servers::TestRelay::new().start_tls(acceptor.clone())),
            ("tls", test_servers::TestRelay::new().implicit_tls(acceptor.clone())),
        ] {
            assert_eq!(outcome(&relay, trusting(tls, other.path())).await, Outcome::deferred(Cause::Unreachable));
            assert_eq!(relay.seen.count("MAIL"), 0, "{tls}");
        }
    }

    #[tokio::test]
    async fn an_answer_slipped_in_before_tls_is_not_taken_for_one_under_tls() {
        let (acceptor, ca) = test_servers::localhost();
        let relay = test_servers::TestRelay::new().start_tls(acceptor).on("STARTTLS", "220 ready\r\n250 slipped in");
        assert_eq!(outcome(&relay, trusting("starttls", ca.path())).await, Outcome::deferred(Cause::Unreachable));
    }

    #[test]
    fn a_reply_may_name_the_mail() {
        let read = |reply| reference(reply).map(|reference| reference.as_str().to_owned());
        assert_eq!(read("2.0.0 Ok: queued as 4ABCD").as_deref(), Some("4ABCD"));
        assert_eq!(read("OK id=1tABC-0001").as_deref(), Some("1tABC-0001"));
        assert_eq!(read("Ok 0102-abc-000000").as_deref(), Some("0102-abc-000000"));
        for nameless in ["", "Ok", "2.0.0 Message accepted for delivery", "queued as", "queued as żółw"] {
            assert_eq!(read(nameless), None, "{nameless}");
        }
    }
}
