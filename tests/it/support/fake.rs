//! A practice provider with a short name for each mood.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::faults::Faults;
use otpost::sim::providers::message_log::{Keeping, LoggedMessage};
use otpost::sim::providers::tally::TallyReport;

pub(crate) struct Fake(PracticeProvider);

impl Fake {
    pub(crate) async fn open(channel: Channel) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self(PracticeProvider::open(channel, anywhere, Keeping::Arrivals).await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Takes everything again.
    pub(crate) fn recovers(&self) {
        self.0.station().behave(Faults::default());
    }

    /// Refuses everything with this status.
    pub(crate) fn answers(&self, status: u16) {
        self.0.station().behave(Faults::down(status));
    }

    /// Refuses everything with this status and says when to come back.
    pub(crate) fn answers_with_retry_after(&self, status: u16, seconds: u32) {
        self.0.station().behave(Faults { retry_after_s: Some(seconds), ..Faults::down(status) });
    }

    /// Refuses everything with this status and repeats what it was sent.
    pub(crate) fn echoes(&self, status: u16) {
        self.0.station().behave(Faults { echo: true, ..Faults::down(status) });
    }

    /// Reads and never answers.
    pub(crate) fn swallows(&self) {
        self.0.station().behave(Faults::silent());
    }

    /// Takes everything, after so long.
    pub(crate) fn takes(&self, latency: Duration) {
        self.0.station().behave(Faults::slow(latency));
    }

    /// What it took, the oldest first.
    pub(crate) fn received(&self) -> Vec<Arc<LoggedMessage>> {
        self.0.station().arrivals()
    }

    /// What came, counted by the tokens of a load.
    pub(crate) fn report(&self) -> TallyReport {
        self.0.station().report()
    }

    /// How many messages it read and did not answer.
    pub(crate) fn swallowed(&self) -> u64 {
        self.0.station().report().unanswered
    }
}
