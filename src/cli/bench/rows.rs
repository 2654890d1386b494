//! What can be measured, where, and in which order. Names only; nothing is measured here.

use clap::ValueEnum;
use serde::Serialize;

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Row {
    /// The disk alone: 4 KiB and a sync, in a growing file and in one that is written again
    Sync,
    /// A bare server behind the same mutual TLS that answers 204 to everything
    Bare,
    /// The store alone: 64 producers that wait for their commits, without HTTP
    Group,
    /// Accepted, delivery paused: 64 connections, one after the other on each
    Intake,
    /// The same with many notifications in the database
    Stored,
    /// Accepted and delivered: 32 connections, one after the other on each
    Full32,
    /// The same with 128 connections
    Full128,
    /// 50 a second over 16 connections
    Rate50,
    /// 200 a second
    Rate200,
    /// 200 a second while the janitor removes what is older than it may get
    Purge,
    /// 1,000 a second
    Rate1000,
    /// One mail after the other
    Mail,
    /// Encrypted bodies opened on one core, in turns with the RSA operation alone
    Jwe,
    /// Codes written as text on one core, in turns with the bare template engine
    Render,
}

/// Where the database lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// On a disk.
    Disk,
    /// In memory: what is left is the processor's own speed.
    Tmpfs,
    /// There is none.
    Nowhere,
}

/// Everything, in the order of one round. Rounds are repeated whole, so that what is compared is measured in turns.
pub(super) const ROUND: [(Row, Place); 20] = [
    (Row::Sync, Place::Disk),
    (Row::Bare, Place::Nowhere),
    (Row::Group, Place::Disk),
    (Row::Intake, Place::Disk),
    (Row::Stored, Place::Disk),
    (Row::Full32, Place::Disk),
    (Row::Full128, Place::Disk),
    (Row::Rate50, Place::Disk),
    (Row::Rate200, Place::Disk),
    (Row::Purge, Place::Disk),
    (Row::Group, Place::Tmpfs),
    (Row::Intake, Place::Tmpfs),
    (Row::Full32, Place::Tmpfs),
    (Row::Full128, Place::Tmpfs),
    (Row::Rate50, Place::Tmpfs),
    (Row::Rate200, Place::Tmpfs),
    (Row::Rate1000, Place::Tmpfs),
    (Row::Mail, Place::Nowhere),
    (Row::Jwe, Place::Nowhere),
    (Row::Render, Place::Nowhere),
];

impl Row {
    /// The name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Place {
    /// The name in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Tmpfs => "tmpfs",
            Self::Nowhere => "-",
        }
    }
}
