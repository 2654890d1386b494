//! The gateway under strace: its system calls are traced to a file, and their results can be injected.
//!
//! The tracer is a detached process (`-D`), so that process id and exit status are the gateway's own.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::OTPOST;

/// A trace being written.
pub(super) struct Trace(PathBuf);

/// Says why when the test cannot run: the gateway is not dumpable, and only root may look into it all the same.
pub(super) fn may_run() -> bool {
    let root = is_root("only root may trace a process that holds secrets");
    if root {
        let there = Command::new("strace").arg("-V").output().is_ok_and(|said| said.status.success());
        assert!(there, "strace is missing; tests/run installs it");
    }
    root
}

/// Whether we are root; if not, says why that is needed.
#[expect(clippy::print_stdout, reason = "whoever reads the test's output should know that it proved nothing")]
pub(super) fn is_root(why: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: {why}");
    }
    root
}

impl Trace {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self(folder.join("trace"))
    }

    /// The gateway, traced with these arguments of strace.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let _ = fs::remove_file(&self.0);
        let mut strace = Command::new("strace");
        strace.args(["-D", "-f", "-o"]).arg(&self.0).args(arguments).arg(OTPOST);
        strace
    }

    /// The whole trace, of a gateway that has ended: its last thread's end is the last that strace writes.
    pub(super) fn read(&self, gateway: u32) -> String {
        let began = Instant::now();
        let gateway = gateway.to_string();
        let is_gone = |line: &str| line.split_whitespace().take(2).eq([gateway.as_str(), "+++"]);
        while !self.last_words().lines().any(is_gone) {
            assert!(began.elapsed() < Duration::from_secs(20), "the trace does not end: {}", self.last_words());
            std::thread::yield_now();
        }
        String::from_utf8_lossy(&fs::read(&self.0).unwrap()).into_owned()
    }

    fn last_words(&self) -> String {
        let mut words = Vec::new();
        if let Ok(mut file) = fs::File::open(&self.0) {
            let end = file.seek(SeekFrom::End(0)).unwrap();
            file.seek(SeekFrom::Start(end.saturating_sub(2048))).unwrap();
            file.read_to_end(&mut words).unwrap();
        }
        String::from_utf8_lossy(&words).into_owned()
    }
}

/// How many answers of the kernel were made up.
pub(super) fn made_up(trace: &str) -> usize {
    trace.lines().filter(|line| line.contains("(INJECTED)")).count()
}
