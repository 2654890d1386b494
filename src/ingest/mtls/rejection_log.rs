//! Counts every refusal, and tells of them: in the log and in the audit log, so rarely that no flood can fill a disk.
//!
//! The same certificate or address refused for the same reason is told once a minute, with how often. Addresses are
//! for the log alone: what the audit log holds can never be removed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::reason::RejectReason;
use crate::flow::audit::{CertificateId, Rejection};

/// Between two entries about the same.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// More than this many at once are told of together.
const TALLIES_MAX: usize = 200;

/// Where somebody is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RejectionStage {
    /// In the handshake.
    Handshake,
    /// On a request: the answer is 403.
    Request,
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum RejectedPeer {
    Shown(CertificateId),
    From(Option<IpAddr>),
    Others,
}

#[derive(Default)]
struct RejectionCount {
    count: u64,
    told: Option<Instant>,
}

/// What has been refused and not been told.
#[derive(Default)]
pub(crate) struct RejectionLog {
    tallies: Mutex<HashMap<(RejectionStage, RejectReason, RejectedPeer), RejectionCount>>,
}

impl RejectionLog {
    /// Counts one.
    pub(crate) fn note(
        &self,
        at: RejectionStage,
        reason: RejectReason,
        shown: Option<CertificateId>,
        source: Option<IpAddr>,
    ) {
        match at {
            RejectionStage::Handshake => {
                metrics::counter!("otpost_handshake_rejections_total", "reason" => reason.name())
            }
            RejectionStage::Request => metrics::counter!("otpost_client_rejections_total", "reason" => reason.name()),
        }
        .increment(1);
        // Who hangs up has not been refused: a look at whether the port is open ends like that.
        if reason == RejectReason::SessionError && shown.is_none() {
            return;
        }
        let whom = shown.map_or(RejectedPeer::From(source), RejectedPeer::Shown);
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (at, reason, whom);
        let key = if tallies.len() < TALLIES_MAX || tallies.contains_key(&key) {
            key
        } else {
            (at, reason, RejectedPeer::Others)
        };
        tallies.entry(key).or_default().count += 1;
    }

    /// Logs whatever has not been told, and returns it for the audit log: there is no later.
    pub(crate) fn tell_all(&self) -> Vec<Rejection> {
        self.tell(Instant::now() + TOLD_EVERY)
    }

    /// Logs what is to be told now, and returns it for the audit log.
    pub(crate) fn tell(&self, now: Instant) -> Vec<Rejection> {
        let recent = |tally: &RejectionCount| tally.told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY);
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.retain(|_, tally| tally.count > 0 || recent(tally));
        let due = tallies.iter_mut().filter(|(_, tally)| tally.count > 0 && !recent(tally));
        due.map(|((at, reason, whom), tally)| {
            tally.told = Some(now);
            say(*at, *reason, whom, std::mem::take(&mut tally.count))
        })
        .collect()
    }
}

fn say(at: RejectionStage, reason: RejectReason, whom: &RejectedPeer, count: u64) -> Rejection {
    let (reason, at) = (reason.name(), if at == RejectionStage::Handshake { "handshake" } else { "request" });
    match whom {
        RejectedPeer::Shown(CertificateId { subject, serial, pin }) => {
            tracing::warn!(at, reason, count, subject, serial, spki = pin, "a certificate was refused");
        }
        RejectedPeer::From(Some(source)) => tracing::warn!(at, reason, count, %source, "a connection was refused"),
        RejectedPeer::From(None) | RejectedPeer::Others => {
            tracing::warn!(at, reason, count, "connections were refused")
        }
    }
    let shown = if let RejectedPeer::Shown(shown) = whom { Some(shown.clone()) } else { None };
    Rejection { at, reason, shown, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(serial: u32) -> CertificateId {
        CertificateId { subject: "CN=x".into(), serial: serial.to_string(), pin: String::new() }
    }

    #[test]
    fn the_same_is_told_at_once_and_then_once_a_minute_with_its_count() {
        let (refusals, now) = (RejectionLog::default(), Instant::now());
        let note = || refusals.note(RejectionStage::Handshake, RejectReason::RevokedEntry, Some(shown(1)), None);

        note();
        assert_eq!(refusals.tell(now)[0].count, 1);
        (0..5).for_each(|_| note());
        assert!(refusals.tell(now + TOLD_EVERY / 2).is_empty());
        assert_eq!(refusals.tell(now + TOLD_EVERY)[0].count, 5);
        assert!(refusals.tell(now + TOLD_EVERY * 2).is_empty());
        assert!(refusals.tallies.lock().unwrap().is_empty());
    }

    #[test]
    fn a_flood_of_certificates_is_told_of_in_few_entries_and_none_is_lost() {
        let refusals = RejectionLog::default();
        (0..10_000).for_each(|n| refusals.note(RejectionStage::Request, RejectReason::NotListed, Some(shown(n)), None));

        let told = refusals.tell(Instant::now());

        assert_eq!(told.len(), TALLIES_MAX + 1);
        assert_eq!(told.iter().map(|it| it.count).sum::<u64>(), 10_000);
    }
}
