//! What a request that got no complete answer means: whether anything was sent, in which phase it failed, and why.

use std::error::Error;
use std::io;

use super::connect_phase::ConnectPhase;
use crate::channel::{SendResult, io_problem, tls_problem};
use crate::domain::outcome::{Cause, Outcome};

/// A request that failed.
pub(super) struct FailedRequest<'a> {
    pub(super) error: &'a reqwest::Error,
    /// Whether the message may have left this process.
    pub(super) is_sent: bool,
    /// What the connection waited for shortly before its time was over.
    pub(super) phase: Option<ConnectPhase>,
}

impl FailedRequest<'_> {
    /// Its outcome, and the reason in words.
    pub(super) fn result(&self) -> SendResult {
        let (outcome, reason) = match self.error {
            error if error.is_builder() => {
                (Outcome::failed(Cause::Unclassified), "the request could not be built".to_owned())
            }
            error if error.is_connect() || !self.is_sent => self.before_sending(),
            _ if self.was_refused() => (
                Outcome::failed(Cause::ProviderDown),
                "the provider closes its connection and did not take the request".to_owned(),
            ),
            error if error.is_timeout() => (Outcome::unknown(Cause::TimedOut), self.waited_for().to_owned()),
            _ => (Outcome::unknown(Cause::Disconnected), format!("{} after the request was sent", self.reason())),
        };
        SendResult::new(outcome, &reason)
    }

    fn before_sending(&self) -> (Outcome, String) {
        if let Some(problem) = tls_problem::of(self.error) {
            return (Outcome::failed(Cause::TlsFailed), format!("TLS: {problem}"));
        }
        let reason = if self.error.is_timeout() {
            format!("timed out {}", self.phase.unwrap_or(ConnectPhase::Tcp).when())
        } else {
            self.reason()
        };
        (Outcome::failed(Cause::Unreachable), reason)
    }

    // In HTTP/2 a server says which requests it has not processed (RFC 9113, section 8.7).
    fn was_refused(&self) -> bool {
        let is_refusal = |error: &h2::Error| {
            let is_last = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (is_last || is_refused)
        };
        self.causes().any(|error| error.downcast_ref::<h2::Error>().is_some_and(is_refusal))
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        std::iter::successors(Some(self.error as &(dyn Error + 'static)), |&error| error.source())
    }

    fn waited_for(&self) -> &'static str {
        if self.error.is_body() || self.error.is_decode() {
            "timed out while reading the answer"
        } else {
            "timed out while waiting for the answer"
        }
    }

    // The innermost error says most. Those of the HTTP library are fixed texts.
    fn reason(&self) -> String {
        let causes = || self.causes();
        let is_lookup = causes().any(|error| error.to_string() == "dns error");
        let from_system = causes().find_map(|error| error.downcast_ref::<io::Error>());
        match (is_lookup, from_system, causes().last()) {
            (true, Some(error), _) => io_problem::of_lookup(error),
            (false, Some(error), _) if io_problem::of(error).is_some() => {
                io_problem::of(error).unwrap_or_default().to_owned()
            }
            (_, _, Some(last)) => last.to_string(),
            (_, _, None) => String::new(),
        }
    }
}
