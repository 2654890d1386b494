//! Passwords: what one must be, and its Argon2id hash.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{Error, codes};

/// With a second factor 8 characters would do (NIST SP 800-63B-4, 3.1.1.2).
const LENGTH_MIN: usize = 12;
const LENGTH_MAX: usize = 256;

/// More than the least that OWASP asks for (19 MiB and 2 passes).
const MEMORY_KIB: u32 = 32 * 1024;
const PASSES: u32 = 3;

/// Hashes that are computed at the same time: the memory and the cores are for deliveries.
const AT_ONCE: usize = 2;

/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// A hash of no known password, so that a sign-in with an unknown name takes as long as any other.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=32768,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("a password needs at least {LENGTH_MIN} characters; a few words are fine")]
    TooShort,
    #[error("a password has at most {LENGTH_MAX} characters")]
    TooLong,
    #[error("a password cannot contain the user's name, or consist of one or two characters that are repeated")]
    Guessable,
}

/// Whether the user could use this password.
pub(super) fn check(password: &str, user: &str) -> Result<(), InvalidPassword> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(InvalidPassword::TooShort);
    }
    if length > LENGTH_MAX {
        return Err(InvalidPassword::TooLong);
    }
    let mut characters: Vec<_> = password.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    let names_user = user.len() > 2 && password.to_lowercase().contains(user);
    if characters.len() < 3 || names_user { Err(InvalidPassword::Guessable) } else { Ok(()) }
}

/// Hashes and verifies, a few at a time and outside the threads that answer requests.
pub(super) struct Hasher(Arc<Semaphore>);

impl Hasher {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let (password, salt) = (Zeroizing::new(password.to_owned()), codes::random::<16>()?);
        self.compute(move || {
            let hashed = argon2()?.hash_password_with_salt(password.as_bytes(), &salt).ok();
            hashed.map(|hash| hash.to_string())
        })
        .await?
        .ok_or(Error::Busy)
    }

    /// Whether `password` is that of `hash`. It takes the same time without a hash.
    pub(super) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Error> {
        let known = hash.is_some();
        // What is longer was never accepted; hashing it would only take longer.
        let cut = password.char_indices().nth(LENGTH_MAX).map_or(password, |(end, _)| &password[..end]);
        let is_whole = cut.len() == password.len();
        let password = Zeroizing::new(cut.to_owned());
        let hash = hash.unwrap_or(NO_PASSWORD).to_owned();
        let matches = self.compute(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            Some(argon2()?.verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(matches.await?.unwrap_or(false) && known && is_whole)
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(Error::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        Ok(done.await.ok().flatten())
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_verified() {
        let hasher = Hasher::new();
        let hash = hasher.hash("correct horse battery").await.unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=32768,t=3,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse battery", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse batterz", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse battery", None).await.unwrap());
        assert!(!hasher.verify("correct horse battery", Some("$argon2id$broken")).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_is_compared_whole() {
        let hasher = Hasher::new();
        let longest: String = "ab\u{17c}d".repeat(64);
        let hash = hasher.hash(&longest).await.unwrap();

        assert!(hasher.verify(&longest, Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&format!("{longest}x"), Some(&hash)).await.unwrap());
    }

    #[test]
    fn an_unknown_name_costs_as_much_as_a_known_one() {
        let hash = PasswordHash::new(NO_PASSWORD).unwrap();
        let params = Params::try_from(&hash).unwrap();

        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, 1));
        assert_eq!(hash.hash.unwrap().len(), 32);
    }

    #[test]
    fn a_password_is_long_and_not_the_name() {
        assert_eq!(check("short", "anna"), Err(InvalidPassword::TooShort));
        assert_eq!(check(&"long".repeat(65), "anna"), Err(InvalidPassword::TooLong));
        assert_eq!(check("i am Anna 2026", "anna"), Err(InvalidPassword::Guessable));
        assert_eq!(check("abababababab", "anna"), Err(InvalidPassword::Guessable));
        assert_eq!(check("correct horse", "anna"), Ok(()));
        assert_eq!(check("żółw i żaba 12", "anna"), Ok(()));
    }
}
