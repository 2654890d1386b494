//! Checks who may read or replace the files with secrets and contacts.
//!
//! Keys and passwords are for their owner only. The database holds no contact and no code in clear, so a group may read it:
//! that is how operators look at deliveries without being the user of the gateway.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::report::CheckReport;
use crate::cli::output::counted;
use crate::config::Config;
use crate::file_access::{group_name, mode};
use crate::store::database_files;

const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;
const GROUP_READS: u32 = 0o040;
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;

/// A folder like `/tmp`, in which users cannot remove or rename the files of other users.
const STICKY: u32 = 0o1000;

pub(super) fn check(config: &Config, folder: &Path, report: &mut CheckReport) {
    let secrets = secret_files(config, folder);
    let database = database_files(config);
    let mut folders = BTreeSet::new();
    let mut wide = 0;
    for (file, allowed) in secrets.iter().map(|file| (file, 0)).chain(database.iter().map(|file| (file, GROUP_READS))) {
        let Ok(metadata) = fs::metadata(file) else { continue };
        folders.extend(file.parent().map(Path::to_owned));
        let excess = mode(&metadata) & (GROUP | OTHERS) & !allowed;
        if excess != 0 {
            wide += 1;
            warn(file, mode(&metadata), report);
        } else if mode(&metadata) & GROUP_READS != 0 {
            let group = group_name(metadata.gid());
            report.ok("file modes", format_args!("{}: group {group} may read it", file.display()));
        }
    }
    for folder in folders {
        let Ok(metadata) = fs::metadata(&folder) else { continue };
        if mode(&metadata) & GROUP_OR_OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0 {
            let (path, mode) = (folder.display(), mode(&metadata));
            let text = format!("{path}: mode {mode:03o}: other users can replace the files in it; run chmod go-w");
            report.warning("file modes", text);
        }
    }
    if wide == 0 {
        let count = counted(secrets.len() + database.len(), "file");
        report.ok("file modes", format_args!("{count} with secrets or contacts closed to other users"));
    }
}

fn warn(file: &Path, mode: u32, report: &mut CheckReport) {
    let path = file.display();
    let text = format!("{path}: mode {mode:03o}: open to other users; run chmod 600");
    // The keys have been looked at by the checks that read them.
    if !report.mentions(&path.to_string(), "run chmod") {
        report.warning("file modes", text);
    }
}

fn secret_files(config: &Config, folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = config.secret_files.configuration.iter().cloned().collect();
    files.extend(config.secret_files.named.iter().cloned());
    files.extend([config.seal.key_file.clone(), config.ingest.key.clone()]);
    let listeners = [config.receipts.address(), config.console.address()];
    let keys = listeners.into_iter().filter(|it| it.is_open() && !it.key.as_os_str().is_empty());
    files.extend(keys.map(|it| it.key.to_owned()));
    files.extend(with_extension(&config.seal.key_file.with_extension("epochs"), "key"));
    files.extend(with_extension(&config.ingest.encryption_keys, "pem"));
    files.extend(["pki", "pki/dev", "pki/prod"].iter().flat_map(|name| with_extension(&folder.join(name), "key")));
    existing(files)
}

fn database_files(config: &Config) -> Vec<PathBuf> {
    let Ok(database) = config.store.sqlite_path() else { return Vec::new() };
    existing(database_files::all(&database).to_vec())
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|its| its == extension)).collect()
}

fn existing(files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.into_iter().filter(|file| file.is_file()).collect::<BTreeSet<_>>().into_iter().collect()
}
