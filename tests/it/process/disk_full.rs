//! A disk that fills up under the database, and is freed again: a small file system of its own, really full.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use otpost::sim::providers::faults::Faults;

use super::canary::get;
use super::strace::is_root;
use super::tally::{self, Tally};
use super::{Served, Workspace, run};

/// Large enough for a few thousand notifications.
const SIZE: u64 = 48 << 20;

/// What must stay free, where something must.
const MIN_FREE: u64 = 8 << 20;

/// A gateway checks the disk each second.
const NOTICES_WITHIN: Duration = Duration::from_secs(5);

const RECOVERS_WITHIN: Duration = Duration::from_secs(10);

/// A file system in memory with the database on it.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// `None` where only root could mount one.
    fn under(workspace: &Workspace, min_free: u64) -> Option<Self> {
        if !is_root("only root may mount a file system") {
            return None;
        }
        let folder = workspace.path("disk");
        fs::create_dir(&folder).unwrap();
        let size = format!("size={SIZE}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "otpost-test"]).arg(&folder));
        let disk = Self { folder };
        for ending in ["db", "db-wal"] {
            let name = format!("otpost.{ending}");
            if workspace.path(&name).exists() {
                fs::copy(workspace.path(&name), disk.folder.join(&name)).unwrap();
            }
        }
        let config = workspace.path("otpost.toml");
        let text = fs::read_to_string(&config).unwrap();
        let url = format!("url = \"sqlite:{}\"", disk.database().display());
        let text = text.replace("url = \"sqlite:otpost.db\"", &url);
        fs::write(config, text.replace("min_free = 268435456", &format!("min_free = {min_free}"))).unwrap();
        Some(disk)
    }

    fn database(&self) -> PathBuf {
        self.folder.join("otpost.db")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.folder).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Fills it but for `rest` bytes.
    fn fill(&self, rest: u64) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        while self.free() > rest {
            let some = usize::try_from((self.free() - rest).min(1 << 20)).unwrap();
            if ballast.write_all(&vec![7; some]).is_err() {
                return;
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// Posts until the answer is `status`; returns how long that took.
async fn post_until(status: u16, limit: Duration, tally: &Tally, workspace: &Workspace, gateway: &Served) -> Duration {
    let mut processor = gateway.processor(&workspace.identity());
    let began = Instant::now();
    loop {
        let got = tally.post(&mut processor, &tally.mark()).await;
        if got == status {
            return began.elapsed();
        }
        assert!(began.elapsed() < limit, "still {got} after {limit:?}: {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every accepted notification is in the file and was sent once; the file is intact.
async fn nothing_is_lost(workspace: &Workspace, tally: &Tally, database: &Path) {
    tally::settled(database).await;
    let (kept, told) = (tally::kept(database).await, tally::told(workspace));
    let accepted = tally.answers().accepted.clone();
    let lost: Vec<_> = accepted.iter().filter(|mark| !kept.contains(*mark) || told.get(*mark) != Some(&1)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "accepted, and not there or not told once");
    assert_eq!(tally::integrity(database).await, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nearly_full_disk_is_refused_in_time_and_used_again_without_a_restart() {
    let workspace = Workspace::new("").await;
    let Some(disk) = Disk::under(&workspace, MIN_FREE) else { return };
    let (tally, mut gateway) = (Tally::default(), workspace.serve());
    workspace.sms.station().behave(Faults::slow(Duration::from_secs(2)));
    let mut processor = gateway.processor(&workspace.identity());
    for _ in 0..50 {
        assert_eq!(tally.post(&mut processor, &tally.mark()).await, 204);
    }

    disk.fill(MIN_FREE - (1 << 20));
    let refused = post_until(503, NOTICES_WITHIN, &tally, &workspace, &gateway).await;
    let readiness = get(&gateway, "/readyz");
    tally::settled(&disk.database()).await;
    let left = disk.free();
    disk.make_room();
    let recovered = post_until(204, RECOVERS_WITHIN, &tally, &workspace, &gateway).await;

    println!("refused after {refused:?} with {left} bytes left, recovered in {recovered:?}");
    assert!(readiness.starts_with("HTTP/1.1 503") && readiness.contains("nearly full"), "{readiness}");
    assert!(left > 0, "the disk was never full");
    assert!(!gateway.log().contains("disk is full"), "{}", gateway.log());
    nothing_is_lost(&workspace, &tally, &disk.database()).await;
    gateway.signal("-TERM");
    assert!(gateway.ended_within(Duration::from_secs(15)).success(), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_503s_and_loses_or_repeats_nothing() {
    let workspace = Workspace::new("").await;
    let Some(disk) = Disk::under(&workspace, 0) else { return };
    let (tally, mut gateway) = (Tally::default(), workspace.serve());
    // These wait for another attempt while the disk is full.
    workspace.sms.station().behave(Faults::down(503));
    let mut processor = gateway.processor(&workspace.identity());
    for _ in 0..20 {
        assert_eq!(tally.post(&mut processor, &tally.mark()).await, 204);
    }
    disk.fill(256 << 10);
    workspace.sms.station().behave(Faults::slow(Duration::from_millis(100)));

    let senders = tally.send(3, &workspace, &gateway);
    let began = Instant::now();
    while tally.answers().refused.len() < 200 {
        assert!(began.elapsed() < Duration::from_secs(40), "never full: {} bytes free", disk.free());
        disk.fill(0);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tally.stop(senders).await;
    disk.make_room();
    let recovered = post_until(204, RECOVERS_WITHIN, &tally, &workspace, &gateway).await;

    let numbers = tally.counted();
    println!("{numbers}, recovered in {recovered:?}");
    assert!(gateway.log().contains("disk is full"), "the disk was not full");
    nothing_is_lost(&workspace, &tally, &disk.database()).await;
    gateway.signal("-TERM");
    assert!(gateway.ended_within(Duration::from_secs(15)).success(), "{}", gateway.log());
}
