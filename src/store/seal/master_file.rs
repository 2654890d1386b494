//! The file of the master key, `seal.key`.
//!
//! The first line is the key: 32 bytes in base64. A key that was never rotated has no other line. A rotation adds, each on a
//! line of its own: `generation`, how often the key was rotated; `lookup` and `fingerprint`, the keys of hashes, which stay
//! the first ones because what they hash is not stored; and, until nothing is sealed with it any more, `previous` with
//! `rotated_at`, microseconds.

use std::fs;
use std::io;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use super::Error;
use super::keyring::{KEY_BYTES, Key, random_key};
use super::master::{Use, derive};
use crate::domain::clock::Timestamp;
use crate::file_access::{self, SECRET};

/// What the file says.
pub(super) struct MasterFile {
    pub(super) key: Key,
    /// 0: never rotated.
    pub(super) generation: u32,
    pub(super) lookup: Key,
    pub(super) fingerprint: Key,
    pub(super) previous: Option<PreviousKey>,
}

/// The master key before the last rotation.
pub(super) struct PreviousKey {
    pub(super) key: Key,
    pub(super) rotated_at: Timestamp,
}

impl MasterFile {
    pub(super) fn read(path: &Path) -> Result<Self, io::Error> {
        let text = Zeroizing::new(fs::read_to_string(path)?);
        let mut lines = text.lines();
        let key = key_in(lines.next().unwrap_or_default())?;
        let lookup = derive(&key, Use::Lookup);
        let fingerprint = derive(&key, Use::Fingerprint);
        let mut file = Self { key, generation: 0, lookup, fingerprint, previous: None };
        let (mut previous, mut rotated_at) = (None, None);
        for line in lines {
            match line.split_once(' ') {
                Some(("generation", number)) => file.generation = number.parse().map_err(|_| odd("a generation"))?,
                Some(("lookup", key)) => file.lookup = key_in(key)?,
                Some(("fingerprint", key)) => file.fingerprint = key_in(key)?,
                Some(("previous", key)) => previous = Some(key_in(key)?),
                Some(("rotated_at", at)) => rotated_at = Some(at.parse().map_err(|_| odd("a time"))?),
                _ => return Err(odd("a line of this version of otpost")),
            }
        }
        let rotated_at = Timestamp::from_micros(rotated_at.unwrap_or_default());
        file.previous = previous.map(|key| PreviousKey { key, rotated_at });
        Ok(file)
    }

    /// A new key becomes the current one, and the current one the previous.
    pub(super) fn rotate(self, now: Timestamp) -> Result<Self, Error> {
        let previous = Some(PreviousKey { key: self.key, rotated_at: now });
        Ok(Self { key: random_key()?, generation: self.generation + 1, previous, ..self })
    }

    /// Replaces the file at once, so that a crash leaves the old or the new one.
    pub(super) fn replace(&self, path: &Path) -> io::Result<()> {
        file_access::replace(path, self.to_text().as_bytes(), SECRET)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        push_line(&mut text, "", &self.key);
        push_number(&mut text, "generation ", self.generation.into());
        push_line(&mut text, "lookup ", &self.lookup);
        push_line(&mut text, "fingerprint ", &self.fingerprint);
        if let Some(previous) = &self.previous {
            push_line(&mut text, "previous ", &previous.key);
            push_number(&mut text, "rotated_at ", previous.rotated_at.micros());
        }
        text
    }
}

/// Writes a key, and a tag if there is one, to a file that does not exist.
pub(super) fn write_key(path: &Path, key: &Key, tag: Option<&[u8]>) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(128));
    push_line(&mut text, "", key);
    if let Some(tag) = tag {
        text.push_str(&openssl::base64::encode_block(tag));
        text.push('\n');
    }
    file_access::create(path, text.as_bytes(), SECRET)
}

fn push_line(text: &mut String, name: &str, key: &Key) {
    text.push_str(name);
    text.push_str(&Zeroizing::new(openssl::base64::encode_block(key.as_slice())));
    text.push('\n');
}

fn push_number(text: &mut String, name: &str, number: i64) {
    text.push_str(name);
    text.push_str(&number.to_string());
    text.push('\n');
}

/// The key that `text` is in base64.
pub(super) fn key_in(text: &str) -> io::Result<Key> {
    let mut bytes = openssl::base64::decode_block(text.trim()).unwrap_or_default();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let fits = bytes.len() == KEY_BYTES;
    if fits {
        key.copy_from_slice(&bytes);
    }
    bytes.zeroize();
    if fits { Ok(key) } else { Err(odd("32 bytes in base64")) }
}

fn odd(expected: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected {expected}"))
}
