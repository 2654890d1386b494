//! Decrypts encrypted bodies, and publishes the public key for them.
//!
//! An RSA operation takes as long as dozens of plain requests, so it never runs on a thread that serves requests. Keys
//! can be replaced at any time; when the new ones cannot be read, the old ones stay.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::DecryptError;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::ingest::jwe;
use crate::ingest::problem::Problem;
use crate::ingest::settings::{Error, Settings};
use crate::pki::jwe_keys::{JweKeyring, PublicKeyFormat};
use crate::server;

/// Bodies that wait for a thread. Each takes up to two milliseconds, so on one core the next would wait half a second.
const WAITING_MAX: usize = 256;

/// Decrypts bodies.
pub(crate) struct Decryptor {
    keys: ArcSwap<DecryptionKeys>,
    // One permit a core.
    running: Arc<Semaphore>,
    // One permit for each body that runs or waits.
    queued: Arc<Semaphore>,
}

/// The keys of the folder, as they were read at one time.
pub(crate) struct DecryptionKeys {
    keys: Vec<jwe::DecryptionKey>,
    ring: JweKeyring,
    // The answers with the public keys, by key id.
    answers: Vec<(String, Arc<str>)>,
}

impl Decryptor {
    pub(crate) fn new(keys: DecryptionKeys) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            keys: ArcSwap::from_pointee(keys),
            running: Arc::new(Semaphore::new(cores)),
            queued: Arc::new(Semaphore::new(cores + WAITING_MAX)),
        }
    }

    /// Replaces the keys. Bodies that are being decrypted use the old ones.
    pub(crate) fn exchange(&self, keys: DecryptionKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// The answer with the public key that senders should use at `now`.
    pub(crate) fn public_key(&self, now: Timestamp) -> Result<Arc<str>, Problem> {
        let keys = self.keys.load();
        let published = keys.ring.published(now).map(|entry| entry.id.as_str());
        let answer = keys.answers.iter().find(|(id, _)| Some(id.as_str()) == published);
        answer.map(|(_, answer)| Arc::clone(answer)).ok_or_else(|| {
            metrics::counter!("otpost_public_key_missing_total").increment(1);
            tracing::warn!("public key requested, but none is active; create one with `otpost key new --activate`");
            Problem::NoPublicKey
        })
    }

    /// Decrypts `payload` on a thread of its own, one a core at a time. Rejects it when too many wait.
    pub(crate) async fn open(&self, payload: Zeroizing<String>) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let Ok(queued) = Arc::clone(&self.queued).try_acquire_owned() else {
            count("busy");
            return Err(Problem::Unavailable);
        };
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Problem::Unavailable)?;
        let keys = self.keys.load_full();
        let work = move || {
            // The client may have disconnected; the permits are released only when the work is done.
            let _permits = (queued, running);
            let plaintext = jwe::open(&keys.keys, &payload)?;
            // Checked here, so that it is answered like every other failure.
            std::str::from_utf8(&plaintext).map_err(|_| DecryptError::Undecipherable)?;
            Ok::<_, DecryptError>(plaintext)
        };
        let opened = tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(error = chain(&error), "decryption task failed");
            Problem::Unavailable
        })?;
        count(if opened.is_ok() { "opened" } else { "failed" });
        opened.map_err(|failure| Problem::Undecipherable(failure.reason()))
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("otpost_decryptions_total", "outcome" => outcome).increment(1);
}

impl DecryptionKeys {
    /// Reads the keys. Without a folder there are none, and nothing can be decrypted.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Error> {
        let (keys, unusable) = Self::read_usable(settings)?;
        unusable.into_iter().next().map_or(Ok(keys), Err)
    }

    /// No keys: encrypted bodies are rejected, and none is published.
    pub(crate) fn none(settings: &Settings) -> Self {
        Self { keys: Vec::new(), ring: JweKeyring::empty(&settings.encryption_keys), answers: Vec::new() }
    }

    /// Reads the keys that can be used, and returns why the others cannot. A body for one of those is rejected, and a key
    /// that cannot be used is not published: nothing is accepted that would not be accepted with all keys.
    pub(crate) fn read_usable(settings: &Settings) -> Result<(Self, Vec<Error>), Error> {
        let ring = JweKeyring::read(&settings.encryption_keys).map_err(Error::Encryption)?;
        let mut usable = Self { keys: Vec::new(), answers: Vec::new(), ring };
        let mut unusable = Vec::new();
        for entry in usable.ring.entries().iter().filter(|entry| entry.retired_at.is_none()) {
            match read_key(settings, &usable.ring, &entry.id) {
                Ok((key, answer)) => {
                    usable.keys.push(key);
                    usable.answers.push((entry.id.clone(), answer));
                }
                Err(error) => unusable.push(error),
            }
        }
        Ok((usable, unusable))
    }
}

// The key, and the answer that publishes it.
fn read_key(settings: &Settings, ring: &JweKeyring, id: &str) -> Result<(jwe::DecryptionKey, Arc<str>), Error> {
    let key = ring.key(id).map_err(Error::Encryption)?;
    let unfit =
        |error: jwe::UnsuitableKey| server::Error::file("ingest.encryption_keys", &ring.path(id), error.to_string());
    Ok((jwe::DecryptionKey::new(&key).map_err(unfit)?, answer(settings.public_key_format, &key)?))
}

fn answer(format: PublicKeyFormat, key: &openssl::pkey::PKey<openssl::pkey::Private>) -> Result<Arc<str>, Error> {
    Ok(serde_json::json!({ "publicKey": format.encode(key)? }).to_string().into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_rejected_when_too_many_wait_and_those_that_wait_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { encryption_keys: folder.path().to_owned(), ..Settings::default() };
        let decryptor = Decryptor::new(DecryptionKeys::read(&settings).unwrap());
        let cores = u32::try_from(decryptor.running.available_permits()).unwrap();
        let busy = Arc::clone(&decryptor.running).acquire_many_owned(cores).await.unwrap();
        let others = Arc::clone(&decryptor.queued).acquire_many_owned(cores + 255).await.unwrap();

        let mut last = std::pin::pin!(decryptor.open(Zeroizing::new("a.b.c.d.e".to_owned())));
        assert!((&mut last).now_or_never().is_none(), "the 256th waits");
        let one_more = decryptor.open(Zeroizing::new("a.b.c.d.e".to_owned())).await;
        drop((busy, others));

        assert_eq!(one_more.unwrap_err(), Problem::Unavailable);
        assert_eq!(last.await.unwrap_err(), Problem::Undecipherable(DecryptError::Malformed.reason()));
        assert_eq!(decryptor.queued.available_permits(), cores as usize + WAITING_MAX);
    }
}
