//! Asks a time-stamping authority (RFC 3161) for timestamps of checkpoints. Nothing waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openssl::x509::X509;
use serde::Deserialize;

use super::attempts::Attempts;
use crate::audit::timestamp::{self, QUERY_TYPE};
use crate::channel::http::post::PostClient;
use crate::domain::clock::{Clocks, Timestamp};
use crate::domain::duration;
use crate::file_access;
use crate::store::Store;
use crate::store::audit_tree::{StoredCheckpoint, StoredTimestamp};

/// An authority that did not answer is asked again after this time.
const RETRY_AFTER: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// `[audit.timestamp]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimestampSettings {
    /// The authority; empty for none.
    pub url: String,
    /// Certificates, PEM, of which one must have issued the authority's.
    pub ca: PathBuf,
    /// How often a checkpoint gets a timestamp at most.
    #[serde(deserialize_with = "duration::with_days")]
    pub every: Duration,
}

impl Default for TimestampSettings {
    fn default() -> Self {
        Self { url: String::new(), ca: PathBuf::new(), every: Duration::from_hours(1) }
    }
}

/// An authority that signs times.
pub struct TimestampAuthority {
    client: PostClient,
    ca: Vec<X509>,
    every: Duration,
}

/// Why there is no timestamp.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    NoAnswer(String),
    #[error(transparent)]
    Timestamp(#[from] timestamp::Error),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

impl TimestampAuthority {
    /// The configured authority. Nothing is contacted yet.
    ///
    /// # Errors
    /// A sentence that names the key, and what was expected there.
    pub fn configured(settings: &TimestampSettings) -> Result<Option<Self>, String> {
        if settings.url.is_empty() {
            return Ok(None);
        }
        let ca = file_access::read_certificates(&settings.ca)
            .map_err(|error| format!("audit.timestamp.ca: {}: {error}", settings.ca.display()))?;
        let client = PostClient::new("audit.timestamp", &settings.url, None, TIMEOUT);
        let client = client.map_err(|error| format!("audit.timestamp: {}", error.what))?;
        Ok(Some(Self { client, ca, every: settings.every }))
    }

    async fn ask(&self, checkpoint: &StoredCheckpoint) -> Result<StoredTimestamp, Error> {
        let mut nonce = [0; 8];
        openssl::rand::rand_bytes(&mut nonce).map_err(timestamp::Error::OpenSsl)?;
        let nonce = u64::from_be_bytes(nonce);
        let request = timestamp::request(&checkpoint.note, nonce);
        let reply = self.client.post(QUERY_TYPE, request).await.map_err(Error::NoAnswer)?;
        let token = timestamp::token(&reply)?;
        let at = timestamp::verify(token, &checkpoint.note, Some(nonce), &self.ca)?;
        Ok(StoredTimestamp { size: checkpoint.size, at, token: token.to_vec() })
    }
}

/// Asks until the process ends.
pub async fn run(store: Arc<Store>, clocks: Clocks, authority: TimestampAuthority) {
    let failed = metrics::gauge!("otpost_audit_timestamp_failed");
    let mut attempts = Attempts::new("time-stamping authority", failed, RETRY_AFTER.min(authority.every));
    loop {
        let now = attempts.due(&*clocks.steady).await;
        attempts.record(now, stamp_newest(&store, &authority, now).await);
    }
}

/// Stamps the newest checkpoint unless it has a timestamp, or the last one is too young. Returns when the next one is due;
/// nothing if there is none to stamp.
async fn stamp_newest(
    store: &Store,
    authority: &TimestampAuthority,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let last = store.audit_tree().last_timestamp().await?;
    let Some(newest) = store.audit_tree().last_checkpoint().await? else { return Ok(None) };
    if let Some(last) = last {
        if last.size >= newest.size {
            return Ok(None);
        }
        // After a restart: the time of the last one is in the database. A clock that was set back is no reason to wait longer.
        let due = last.at.after(authority.every);
        if now < due && last.at <= now {
            return Ok(Some(due));
        }
    }
    let timestamp = authority.ask(&newest).await?;
    store.audit_tree().keep_timestamp(&timestamp).await?;
    tracing::info!(size = timestamp.size, at = %timestamp.at, "audit checkpoint has a timestamp");
    Ok(Some(now.after(authority.every)))
}
