//! What the failure of an SMTP session means: how far the mail came, what the relay replied, and why.
//!
//! Pure. Only what is surely about this mail or its recipient is final; the guide "Providers and routing" has the table.

use std::io;

use openssl::error::ErrorStack;

use crate::channel::redaction::Redactor;
use crate::channel::tls_client::HandshakeError;
use crate::channel::{SendResult, io_problem, tls_problem};
use crate::domain::outcome::{Cause, Outcome};

/// RFC 5321, 3.8: after this reply the relay closes the connection.
const SHUTTING_DOWN: u16 = 421;

/// How far an attempt has come. The outcome of a failure depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SmtpStep {
    /// Waiting for a free connection.
    Queue,
    /// Connecting.
    Connect,
    /// The TLS handshake, or `STARTTLS` before it.
    Tls,
    /// The greeting and `EHLO`.
    Greeting,
    /// `AUTH`.
    Login,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, before the first byte of the mail.
    Data,
    /// From the first byte of the mail to the reply that accepts it.
    Content,
}

impl SmtpStep {
    /// When something happened, as the end of a sentence.
    const fn when(self) -> &'static str {
        match self {
            Self::Queue => "while waiting for a free connection",
            Self::Connect => "while connecting",
            Self::Tls => "in the TLS handshake",
            Self::Greeting => "before the greeting was complete",
            Self::Login => "after AUTH",
            Self::Sender => "after MAIL FROM",
            Self::Recipient => "after RCPT TO",
            Self::Data => "after DATA",
            Self::Content => "while sending the mail",
        }
    }
}

/// Why an attempt ended early. The reply may contain a mail address, so there is no `Debug`.
pub(super) enum SessionError {
    /// The relay replied with an error.
    Reply(RelayReply),
    /// The TLS handshake failed.
    Tls(String),
    /// The connection was not made, or it ended, or the other side does not speak SMTP.
    Lost(String),
    /// The mail address has characters beyond ASCII, and the relay does not support them (RFC 6531).
    AsciiOnly,
}

/// An error reply of the relay.
pub(super) struct RelayReply {
    pub(super) code: u16,
    pub(super) text: String,
}

impl SessionError {
    /// Whether the connection cannot be used any more.
    pub(super) const fn ends_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Tls(_) | Self::Reply(RelayReply { code: SHUTTING_DOWN, .. }))
    }

    /// The result of the attempt that failed at `step`.
    pub(super) fn result(self, step: SmtpStep, redactor: &Redactor) -> SendResult {
        let when = step.when();
        match self {
            Self::Reply(reply) => {
                let RelayReply { code, text } = &reply;
                SendResult::new(
                    reply.outcome(step),
                    &format!("SMTP {code} {when}: {}", redactor.excerpt(text.as_bytes())),
                )
            }
            Self::Tls(problem) if step == SmtpStep::Tls => {
                SendResult::new(Outcome::failed(Cause::TlsFailed), &format!("TLS: {problem}"))
            }
            // After the handshake it is a connection like any other: a mail may have arrived before it broke.
            Self::Tls(problem) => Self::Lost(format!("TLS: {problem}")).result(step, redactor),
            Self::Lost(reason) if step == SmtpStep::Content => {
                SendResult::new(Outcome::unknown(Cause::Disconnected), &format!("{reason} {when}"))
            }
            Self::Lost(reason) if step == SmtpStep::Connect => {
                SendResult::new(Outcome::failed(Cause::Unreachable), &reason)
            }
            Self::Lost(reason) => SendResult::new(Outcome::failed(Cause::Unreachable), &format!("{reason} {when}")),
            Self::AsciiOnly => {
                SendResult::new(Outcome::failed(Cause::InvalidContact), "the relay does not support SMTPUTF8")
            }
        }
    }
}

impl RelayReply {
    fn outcome(&self, step: SmtpStep) -> Outcome {
        use SmtpStep::{Connect, Content, Data, Greeting, Login, Queue, Recipient, Sender, Tls};
        let cause = match (step, self.code) {
            // Relays also use 450 for greylisting and rate limits.
            (_, 450) => Cause::Throttled,
            (_, 400..=499) => Cause::ProviderDown,
            (_, 530 | 534 | 535 | 538) | (Login, _) => Cause::Unauthorized,
            // A greeting of 554 rejects this machine; a reply to MAIL FROM rejects our sender.
            (Queue | Connect | Tls | Greeting | Sender, _) => Cause::Account,
            (Recipient, code) => self.about_recipient(code),
            (Data | Content, code) => self.about_content(code),
        };
        Outcome::failed(cause)
    }

    // RFC 3463: 5.1 is about addresses, 5.2 about mailboxes, 5.7 about permissions. Most relays send the detailed code;
    // without it 550, 551, 553 and 556 are about the mailbox (RFC 5321, 4.2.3; RFC 7504), and 554 may be anything.
    fn about_recipient(&self, code: u16) -> Cause {
        match self.detailed_code() {
            Some((1, 7 | 8)) => Cause::Account,
            // No such mailbox, it has moved, or its domain takes no mail.
            Some((1, 1 | 6 | 10)) => Cause::ContactGone,
            Some((1 | 2, _)) => Cause::InvalidContact,
            Some((7, _)) => Cause::Unauthorized,
            None if matches!(code, 501 | 550 | 551 | 552 | 553 | 556) => Cause::InvalidContact,
            _ => Cause::Unclassified,
        }
    }

    // 5.3.4 and 552 are about the size, 5.6 about the form of the mail. A rejection by policy, 5.7 or a plain 554, may be
    // about the account: that is what relays reply whose sender is not verified.
    fn about_content(&self, code: u16) -> Cause {
        match self.detailed_code() {
            Some((6, _) | (2, 3) | (3, 4)) => Cause::BadMessage,
            Some((1 | 2, _)) => Cause::InvalidContact,
            None if code == 552 => Cause::BadMessage,
            _ => Cause::Unclassified,
        }
    }

    /// Subject and detail of an enhanced status code (RFC 3463) such as `5.1.1`.
    fn detailed_code(&self) -> Option<(u16, u16)> {
        let mut numbers = self.text.split_ascii_whitespace().next()?.split('.');
        let mut number = || numbers.next()?.parse::<u16>().ok();
        let (class, subject, detail) = (number()?, number()?, number()?);
        (class == 5 && numbers.next().is_none()).then_some((subject, detail))
    }
}

/// The result of an attempt for which the time ended at `step`.
pub(super) fn timed_out(step: SmtpStep) -> SendResult {
    let outcome = match step {
        SmtpStep::Queue => Outcome::failed(Cause::LocalQueue),
        SmtpStep::Content => Outcome::unknown(Cause::TimedOut),
        SmtpStep::Connect
        | SmtpStep::Tls
        | SmtpStep::Greeting
        | SmtpStep::Login
        | SmtpStep::Sender
        | SmtpStep::Recipient
        | SmtpStep::Data => Outcome::failed(Cause::Unreachable),
    };
    SendResult::new(outcome, &format!("timed out {}", step.when()))
}

impl From<lettre::transport::smtp::Error> for SessionError {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        let source = || std::error::Error::source(&error);
        if let Some(code) = error.status() {
            return Self::Reply(RelayReply {
                code: code.into(),
                text: source().map(ToString::to_string).unwrap_or_default(),
            });
        }
        match tls_problem::of(&error) {
            Some(problem) => Self::Tls(problem),
            None if error.is_client() => Self::Lost(source().map(ToString::to_string).unwrap_or_default()),
            None => {
                let from_system = source().and_then(|source| source.downcast_ref::<io::Error>());
                Self::Lost(from_system.and_then(io_problem::of).unwrap_or("no complete reply").to_owned())
            }
        }
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Lost(io_problem::of_connecting(&error))
    }
}

impl From<HandshakeError> for SessionError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Tls(problem) => Self::Tls(problem),
            HandshakeError::Io(error) => error.into(),
        }
    }
}

impl From<ErrorStack> for SessionError {
    fn from(error: ErrorStack) -> Self {
        HandshakeError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_of_the_relay_has_an_outcome_by_its_step_and_its_code() {
        use SmtpStep::{Content, Data, Greeting, Login, Recipient, Sender, Tls};
        let final_ = [Cause::InvalidContact, Cause::ContactGone, Cause::BadMessage];
        for (step, code, text, cause) in [
            (Greeting, 421, "too busy", Cause::ProviderDown),
            (Greeting, 554, "not you", Cause::Account),
            (Tls, 454, "4.7.0 not now", Cause::ProviderDown),
            (Login, 454, "4.7.0 try later", Cause::ProviderDown),
            (Login, 535, "5.7.8 no", Cause::Unauthorized),
            (Login, 501, "what?", Cause::Unauthorized),
            (Sender, 421, "closing", Cause::ProviderDown),
            (Sender, 530, "5.7.0 log in first", Cause::Unauthorized),
            (Sender, 550, "5.1.8 sender unknown", Cause::Account),
            (Sender, 552, "over quota", Cause::Account),
            (Recipient, 450, "greylisted", Cause::Throttled),
            (Recipient, 451, "trouble", Cause::ProviderDown),
            (Recipient, 550, "unknown", Cause::InvalidContact),
            (Recipient, 550, "5.1.1 unknown", Cause::ContactGone),
            (Recipient, 554, "5.1.1 unknown", Cause::ContactGone),
            (Recipient, 551, "moved", Cause::InvalidContact),
            (Recipient, 552, "5.2.2 mailbox full", Cause::InvalidContact),
            (Recipient, 553, "not a name", Cause::InvalidContact),
            (Recipient, 556, "5.1.10 null MX", Cause::ContactGone),
            (Recipient, 550, "5.7.1 relaying denied", Cause::Unauthorized),
            (Recipient, 554, "5.7.1 <a@b.example>: Relay access denied", Cause::Unauthorized),
            (Recipient, 550, "5.1.8 sender rejected", Cause::Account),
            (Recipient, 554, "blocked", Cause::Unclassified),
            (Recipient, 555, "what?", Cause::Unclassified),
            (Recipient, 530, "log in first", Cause::Unauthorized),
            (Data, 452, "disk full", Cause::ProviderDown),
            (Data, 554, "no valid recipients", Cause::Unclassified),
            (Content, 421, "closing", Cause::ProviderDown),
            (Content, 451, "trouble", Cause::ProviderDown),
            (Content, 552, "too large", Cause::BadMessage),
            (Content, 554, "5.3.4 too large", Cause::BadMessage),
            (Content, 554, "5.6.0 bad content", Cause::BadMessage),
            (Content, 550, "5.2.1 disabled", Cause::InvalidContact),
            (Content, 552, "5.2.3 too large", Cause::BadMessage),
            (Content, 550, "5.1.3 not an address", Cause::InvalidContact),
            (Content, 554, "5.7.1 rejected by policy", Cause::Unclassified),
            (Content, 554, "Message rejected: Email address is not verified.", Cause::Unclassified),
        ] {
            let outcome = RelayReply { code, text: text.to_owned() }.outcome(step);
            assert_eq!(outcome.cause(), Some(cause), "{step:?} {code} {text}");
            assert_eq!(matches!(outcome, Outcome::Rejected { .. }), final_.contains(&cause), "{step:?} {code} {text}");
        }
    }
}
