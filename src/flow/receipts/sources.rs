//! Where receipts come from. For each provider whose receipts arrive over connections there is one reader, which applies one
//! receipt after the other.
//!
//! A receipt is answered when everything that it changes is on disk. One that cannot be committed is not, and the provider
//! sends it again.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::Receipts;
use crate::channel::receipt_feed::{ReceiptFeed, ReceiptSource};
use crate::domain::chain;
use crate::domain::delivery::ProviderName;

/// Where the receipts of each provider come from that sends them.
pub type ReceiptSources = HashMap<ProviderName, ReceiptSource>;

impl Receipts {
    /// Replaces the providers that receipts are expected of. Callbacks of others are still accepted until the process ends: they
    /// may be about messages that were sent before. Connections of others are given up.
    pub fn replace(&self, sources: ReceiptSources) {
        self.registry.expect_receipts(sources.keys());
        let mut all = ReceiptSources::clone(&self.sources.load());
        all.retain(|_, source| matches!(source, ReceiptSource::Callbacks(_)));
        all.extend(sources);
        self.sources.store(Arc::new(all));
        self.replaced.notify_one();
    }

    /// Takes receipts from connections of providers, and from those that replace them, until the process ends.
    pub async fn listen(self: Arc<Self>) {
        loop {
            let mut readers = JoinSet::new();
            for (provider, feed) in self.feeds() {
                readers.spawn(Arc::clone(&self).read(provider, feed));
            }
            // A reader that ends here in the middle has not answered: the receipt comes again.
            self.replaced.notified().await;
        }
    }

    /// Ends the connections that receipts arrive over.
    pub async fn close(&self) {
        join_all(self.feeds().iter().map(|(_, feed)| feed.close())).await;
    }

    fn feeds(&self) -> Vec<(ProviderName, Arc<dyn ReceiptFeed>)> {
        let feed = |(provider, source): (&ProviderName, &ReceiptSource)| match source {
            ReceiptSource::Connection(feed) => Some((provider.clone(), Arc::clone(feed))),
            ReceiptSource::Callbacks(_) => None,
        };
        self.sources.load().iter().filter_map(feed).collect()
    }

    async fn read(self: Arc<Self>, provider: ProviderName, feed: Arc<dyn ReceiptFeed>) {
        loop {
            let (batch, taken) = feed.next().await.at(self.now());
            match Arc::clone(&self).take(provider.clone(), batch).await {
                Ok(()) => drop(taken.send(())),
                Err(error) => {
                    tracing::error!(%provider, error = chain(&error), "receipt could not be committed; it is sent again");
                }
            }
        }
    }
}
