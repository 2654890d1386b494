//! Counts every rejected client, and writes rejections to the log and the audit log at a limited rate.
//!
//! The same certificate or address rejected for the same reason is written once a minute, with the count. Addresses are
//! written to the log only: what the audit log contains can never be removed.

use std::net::IpAddr;

use strum::IntoStaticStr;
use tokio::time::Instant;

use super::reason::RejectReason;
use crate::domain::certificate_id::CertificateId;
use crate::flow::audit::Rejection;
use crate::ingest::batch_counter::{BatchCounter, BatchKey};

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

type RejectionKey = (RejectionStage, RejectReason, RejectedPeer);

impl BatchKey for RejectionKey {
    fn together(&self) -> Self {
        (self.0, self.1, RejectedPeer::Others)
    }
}

/// The rejections that have not been written yet.
#[derive(Default)]
pub(crate) struct RejectionLog(BatchCounter<RejectionKey>);

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
        self.0.count((stage, reason, peer));
    }

    /// Logs the rejections that are due now, and returns them for the audit log.
    pub(crate) fn take_due(&self, now: Instant) -> Vec<Rejection> {
        self.0.take_due(now).into_iter().map(log).collect()
    }

    /// The same for all rejections, due or not: the listener stops.
    pub(crate) fn take_all(&self) -> Vec<Rejection> {
        self.0.take_all().into_iter().map(log).collect()
    }
}

fn log(((stage, reason, peer), count): (RejectionKey, u64)) -> Rejection {
    let (at, reason) = (stage.into_str(), reason.into_str());
    match &peer {
        RejectedPeer::Certificate(CertificateId { subject, serial, pin }) => {
            tracing::warn!(at, reason, count, subject, serial, spki_pin = pin, "client certificate rejected");
        }
        RejectedPeer::Address(Some(source)) => tracing::warn!(at, reason, count, %source, "connection rejected"),
        RejectedPeer::Address(None) | RejectedPeer::Others => {
            tracing::warn!(at, reason, count, "connections rejected");
        }
    }
    let certificate = if let RejectedPeer::Certificate(id) = peer { Some(id) } else { None };
    Rejection { at, reason, certificate, count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::batch_counter::KEYS_MAX;

    fn certificate(serial: u32) -> CertificateId {
        CertificateId { subject: "CN=x".into(), serial: serial.to_string(), pin: String::new() }
    }

    #[test]
    fn a_flood_of_certificates_makes_few_entries_and_every_rejection_is_counted() {
        let log = RejectionLog::default();
        (0..10_000)
            .for_each(|n| log.record(RejectionStage::Request, RejectReason::NotListed, Some(certificate(n)), None));

        let written = log.take_due(Instant::now());

        assert_eq!(written.len(), KEYS_MAX + 1);
        assert_eq!(written.iter().map(|entry| entry.count).sum::<u64>(), 10_000);
    }

    #[test]
    fn reasons_and_stages_have_the_names_of_the_metrics() {
        assert_eq!(RejectReason::ConnectionLost.into_str(), "broken");
        assert_eq!(RejectReason::NoRevocationList.into_str(), "no_revocation_list");
        assert_eq!(RejectionStage::Handshake.into_str(), "handshake");
    }
}
