//! A practice provider with a short name for each mood.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::address::Channel;
use otpost::sim::providers::Provider;
use otpost::sim::providers::behaviour::Behaviour;
use otpost::sim::providers::book::Report;
use otpost::sim::providers::station::{Arrival, Keeping};

pub(crate) struct Fake(Provider);

impl Fake {
    pub(crate) async fn open(channel: Channel) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self(Provider::open(channel, anywhere, Keeping::Arrivals).await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Takes everything again.
    pub(crate) fn recovers(&self) {
        self.0.station().behave(Behaviour::default());
    }

    /// Refuses everything with this status.
    pub(crate) fn answers(&self, status: u16) {
        self.0.station().behave(Behaviour::down(status));
    }

    /// Refuses everything with this status and says when to come back.
    pub(crate) fn answers_with_retry_after(&self, status: u16, seconds: u32) {
        self.0.station().behave(Behaviour { retry_after_s: Some(seconds), ..Behaviour::down(status) });
    }

    /// Reads and never answers.
    pub(crate) fn swallows(&self) {
        self.0.station().behave(Behaviour::silent());
    }

    /// Takes everything, after so long.
    pub(crate) fn takes(&self, latency: Duration) {
        self.0.station().behave(Behaviour::slow(latency));
    }

    /// What it took, the oldest first.
    pub(crate) fn received(&self) -> Vec<Arc<Arrival>> {
        self.0.station().arrivals()
    }

    /// What came, counted by the tokens of a load.
    pub(crate) fn report(&self) -> Report {
        self.0.station().report()
    }

    /// How many messages it read and did not answer.
    pub(crate) fn swallowed(&self) -> u64 {
        self.0.station().report().swallowed
    }
}
