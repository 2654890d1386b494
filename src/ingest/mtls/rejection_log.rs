//! Counts every rejection, and writes them to the log and the audit log at a limited rate, so that no flood fills a disk.
//!
//! The same certificate or address rejected for the same reason is written once a minute, with the count. Addresses are
//! written to the log only: what the audit log contains can never be removed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strum::IntoStaticStr;
use tokio::time::Instant;

use super::reason::RejectReason;
use crate::flow::audit::{CertificateId, Rejection};

/// Time between two entries about the same peer and reason.
const ENTRY_INTERVAL: Duration = Duration::from_mins(1);

/// Peers beyond this number share one entry for each reason.
const PEERS_MAX: usize = 200;

/// Where a client is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum RejectionStage {
    Handshake,
    /// The answer to the request is 403.
    Request,
}

/// Who is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum RejectedPeer {
    Certificate(CertificateId),
    Address(Option<IpAddr>),
    Others,
}

#[derive(Default)]
struct RejectionCount {
    /// Since the last entry.
    count: u64,
    last_entry: Option<Instant>,
}

impl RejectionCount {
    fn is_recent(&self, now: Instant) -> bool {
        self.last_entry.is_some_and(|last| now.duration_since(last) < ENTRY_INTERVAL)
    }
}

type RejectionCounts = HashMap<(RejectionStage, RejectReason, RejectedPeer), RejectionCount>;

/// The rejections that have not been written yet.
#[derive(Default)]
pub(crate) struct RejectionLog(Mutex<RejectionCounts>);

impl RejectionLog {
    /// Records one rejection.
    pub(crate) fn record(
        &self,
        stage: RejectionStage,
        reason: RejectReason,
        presented: Option<CertificateId>,
        source: Option<IpAddr>,
    ) {
        let metric = match stage {
            RejectionStage::Handshake => "otpost_handshake_rejections_total",
            RejectionStage::Request => "otpost_client_rejections_total",
        };
        metrics::counter!(metric, "reason" => reason.into_str()).increment(1);
        // A peer that hangs up was not rejected: a check whether the port is open ends like that.
        if reason == RejectReason::ConnectionLost && presented.is_none() {
            return;
        }
        let peer = presented.map_or(RejectedPeer::Address(source), RejectedPeer::Certificate);
        let mut counts = self.counts();
        let mut key = (stage, reason, peer);
        if counts.len() >= PEERS_MAX && !counts.contains_key(&key) {
            key.2 = RejectedPeer::Others;
        }
        counts.entry(key).or_default().count += 1;
    }

    /// Logs the rejections that are due now, and returns them for the audit log.
    pub(crate) fn take_due(&self, now: Instant) -> Vec<Rejection> {
        let mut counts = self.counts();
        counts.retain(|_, entry| entry.count > 0 || entry.is_recent(now));
        let due = counts.iter_mut().filter(|(_, entry)| entry.count > 0 && !entry.is_recent(now));
        due.map(|((stage, reason, peer), entry)| {
            entry.last_entry = Some(now);
            log(*stage, *reason, peer, std::mem::take(&mut entry.count))
        })
        .collect()
    }

    /// The same for all rejections, due or not: the listener stops.
    pub(crate) fn take_all(&self) -> Vec<Rejection> {
        self.take_due(Instant::now() + ENTRY_INTERVAL)
    }

    fn counts(&self) -> MutexGuard<'_, RejectionCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(stage: RejectionStage, reason: RejectReason, peer: &RejectedPeer, count: u64) -> Rejection {
    let (at, reason) = (stage.into_str(), reason.into_str());
    match peer {
        RejectedPeer::Certificate(CertificateId { subject, serial, pin }) => {
            tracing::warn!(at, reason, count, subject, serial, spki_pin = pin, "client certificate rejected");
        }
        RejectedPeer::Address(Some(source)) => tracing::warn!(at, reason, count, %source, "connection rejected"),
        RejectedPeer::Address(None) | RejectedPeer::Others => {
            tracing::warn!(at, reason, count, "connections rejected");
        }
    }
    let certificate = if let RejectedPeer::Certificate(id) = peer { Some(id.clone()) } else { None };
    Rejection { at, reason, certificate, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(serial: u32) -> CertificateId {
        CertificateId { subject: "CN=x".into(), serial: serial.to_string(), pin: String::new() }
    }

    #[test]
    fn a_repeated_rejection_is_written_at_once_and_then_once_a_minute_with_its_count() {
        let (log, now) = (RejectionLog::default(), Instant::now());
        let record = || log.record(RejectionStage::Handshake, RejectReason::Revoked, Some(certificate(1)), None);

        record();
        assert_eq!(log.take_due(now)[0].count, 1);
        (0..5).for_each(|_| record());
        assert!(log.take_due(now + ENTRY_INTERVAL / 2).is_empty());
        assert_eq!(log.take_due(now + ENTRY_INTERVAL)[0].count, 5);
        assert!(log.take_due(now + ENTRY_INTERVAL * 2).is_empty());
        assert!(log.counts().is_empty());
    }

    #[test]
    fn a_flood_of_certificates_makes_few_entries_and_every_rejection_is_counted() {
        let log = RejectionLog::default();
        (0..10_000)
            .for_each(|n| log.record(RejectionStage::Request, RejectReason::NotListed, Some(certificate(n)), None));

        let written = log.take_due(Instant::now());

        assert_eq!(written.len(), PEERS_MAX + 1);
        assert_eq!(written.iter().map(|entry| entry.count).sum::<u64>(), 10_000);
    }

    #[test]
    fn reasons_and_stages_have_the_names_of_the_metrics() {
        assert_eq!(RejectReason::ConnectionLost.into_str(), "broken");
        assert_eq!(RejectReason::NoRevocationList.into_str(), "no_revocation_list");
        assert_eq!(RejectionStage::Handshake.into_str(), "handshake");
    }
}
