//! Receipts that arrive over the connections of an adapter, and not at the receipts listener.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::HttpProvider;
use crate::domain::clock::Timestamp;
use crate::domain::receipt::ReceiptBatch;

/// Where the receipts of a provider come from.
#[derive(Clone)]
pub enum ReceiptSource {
    /// The provider calls the receipts listener.
    Callbacks(Arc<dyn HttpProvider>),
    /// They arrive over connections that the adapter makes.
    Connection(Arc<dyn ReceiptFeed>),
}

/// The connections of an adapter, as far as receipts arrive over them.
#[async_trait]
pub trait ReceiptFeed: Send + Sync {
    /// Connects, stays connected, and waits for the next receipts.
    async fn next(&self) -> ArrivedReceipts;
    /// Ends the connections in good order, within a second or so.
    async fn close(&self);
}

/// Receipts that the provider waits for an answer to.
pub struct ArrivedReceipts {
    batch: ReceiptBatch,
    taken: oneshot::Sender<()>,
}

impl ArrivedReceipts {
    /// Receipts without a time, and what becomes ready when they have been taken. It fails when they could not be: the provider
    /// then sends them again.
    pub(super) fn new(batch: ReceiptBatch) -> (Self, oneshot::Receiver<()>) {
        let (taken, is_taken) = oneshot::channel();
        (Self { batch, taken }, is_taken)
    }

    /// The receipts as they arrived at `now`, and what to send to when everything that they change is on disk.
    pub fn at(mut self, now: Timestamp) -> (ReceiptBatch, oneshot::Sender<()>) {
        self.batch.receipts.iter_mut().for_each(|receipt| receipt.at = now);
        (self.batch, self.taken)
    }
}
