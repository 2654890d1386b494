//! No index: tables in memory are read whole.

use async_trait::async_trait;

use super::MemoryBackend;
use crate::store::Error;
use crate::store::search::SearchIndex;

#[async_trait]
impl SearchIndex for MemoryBackend {
    async fn extend_index(&self, _: u32) -> Result<u32, Error> {
        self.call("extend_index", |_| 0).await
    }

    async fn index_lag(&self) -> Result<u64, Error> {
        self.call("index_lag", |_| 0).await
    }
}
