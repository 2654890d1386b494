//! Where the database is.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Error, sqlite};

/// `[store]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `sqlite:` and the path of the file, or `postgres://` and the address of a database that several nodes share.
    pub url: String,
    /// Where a node on PostgreSQL has its lock, its name, and what SQLite keeps beside its file.
    pub folder: PathBuf,
    /// Whether statements are prepared once for each connection of PostgreSQL. Not through a pooler in transaction mode.
    pub prepared: bool,
    /// Bytes that must stay free on the disk. Below it nothing new is accepted, so that open deliveries can be settled.
    pub min_free: u64,
    /// Bytes of the write-ahead log that a reader may keep before an alarm is raised. Nothing else happens then.
    #[serde(deserialize_with = "wal_alarm")]
    pub wal_alarm: u64,
}

/// The WAL of a healthy gateway grows to some hundred kilobytes between two checkpoints.
const WAL_ALARM_MIN: u64 = 1024 * 1024;

fn wal_alarm<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let bytes = u64::deserialize(from)?;
    if bytes < WAL_ALARM_MIN {
        return Err(serde::de::Error::custom(format_args!("must be at least {WAL_ALARM_MIN} bytes")));
    }
    Ok(bytes)
}

impl Default for Settings {
    fn default() -> Self {
        let mib = 1024 * 1024;
        Self {
            url: "sqlite:otpost.db".to_owned(),
            folder: PathBuf::from("."),
            prepared: true,
            min_free: 256 * mib,
            wal_alarm: 256 * mib,
        }
    }
}

impl Settings {
    /// The file of a `sqlite:` URL.
    pub fn sqlite_path(&self) -> Result<PathBuf, Error> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ if self.is_shared() => Err(Error::NoFile),
            _ => Err(Error::Url),
        }
    }

    /// Whether the database is a server that several nodes can share.
    pub fn is_shared(&self) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme))
    }

    /// What the names of the files beside the database begin with: its socket, its lock, copies of certificates.
    pub fn local_path(&self) -> Result<PathBuf, Error> {
        if self.is_shared() { Ok(self.folder.join("otpost.db")) } else { self.sqlite_path() }
    }

    /// Whether there is no database yet, as far as this can be known without opening it.
    pub fn is_missing(&self) -> bool {
        !self.is_shared() && !self.sqlite_path().is_ok_and(|path| path.exists())
    }

    /// The name of the database system.
    pub fn kind(&self) -> &'static str {
        if self.is_shared() { "PostgreSQL" } else { "SQLite" }
    }

    /// The database in words, without a password.
    pub fn described(&self) -> String {
        if self.is_shared() {
            return self.kind().to_owned();
        }
        self.sqlite_path().map_or_else(|_| self.url.clone(), |path| path.display().to_string())
    }

    /// The process of the gateway that runs on this database, as far as this user may see it.
    pub fn running_gateway(&self) -> Option<u32> {
        sqlite::running_gateway(&self.local_path().ok()?)
    }
}
