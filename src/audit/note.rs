//! Signed notes after `c2sp.org/signed-note` v1.0.0: a text, an empty line, and one signature a line.
//!
//! Signatures are Ed25519. Lines of other keys and of other algorithms are ignored, as the specification demands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sha::sha256;
use openssl::sign::{Signer, Verifier};

/// The signature type of Ed25519.
const ED25519: u8 = 1;
const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// Why a note is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not a verifier key: expected NAME+HASH+KEY, as `otpost audit key` prints it")]
    VerifierKey,
    #[error("the hash of the verifier key does not match its name and key")]
    VerifierKeyHash,
    #[error("not an Ed25519 key")]
    NotEd25519,
    #[error("the name of a log key must not be empty and must not contain spaces or `+`")]
    Name,
    #[error("not a signed note: expected a text, an empty line, and lines that begin with an em dash")]
    Malformed,
    #[error("no signature of {0}")]
    NotSigned(String),
    #[error("the signature of {0} is not valid for this text")]
    Forged(String),
    #[error("OpenSSL failed")]
    OpenSsl(#[from] ErrorStack),
}

/// The private key of a log, with the log's name.
pub struct NoteSigner {
    name: String,
    key: PKey<Private>,
    id: [u8; 4],
}

impl NoteSigner {
    /// Signs as `name`, which is not empty and has neither spaces nor `+`.
    pub fn new(name: &str, key: PKey<Private>) -> Result<Self, Error> {
        if name.is_empty() || name.contains(['+', ' ', '\n', '\t']) {
            return Err(Error::Name);
        }
        if key.id() != Id::ED25519 {
            return Err(Error::NotEd25519);
        }
        let id = key_id(name, &key.raw_public_key()?);
        Ok(Self { name: name.to_owned(), key, id })
    }

    /// Signs `text`, which ends with a line feed.
    pub fn sign(&self, text: &str) -> Result<String, Error> {
        let signature = Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(text.as_bytes())?;
        let signature = BASE64.encode([&self.id[..], &signature].concat());
        Ok(format!("{text}\n— {} {signature}\n", self.name))
    }

    /// The public key that verifies the notes.
    pub fn verifier(&self) -> Result<NoteVerifier, Error> {
        let raw = self.key.raw_public_key()?;
        Ok(NoteVerifier {
            name: self.name.clone(),
            key: PKey::public_key_from_raw_bytes(&raw, Id::ED25519)?,
            id: self.id,
        })
    }
}

/// The public key of a log, with the log's name.
#[derive(Debug, Clone)]
pub struct NoteVerifier {
    name: String,
    key: PKey<Public>,
    id: [u8; 4],
}

impl NoteVerifier {
    /// Reads a verifier key: `NAME+HASH+KEY`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::VerifierKey);
        };
        let key = BASE64.decode(key).map_err(|_| Error::VerifierKey)?;
        let Some((&ED25519, raw)) = key.split_first().filter(|(_, raw)| raw.len() == KEY_BYTES) else {
            return Err(Error::NotEd25519);
        };
        let own = key_id(name, raw);
        if hex::encode(own) != id {
            return Err(Error::VerifierKeyHash);
        }
        let key = PKey::public_key_from_raw_bytes(raw, Id::ED25519)?;
        Ok(Self { name: name.to_owned(), key, id: own })
    }

    /// The name of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key as text: `NAME+HASH+KEY`.
    pub fn to_text(&self) -> Result<String, Error> {
        let key = [&[ED25519], &self.key.raw_public_key()?[..]].concat();
        Ok(format!("{}+{}+{}", self.name, hex::encode(self.id), BASE64.encode(key)))
    }

    /// The text of `note`, if this key signed it.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, Error> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(Error::Malformed)?;
        let text = note.get(..=text.len()).ok_or(Error::Malformed)?;
        if signatures.is_empty() || !signatures.ends_with('\n') {
            return Err(Error::Malformed);
        }
        let mut signed = false;
        for line in signatures.lines() {
            let (name, signature) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(Error::Malformed)?;
            let signature = BASE64.decode(signature).map_err(|_| Error::Malformed)?;
            let Some((id, signature)) = signature.split_first_chunk::<4>() else { return Err(Error::Malformed) };
            if name != self.name || *id != self.id {
                continue;
            }
            let valid = signature.len() == SIGNATURE_BYTES
                && Verifier::new_without_digest(&self.key)?.verify_oneshot(signature, text.as_bytes())?;
            if !valid {
                return Err(Error::Forged(self.name.clone()));
            }
            signed = true;
        }
        if signed { Ok(text) } else { Err(Error::NotSigned(self.name.clone())) }
    }
}

fn key_id(name: &str, raw: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), &[b'\n', ED25519], raw].concat());
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, PKey::private_key_from_raw_bytes(&[seed; 32], Id::ED25519).unwrap()).unwrap()
    }

    // The example of the Go package golang.org/x/mod/sumdb/note, on which the specification is based.
    const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_signed_by_another_program_is_opened() {
        let verifier = NoteVerifier::parse(GO_VERIFIER).unwrap();
        assert!(verifier.open(GO_NOTE).unwrap().ends_with("your problem is.\n"));
        assert_eq!(verifier.to_text().unwrap(), GO_VERIFIER);
    }

    #[test]
    fn only_the_text_that_was_signed_is_opened() {
        let signer = signer("otpost.example/audit", 1);
        let note = signer.sign("otpost.example/audit\n7\nAAAA\n").unwrap();
        let verifier = NoteVerifier::parse(&signer.verifier().unwrap().to_text().unwrap()).unwrap();
        assert_eq!(verifier.open(&note).unwrap(), "otpost.example/audit\n7\nAAAA\n");
        assert!(matches!(verifier.open(&note.replace("7\n", "8\n")), Err(Error::Forged(_))));
        assert!(matches!(verifier.open("text\n"), Err(Error::Malformed)));
        assert!(matches!(verifier.open("text\n\n"), Err(Error::Malformed)));
    }

    #[test]
    fn signatures_of_unknown_keys_are_ignored_and_do_not_replace_the_known_one() {
        let (log, witness) = (signer("log", 1), signer("witness", 2));
        let note = log.sign("text\n").unwrap();
        let other = witness.sign("text\n").unwrap();
        let line = other.lines().last().unwrap();
        assert_eq!(log.verifier().unwrap().open(&format!("{note}{line}\n")).unwrap(), "text\n");
        assert!(matches!(log.verifier().unwrap().open(&other), Err(Error::NotSigned(_))));
        assert!(matches!(signer("log", 3).verifier().unwrap().open(&note), Err(Error::NotSigned(_))));
    }

    #[test]
    fn a_verifier_key_that_was_changed_is_refused() {
        for text in
            ["", "log", "log+00000000+AQ==", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
        {
            assert!(NoteVerifier::parse(text).is_err(), "{text}");
        }
        assert!(matches!(NoteSigner::new("a b", PKey::generate_ed25519().unwrap()), Err(Error::Name)));
        assert!(matches!(NoteSigner::new("a", PKey::generate_x25519().unwrap()), Err(Error::NotEd25519)));
    }
}
