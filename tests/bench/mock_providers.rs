//! The mock providers: one process with an SMS gateway and a mail relay that count what they receive.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::child::{self, Child};
use otpost::sim::http_client::{Connection, Target};
use otpost::sim::providers::tally::TallyReport;

/// How often the count is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// If nothing arrives for this long, nothing more will: it is longer than a lease and a scan.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct MockProviders {
    // Killed when it is dropped.
    _process: Child,
    sms: SocketAddr,
    smtp: SocketAddr,
    control: Connection,
}

impl MockProviders {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (process, sms, smtp) = child::providers().await?;
        let control = Connection::new(Target::new(&format!("http://{sms}"), None)?, TIMEOUT);
        Ok(Self { _process: process, sms, smtp, control })
    }

    /// The URL to which the gateway posts messages.
    pub(super) fn sms_url(&self) -> String {
        format!("http://{}/sms", self.sms)
    }

    /// The address of the mail relay.
    pub(super) fn relay(&self) -> SocketAddr {
        self.smtp
    }

    /// Resets both counts.
    pub(super) async fn reset(&mut self) -> anyhow::Result<()> {
        self.post("/__reset/sms").await?;
        self.post("/__reset/email").await.map(drop)
    }

    /// What the SMS gateway received.
    pub(super) async fn report(&mut self) -> anyhow::Result<TallyReport> {
        self.post("/__report/sms").await
    }

    /// What the mail relay received.
    pub(super) async fn mails(&mut self) -> anyhow::Result<TallyReport> {
        self.post("/__report/email").await
    }

    /// Waits until `expected` distinct messages have arrived, or none has arrived for a while.
    pub(super) async fn wait_for(&mut self, expected: u64) -> anyhow::Result<()> {
        let (mut seen, mut idle) = (0, Duration::ZERO);
        while idle < IDLE_TIMEOUT {
            let distinct = self.report().await?.distinct;
            if distinct >= expected {
                return Ok(());
            }
            idle = if distinct > seen { Duration::ZERO } else { idle + POLL_INTERVAL };
            seen = distinct;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    async fn post(&mut self, path: &str) -> anyhow::Result<TallyReport> {
        let response = self.control.post(path, None, b"").await.context("the mock providers do not respond")?;
        ensure!(response.status == 200, "the mock providers answered {} to {path}", response.status);
        Ok(serde_json::from_slice(response.body)?)
    }
}
