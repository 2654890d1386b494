//! Processes of this same executable: the gateway that is measured, and what stands around it.
//!
//! Each says on standard error where it listens, on a port it was given by the system. Each ends with us, whatever
//! happens: it is killed when it is dropped.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, Command};
use tokio::time::timeout;

use super::gauge;

/// Longer than any start takes, the opening of a large database included.
const START: Duration = Duration::from_secs(30);

/// Longer than a gateway takes to finish what it has in hand.
const STOP: Duration = Duration::from_secs(20);

/// Lines kept of what a process says once it runs; more would repeat them.
const SAID_MAX: usize = 5;

/// One process.
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Pid,
    name: &'static str,
    said: Arc<Mutex<Vec<String>>>,
}

/// One that is starting: it has yet to say where it listens.
struct Starting {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

/// A gateway over the database `file`, and where it listens.
pub(super) async fn gateway(config: &Path, file: &Path, paused: bool) -> anyhow::Result<(Child, SocketAddr)> {
    let url = format!("sqlite:{}", file.display());
    let environment = [
        ("OTPOST__STORE__URL", url.as_str()),
        ("OTPOST__INGEST__LISTEN", "127.0.0.1:0"),
        ("OTPOST__OPS__LISTEN", "127.0.0.1:0"),
        // As in operation, and the one line that tells the port.
        ("OTPOST__LOG__LEVEL", "warn,otpost::app=info"),
        ("OTPOST__DELIVERY__PAUSED", if paused { "true" } else { "false" }),
    ];
    let mut starting = Starting::new("the gateway", &["serve", "--config"], Some(config), &environment)?;
    let address = starting.told(listen_in_log).await?;
    Ok((starting.run(), address))
}

/// An SMS gateway and a mail relay that count, and where they listen.
pub(super) async fn providers() -> anyhow::Result<(Child, SocketAddr, SocketAddr)> {
    let words = ["simulate", "providers", "--sms", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--count-only"];
    let mut starting = Starting::new("the providers", &words, None, &[])?;
    let sms = starting.told(|line| address_behind(line, "http://")).await?;
    let smtp = starting.told(|line| address_behind(line, "smtp://")).await?;
    Ok((starting.run(), sms, smtp))
}

/// A server with nothing behind its door, and where it listens.
pub(super) async fn bare(config: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let mut starting = Starting::new("the bare server", &["bench-bare", "--config"], Some(config), &[])?;
    let address = starting.told(|line| address_behind(line, "https://")).await?;
    Ok((starting.run(), address))
}

impl Starting {
    // The environment is empty but for what is given, so that all see the same settings.
    fn new(
        name: &'static str,
        words: &[&str],
        file: Option<&Path>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this executable cannot be found")?;
        let mut process = Command::new(own)
            .args(words.iter().map(OsStr::new).chain(file.map(Path::as_os_str)))
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let pid = process.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("it has no process id")?;
        let stderr = process.stderr.take().context("it has no standard error")?;
        let child = Child { process, pid, name, said: Arc::default() };
        Ok(Self { child, lines: BufReader::new(stderr).lines() })
    }

    async fn told<T>(&mut self, pick: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let name = self.child.name;
        let mut last = String::new();
        let told = timeout(START, async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(picked) = pick(&line) {
                    return Ok(picked);
                }
                last = line;
            }
            bail!("{name} ended before it listened: {last}")
        });
        told.await.with_context(|| format!("{name} did not listen in time"))?
    }

    // What it says must be read on, or it would wait at a full pipe.
    fn run(self) -> Child {
        let Self { child, mut lines } = self;
        let said = Arc::clone(&child.said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.len() < SAID_MAX {
                    said.push(line);
                }
            }
        });
        child
    }
}

impl Child {
    /// Its id.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// The most memory it had at once, in MiB.
    pub(super) fn peak_memory(&self) -> anyhow::Result<f64> {
        gauge::peak_memory(self.pid)
    }

    /// Asks it to end and waits for it. Returns what it said meanwhile that nobody expected.
    pub(super) async fn stop(mut self) -> anyhow::Result<Vec<String>> {
        kill_process(self.pid, Signal::TERM).with_context(|| format!("{} is gone", self.name))?;
        let ended = timeout(STOP, self.process.wait()).await;
        let mut said: Vec<String> = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        said.retain(|line| !line.contains("\"INFO\""));
        match ended {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {}
            Ok(status) => said.push(format!("{} ended with {status:?}", self.name)),
            Err(_) => {
                self.process.kill().await?;
                said.push(format!("{} did not end in time and was killed", self.name));
            }
        }
        Ok(said)
    }
}

fn listen_in_log(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "ready").then(|| line["listen"].as_str()?.parse().ok())?
}

fn address_behind(line: &str, scheme: &str) -> Option<SocketAddr> {
    line.split_once(scheme)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_what_a_process_says() {
        let ready = r#"{"level":"INFO","message":"ready","listen":"127.0.0.1:4711","target":"otpost::app"}"#;
        assert_eq!(listen_in_log(ready), "127.0.0.1:4711".parse().ok());
        assert_eq!(listen_in_log(r#"{"message":"starting","listen":"127.0.0.1:1"}"#), None);
        assert_eq!(address_behind("email listens on smtp://127.0.0.1:25", "smtp://"), "127.0.0.1:25".parse().ok());
        assert_eq!(address_behind("sms   listens on http://127.0.0.1:80", "smtp://"), None);
    }
}
