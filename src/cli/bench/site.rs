//! A workspace to measure in, with people to tell and databases to begin with, on one disk or in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::super::Usage;
use super::super::workspace::{AUTHORITY, Workspace};
use super::rows::Place;
use super::stored;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::{Channel, Contact};
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use crate::sim::http_client::Identity;
use crate::store::Role;

/// The customers' numbers go from one to this.
pub(super) const CUSTOMERS: u64 = 10_000;

/// Notifications that are older than they may get; more than are removed while measuring.
const OLD: u32 = 60_000;

/// How old these are: beyond what is kept by default.
const AGE: Duration = Duration::from_hours(24 * 400);

/// People written in one transaction.
const IMPORT: usize = 1_000;

/// What `statfs` says of a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// A notification and all that belongs to it, in bytes; measured at 1,150.
const NOTIFICATION: u64 = 1_500;

/// What one round writes, and what the gateway wants to be left.
const ROOM: u64 = 1_500 * 1024 * 1024;

/// One place to measure in.
pub(super) struct Site {
    folder: Folder,
    workspace: Workspace,
    stored: Option<PathBuf>,
}

/// Removed with everything in it when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A database of one run, removed when dropped.
pub(super) struct Database(PathBuf);

impl Database {
    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.0
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(end);
            let _ = fs::remove_file(name);
        }
        let _ = fs::remove_file(self.0.with_extension("lock"));
    }
}

impl Site {
    /// Makes a workspace below `within` whose messages go to the SMS gateway at `sms`.
    pub(super) async fn make(place: Place, within: &Path, sms: &str, stored: u32) -> anyhow::Result<Self> {
        check(place, within, stored)?;
        let within = within.canonicalize()?;
        let folder = Folder(within.join(format!("otpost-bench-{}", std::process::id())));
        fs::create_dir(&folder.0).with_context(|| format!("cannot make {}", folder.0.display()))?;
        let provider = format!(
            "\n[[provider]]\nname = \"sms-primary\"\nkind = \"sms_gateway\"\nurl = \"{sms}\"\nsender = \"Bank\"\n"
        );
        let workspace = Workspace::create(&folder.0.join("workspace"), &provider).await?;
        let site = Self { folder, workspace, stored: None };
        site.populate().await?;
        Ok(site)
    }

    /// Makes the database with `count` notifications in it, once.
    pub(super) async fn store(&mut self, count: u32, told: impl Fn(u32)) -> anyhow::Result<()> {
        let file = self.folder.0.join("stored.db");
        fs::copy(self.seed(), &file)?;
        stored::fill(&file, count, SystemClock.now(), told).await?;
        self.stored = Some(file);
        Ok(())
    }

    /// The database with many notifications; it is kept, and grows by what a run adds.
    pub(super) fn stored(&self) -> Option<&Path> {
        self.stored.as_deref()
    }

    /// A new database with people and no notifications.
    pub(super) fn fresh(&self) -> io::Result<Database> {
        let database = Database(self.folder.0.join("run.db"));
        fs::copy(self.seed(), database.file())?;
        fs::File::open(database.file())?.sync_all()?;
        Ok(database)
    }

    /// The same with notifications of the year before last.
    pub(super) async fn aged(&self) -> anyhow::Result<Database> {
        let database = self.fresh()?;
        stored::fill(database.file(), OLD, SystemClock.now().before(AGE), |_| {}).await?;
        Ok(database)
    }

    /// Keys, certificates and configuration.
    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Where files may be written.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Who the processor is.
    pub(super) fn identity(&self) -> anyhow::Result<Identity> {
        let [cert, key, ca] = ["pki/processor.pem", "pki/processor.key", AUTHORITY].map(|f| self.workspace.path(f));
        Ok(Identity::from_files(&cert, &key, &ca)?)
    }

    fn seed(&self) -> PathBuf {
        self.folder.0.join("seed.db")
    }

    async fn populate(&self) -> anyhow::Result<()> {
        let file = self.workspace.path("otpost.db");
        // Beside: the store that made the file may still be letting go of it.
        let store = self.workspace.store(&file, Role::Cli).await?;
        let directory = store.directory();
        let recipients = (1..=CUSTOMERS).map(recipient).collect::<anyhow::Result<Vec<_>>>()?;
        for some in recipients.chunks(IMPORT) {
            directory.import(some, SystemClock.now()).await?;
        }
        store.close().await?;
        stored::snapshot(&file, &self.seed()).await
    }
}

fn recipient(number: u64) -> anyhow::Result<RecipientRecord> {
    let name = |kind, value: String| Identifier { kind, value };
    Ok(RecipientRecord {
        reference: format!("bench-{number}"),
        locale: Locale::parse("en")?,
        status: RecipientStatus::Active,
        preferences: crate::domain::preferences::Preferences::default(),
        identifiers: vec![
            name(IdentifierKind::StorageCustomer, number.to_string()),
            name(IdentifierKind::StorageCard, number.to_string()),
        ],
        contacts: vec![Contact::parse(Channel::Sms, &format!("+48600{number:06}"))?],
    })
}

// A disk that is memory, or memory that is a disk, would give figures under the wrong name.
fn check(place: Place, within: &Path, stored: u32) -> anyhow::Result<()> {
    let wrong = |what: &str| Usage(format!("{}: {what}", within.display()));
    let stat = rustix::fs::statfs(within).map_err(|error| wrong(&error.to_string()))?;
    let is_memory = stat.f_type == TMPFS_MAGIC;
    match place {
        Place::Disk if is_memory => return Err(wrong("is in memory (tmpfs); --dir names a folder on a disk").into()),
        Place::Tmpfs if !is_memory => return Err(wrong("is not in memory; --tmpfs names a folder on a tmpfs").into()),
        Place::Disk | Place::Tmpfs | Place::Nowhere => {}
    }
    let room = rustix::fs::statvfs(within).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let needed = ROOM + u64::from(stored) * NOTIFICATION;
    if room.is_ok_and(|room| room < needed) {
        return Err(wrong(&format!("needs {} MiB free", needed / 1024 / 1024)).into());
    }
    Ok(())
}
