//! The providers' side: one process that counts what arrives, and the questions we ask it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::child::{self, Child};
use crate::sim::http_client::{Connection, Target};
use crate::sim::providers::tally::TallyReport;

/// How often we look whether all has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Nothing new for this long means that nothing more will come: longer than a lease and a scan.
const SILENCE: Duration = Duration::from_secs(20);

const PATIENCE: Duration = Duration::from_secs(5);

/// An SMS gateway and a mail relay that count.
pub(super) struct Sink {
    // Ends with us.
    _process: Child,
    sms: SocketAddr,
    smtp: SocketAddr,
    desk: Connection,
}

impl Sink {
    /// Starts them.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (process, sms, smtp) = child::providers().await?;
        let desk = Connection::new(Target::new(&format!("http://{sms}"), None)?, PATIENCE);
        Ok(Self { _process: process, sms, smtp, desk })
    }

    /// Where the gateway posts messages.
    pub(super) fn sms_url(&self) -> String {
        format!("http://{}/sms", self.sms)
    }

    /// Where the relay listens.
    pub(super) fn relay(&self) -> SocketAddr {
        self.smtp
    }

    /// Forgets what came, by SMS or by mail.
    pub(super) async fn reset(&mut self) -> anyhow::Result<()> {
        self.ask("/__reset/sms").await?;
        self.ask("/__reset/email").await.map(drop)
    }

    /// What came by SMS.
    pub(super) async fn report(&mut self) -> anyhow::Result<TallyReport> {
        self.ask("/__report/sms").await
    }

    /// What came by mail.
    pub(super) async fn mails(&mut self) -> anyhow::Result<TallyReport> {
        self.ask("/__report/email").await
    }

    /// Waits until `expected` different messages have come, or no more are coming.
    pub(super) async fn settle(&mut self, expected: u64) -> anyhow::Result<()> {
        let (mut seen, mut silent) = (0, Duration::ZERO);
        while silent < SILENCE {
            let distinct = self.report().await?.distinct;
            if distinct >= expected {
                return Ok(());
            }
            silent = if distinct > seen { Duration::ZERO } else { silent + LOOK_EVERY };
            seen = distinct;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn ask(&mut self, path: &str) -> anyhow::Result<TallyReport> {
        let reply = self.desk.post(path, None, b"").await.context("the providers do not answer")?;
        ensure!(reply.status == 200, "the providers answered {} to {path}", reply.status);
        Ok(serde_json::from_slice(reply.body)?)
    }
}
