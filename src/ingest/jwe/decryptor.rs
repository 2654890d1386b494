//! The keys that open encrypted bodies, the one that is handed out, and the hands that do the work.
//!
//! An RSA operation takes as long as dozens of plain requests, so it is never done on a thread that answers. Keys can
//! be exchanged while it works; when the new ones cannot be read, the old ones stay.

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

/// Bodies that wait for a hand. Each takes up to two milliseconds; on one core the next would wait half a second.
const WAITING_MAX: usize = 256;

/// Opens bodies.
pub(crate) struct Decryptor {
    keys: ArcSwap<DecryptionKeys>,
    // One for each core.
    hands: Arc<Semaphore>,
    // One for each that works or waits.
    room: Arc<Semaphore>,
}

/// The keys of one reading of the folder.
pub(crate) struct DecryptionKeys {
    opening: Vec<jwe::DecryptionKey>,
    ring: JweKeyring,
    // What is answered to whoever asks for a public key, by its name.
    answers: Vec<(String, Arc<str>)>,
}

impl Decryptor {
    /// Begins with these keys.
    pub(crate) fn new(keys: DecryptionKeys) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            keys: ArcSwap::from_pointee(keys),
            hands: Arc::new(Semaphore::new(cores)),
            room: Arc::new(Semaphore::new(cores + WAITING_MAX)),
        }
    }

    /// Goes on with these keys. What is being opened is opened with the ones before.
    pub(crate) fn exchange(&self, keys: DecryptionKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// The answer with the public key that senders are to use at `now`.
    pub(crate) fn public_key(&self, now: Timestamp) -> Result<Arc<str>, Problem> {
        let keys = self.keys.load();
        let published = keys.ring.published(now).map(|entry| entry.id.as_str());
        let answer = keys.answers.iter().find(|(id, _)| Some(id.as_str()) == published);
        answer.map(|(_, answer)| Arc::clone(answer)).ok_or_else(|| {
            metrics::counter!("otpost_public_key_missing_total").increment(1);
            tracing::warn!("a public key was asked for and none is active; `otpost key new --activate` makes one");
            Problem::NoPublicKey
        })
    }

    /// Opens `payload` on a thread of its own. At most one a core at a time; too many that wait are refused.
    pub(crate) async fn open(&self, payload: Zeroizing<String>) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            count("busy");
            return Err(Problem::Unavailable);
        };
        let hand = Arc::clone(&self.hands).acquire_owned().await.map_err(|_| Problem::Unavailable)?;
        let keys = self.keys.load_full();
        let work = move || {
            // Whoever asked may have gone away; the hand is free only when the work is done.
            let _held = (place, hand);
            let plaintext = jwe::open(&keys.opening, &payload)?;
            // Said here, so that it is answered like every other failure.
            std::str::from_utf8(&plaintext).map_err(|_| DecryptError::Undecipherable)?;
            Ok::<_, DecryptError>(plaintext)
        };
        let opened = tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(error = chain(&error), "opening an encrypted body ended early");
            Problem::Unavailable
        })?;
        count(if opened.is_ok() { "opened" } else { "failed" });
        opened.map_err(|failure| {
            tracing::warn!(reason = %failure, "an encrypted body could not be opened");
            Problem::Undecipherable
        })
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("otpost_decryptions_total", "outcome" => outcome).increment(1);
}

impl DecryptionKeys {
    /// Reads the keys. A folder that is not there holds none; then nothing can be opened.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Error> {
        let ring = JweKeyring::read(&settings.encryption_keys).map_err(Error::Encryption)?;
        let (mut opening, mut answers) = (Vec::new(), Vec::new());
        for entry in ring.entries().iter().filter(|entry| entry.retired_at.is_none()) {
            let key = ring.key(&entry.id).map_err(Error::Encryption)?;
            let unfit = |error: jwe::UnsuitableKey| Error::File {
                key: "ingest.encryption_keys",
                path: ring.path(&entry.id),
                what: error.to_string(),
            };
            opening.push(jwe::DecryptionKey::new(&key).map_err(unfit)?);
            answers.push((entry.id.clone(), answer(settings.public_key_format, &key)?));
        }
        Ok(Self { opening, ring, answers })
    }
}

fn answer(format: PublicKeyFormat, key: &openssl::pkey::PKey<openssl::pkey::Private>) -> Result<Arc<str>, Error> {
    Ok(serde_json::json!({ "publicKey": format.write(key)? }).to_string().into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_finds_too_many_waiting_is_turned_away_and_those_who_wait_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { encryption_keys: folder.path().to_owned(), ..Settings::default() };
        let decryptor = Decryptor::new(DecryptionKeys::read(&settings).unwrap());
        let cores = u32::try_from(decryptor.hands.available_permits()).unwrap();
        let busy = Arc::clone(&decryptor.hands).acquire_many_owned(cores).await.unwrap();
        let others = Arc::clone(&decryptor.room).acquire_many_owned(cores + 255).await.unwrap();

        let mut last = std::pin::pin!(decryptor.open(Zeroizing::new("a.b.c.d.e".to_owned())));
        assert!((&mut last).now_or_never().is_none(), "the 256th waits");
        let one_more = decryptor.open(Zeroizing::new("a.b.c.d.e".to_owned())).await;
        drop((busy, others));

        assert_eq!(one_more.unwrap_err(), Problem::Unavailable);
        assert_eq!(last.await.unwrap_err(), Problem::Undecipherable);
        assert_eq!(decryptor.room.available_permits(), cores as usize + WAITING_MAX);
    }
}
