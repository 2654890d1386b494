//! The scenarios, where each keeps its database, and the order of one round. Nothing is measured here.

use serde::Serialize;
use strum::{EnumMessage, IntoEnumIterator};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::EnumIter, strum::EnumMessage, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Scenario {
    /// The disk alone: write and sync 4 KiB, appending to a file and overwriting one
    Sync,
    /// A minimal server behind the same mutual TLS that answers 204 to everything
    Baseline,
    /// The store alone: 64 producers that wait for their commits, without HTTP
    Group,
    /// Accept with delivery paused: 64 connections, one request at a time on each
    Intake,
    /// The same as `intake`, with many notifications in the database
    Stored,
    /// Accept and deliver: 32 connections, one request at a time on each
    Full32,
    /// The same as `full32`, with 128 connections
    Full128,
    /// Accept and deliver 50 notifications per second over 16 connections
    Rate50,
    /// Accept and deliver 200 notifications per second
    Rate200,
    /// The same as `rate200`, while the cleanup task removes expired notifications
    Purge,
    /// Accept and deliver 1,000 notifications per second
    Rate1000,
    /// Find deliveries among many, spread over 13 months
    Search,
    /// Send e-mails one at a time through the SMTP adapter
    Mail,
    /// Submit short messages over one SMPP bind, alternating with a bare loop
    Smpp,
    /// Decrypt bodies on one core, alternating with the RSA operation alone
    Jwe,
    /// Render OTP messages on one core, alternating with the template engine alone
    Render,
}

/// Where the database of a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Storage {
    Disk,
    /// A file system in memory: its results show the speed of the CPU alone.
    Tmpfs,
    None,
}

/// One round. Rounds are repeated as a whole, so that scenarios that are compared are measured alternately.
pub(super) const ROUND: [(Scenario, Storage); 22] = [
    (Scenario::Sync, Storage::Disk),
    (Scenario::Baseline, Storage::None),
    (Scenario::Group, Storage::Disk),
    (Scenario::Intake, Storage::Disk),
    (Scenario::Stored, Storage::Disk),
    (Scenario::Full32, Storage::Disk),
    (Scenario::Full128, Storage::Disk),
    (Scenario::Rate50, Storage::Disk),
    (Scenario::Rate200, Storage::Disk),
    (Scenario::Purge, Storage::Disk),
    (Scenario::Search, Storage::Disk),
    (Scenario::Group, Storage::Tmpfs),
    (Scenario::Intake, Storage::Tmpfs),
    (Scenario::Full32, Storage::Tmpfs),
    (Scenario::Full128, Storage::Tmpfs),
    (Scenario::Rate50, Storage::Tmpfs),
    (Scenario::Rate200, Storage::Tmpfs),
    (Scenario::Rate1000, Storage::Tmpfs),
    (Scenario::Mail, Storage::None),
    (Scenario::Smpp, Storage::None),
    (Scenario::Jwe, Storage::None),
    (Scenario::Render, Storage::None),
];

impl Scenario {
    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

impl Storage {
    /// The name in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Tmpfs => "tmpfs",
            Self::None => "-",
        }
    }
}

/// The list of scenarios for `--help`.
pub(super) fn help() -> String {
    let line =
        |scenario: Scenario| format!("  {:<9} {}\n", scenario.name(), scenario.get_documentation().unwrap_or_default());
    Scenario::iter().fold("Scenarios:\n".to_owned(), |help, scenario| help + &line(scenario))
}
