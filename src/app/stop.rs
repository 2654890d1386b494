//! Ends a gateway: deliveries in flight finish, requests are answered, and the database is closed.
//!
//! Where another process has the sockets, notifications are accepted until the end, and then wait in the backlog. Otherwise
//! they are refused from the first half second on.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Error, Gateway};
use crate::flow::tasks::{notary, report_keeper};
use crate::ingest;

/// How long deliveries in flight may take after a stop was requested: one attempt and its settlement.
const DRAIN: Duration = Duration::from_secs(9);

/// How long the ingest listener may take to write its last rejections to the audit log.
const AUDIT_FLUSH: Duration = Duration::from_secs(1);

impl Gateway {
    /// Stops accepting, finishes deliveries in flight, releases the leases of those that take too long, and closes. Returns
    /// how many were released: the next process resumes them at once.
    pub async fn stop(self) -> Result<usize, Error> {
        let released = if self.sockets.outlive_this_process(ingest::LISTENER) {
            self.leave_ingest().await?
        } else {
            self.sockets.close();
            self.stop_ingest().await?
        };
        // It still writes its last rejections.
        let _ = tokio::time::timeout(AUDIT_FLUSH, self.serving).await;
        let receipts = async {
            if let Some(listener) = &self.receipt_listener {
                listener.stop(&self.sockets).await;
            }
            self.delivery.receipts.close().await;
        };
        let console = async {
            if let Some(console) = &self.console {
                console.stop(&self.sockets).await;
            }
        };
        tokio::join!(receipts, console);
        self.tasks.iter().for_each(JoinHandle::abort);
        // Every task has ended before the database closes.
        for task in self.tasks {
            let _ = task.await;
        }
        report_keeper::finish(&self.store).await;
        notary::finish(&self.store, &self.clocks, &self.audit).await;
        self.store.close().await?;
        tracing::info!(released, "stopped");
        Ok(released)
    }

    async fn stop_ingest(&self) -> Result<usize, Error> {
        self.delivery.worker.begin_drain();
        self.listener.stop().await;
        Ok(self.delivery.worker.drain(DRAIN).await?)
    }

    // Notifications are accepted while deliveries in flight finish, however long a provider takes. The next process, which
    // can start only when this one has ended, sends them.
    async fn leave_ingest(&self) -> Result<usize, Error> {
        self.delivery.worker.leave_new_deliveries();
        let released = self.delivery.worker.drain(DRAIN).await?;
        self.listener.leave().await;
        Ok(released)
    }
}
