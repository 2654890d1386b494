//! A gateway's workspace on disk or on a tmpfs, with recipients and with databases to start from.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::child::OTPOST;
use super::scenarios::Storage;
use super::stored;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use otpost::sim::http_client::Identity;
use otpost::store::{self, OpenMode, Store, seal};

/// Customer numbers are 1 to this.
pub(super) const CUSTOMERS: u64 = 10_000;

/// Expired notifications: more than can be removed during the measurement.
const EXPIRED: u32 = 60_000;

/// Their age, beyond the default retention.
const AGE: Duration = Duration::from_hours(24 * 400);

/// Recipients per transaction.
const IMPORT_BATCH: usize = 1_000;

/// The type of a tmpfs in `statfs`.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Bytes per notification with all its rows; measured at 1,150.
const NOTIFICATION_SIZE: u64 = 1_500;

/// What one round writes, plus the gateway's `store.min_free`.
const ROUND_SIZE: u64 = 1_500 * 1024 * 1024;

pub(super) struct BenchWorkspace {
    folder: TempDir,
    stored: Option<PathBuf>,
}

/// The database of one run. Its files are removed when it is dropped.
pub(super) struct Database(PathBuf);

impl Database {
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

impl BenchWorkspace {
    /// Creates a workspace in `parent` whose SMS provider is at the URL `sms`.
    pub(super) async fn create(storage: Storage, parent: &Path, sms: &str, stored: u32) -> anyhow::Result<Self> {
        check(storage, parent, stored)?;
        let parent = parent.canonicalize()?;
        let folder = tempfile::Builder::new().prefix("otpost-bench-").tempdir_in(parent)?;
        let provider = format!(
            "\n[[provider]]\nname = \"sms-primary\"\nkind = \"sms_gateway\"\nurl = \"{sms}\"\nsender = \"Bank\"\n"
        );
        let workspace = Self { folder, stored: None };
        workspace.init(&provider).await?;
        workspace.populate().await?;
        Ok(workspace)
    }

    /// Creates the database with `count` notifications.
    pub(super) async fn store(&mut self, count: u32, progress: impl Fn(u32)) -> anyhow::Result<()> {
        let file = self.folder().join("stored.db");
        fs::copy(self.seed(), &file)?;
        stored::fill(&file, count, SystemClock.now(), progress).await?;
        self.stored = Some(file);
        Ok(())
    }

    /// The database with many notifications. It is kept, and grows with every run.
    pub(super) fn stored(&self) -> Option<&Path> {
        self.stored.as_deref()
    }

    /// A new database with recipients and no notifications.
    pub(super) fn fresh(&self) -> io::Result<Database> {
        let database = Database(self.folder().join("run.db"));
        fs::copy(self.seed(), database.file())?;
        fs::File::open(database.file())?.sync_all()?;
        Ok(database)
    }

    /// A new database with recipients and notifications beyond their retention.
    pub(super) async fn aged(&self) -> anyhow::Result<Database> {
        let database = self.fresh()?;
        stored::fill(database.file(), EXPIRED, SystemClock.now().before(AGE), |_| {}).await?;
        Ok(database)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path("otpost.toml")
    }

    /// Opens the database `file` with the keys of this workspace.
    pub(super) async fn open(&self, file: &Path, mode: OpenMode) -> anyhow::Result<Store> {
        let settings = store::Settings { url: format!("sqlite:{}", file.display()), ..store::Settings::default() };
        let seal = seal::Settings { key_file: self.path("keys/seal.key") };
        Ok(Store::open(&settings, &seal, mode, Arc::new(SystemClock)).await?)
    }

    /// A directory for temporary files.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate and key of the processor, and the CA that it trusts.
    pub(super) fn identity(&self) -> anyhow::Result<Identity> {
        let [cert, key, ca] = ["pki/processor.pem", "pki/processor.key", "pki/dev/ca.pem"].map(|file| self.path(file));
        Ok(Identity::from_files(&cert, &key, &ca)?)
    }

    fn seed(&self) -> PathBuf {
        self.folder().join("seed.db")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join("workspace").join(name)
    }

    async fn init(&self, provider: &str) -> anyhow::Result<()> {
        let status = Command::new(OTPOST).arg("init").arg(self.path("")).stdout(Stdio::null()).status().await?;
        ensure!(status.success(), "otpost init failed: {status}");
        let mut config = fs::OpenOptions::new().append(true).open(self.config())?;
        Ok(config.write_all(provider.as_bytes())?)
    }

    async fn populate(&self) -> anyhow::Result<()> {
        let file = self.path("otpost.db");
        let store = self.open(&file, OpenMode::Cli).await?;
        let directory = store.recipients();
        let recipients = (1..=CUSTOMERS).map(recipient).collect::<anyhow::Result<Vec<_>>>()?;
        for some in recipients.chunks(IMPORT_BATCH) {
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
        preferences: otpost::domain::preferences::Preferences::default(),
        identifiers: vec![
            name(IdentifierKind::StorageCustomer, number.to_string()),
            name(IdentifierKind::StorageCard, number.to_string()),
        ],
        contacts: vec![Contact::parse(Channel::Sms, &format!("+48600{number:06}"))?],
    })
}

// A tmpfs given as --dir, or a disk given as --tmpfs, would mislabel the results.
fn check(storage: Storage, parent: &Path, stored: u32) -> anyhow::Result<()> {
    let wrong = |text: &str| anyhow!("{}: {text}", parent.display());
    let stat = rustix::fs::statfs(parent).map_err(|error| wrong(&error.to_string()))?;
    let is_memory = stat.f_type == TMPFS_MAGIC;
    match storage {
        Storage::Disk if is_memory => return Err(wrong("is a tmpfs; --dir must name a directory on a disk")),
        Storage::Tmpfs if !is_memory => return Err(wrong("is not a tmpfs; --tmpfs must name a directory on a tmpfs")),
        Storage::Disk | Storage::Tmpfs | Storage::None => {}
    }
    let free = rustix::fs::statvfs(parent).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let needed = ROUND_SIZE + u64::from(stored) * NOTIFICATION_SIZE;
    if free.is_ok_and(|free| free < needed) {
        return Err(wrong(&format!("needs {} MiB free", needed / 1024 / 1024)));
    }
    Ok(())
}
