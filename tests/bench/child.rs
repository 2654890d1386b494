//! Child processes: the gateway that is measured, the mock providers, and the baseline server.
//!
//! Each listens on a port that the system chooses, and writes its address to standard error. A child is killed when its
//! [`Child`] is dropped.

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

use super::proc_stats;

/// The gateway that was built together with this benchmark.
pub(super) const OTPOST: &str = env!("CARGO_BIN_EXE_otpost");

/// Longer than any start takes, including the opening of a large database.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Longer than a gateway needs to finish its deliveries.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Further lines would repeat the first ones.
const LINES_KEPT: usize = 5;

pub(super) struct Child {
    process: tokio::process::Child,
    pid: Pid,
    name: &'static str,
    output: Arc<Mutex<Vec<String>>>,
}

/// A child that has not yet reported where it listens.
struct Starting {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

/// Starts a gateway on the database `file`, and returns the address of its ingest listener.
pub(super) async fn gateway(config: &Path, file: &Path, paused: bool) -> anyhow::Result<(Child, SocketAddr)> {
    serving(config, file, paused, &[], address_in_log).await
}

/// Starts a gateway on the database `file` with a console, and returns the address of that.
pub(super) async fn console(config: &Path, file: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let settings = [("OTPOST__CONSOLE__LISTEN", "127.0.0.1:0"), ("OTPOST__CONSOLE__SECOND_FACTOR", "optional")];
    serving(config, file, true, &settings, |line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["console"].as_str()?.parse().ok()
    })
    .await
}

async fn serving(
    config: &Path,
    file: &Path,
    paused: bool,
    settings: &[(&str, &str)],
    address: impl Fn(&str) -> Option<SocketAddr>,
) -> anyhow::Result<(Child, SocketAddr)> {
    let url = format!("sqlite:{}", file.display());
    let environment = [
        ("OTPOST__STORE__URL", url.as_str()),
        ("OTPOST__INGEST__LISTEN", "127.0.0.1:0"),
        ("OTPOST__OPS__LISTEN", "127.0.0.1:0"),
        // As in production, plus the line that names the port.
        ("OTPOST__LOG__LEVEL", "warn,otpost::app=info"),
        ("OTPOST__DELIVERY__PAUSED", if paused { "true" } else { "false" }),
    ];
    let arguments = [OsStr::new("serve"), OsStr::new("--config"), config.as_os_str()];
    let environment = [&environment[..], settings].concat();
    let mut starting = Starting::new("the gateway", Path::new(OTPOST), &arguments, &environment)?;
    let address = starting.wait_for(address).await?;
    Ok((starting.run(), address))
}

/// Starts a mock SMS gateway and a mock mail relay, and returns their addresses.
pub(super) async fn providers() -> anyhow::Result<(Child, SocketAddr, SocketAddr)> {
    let arguments = ["simulate", "providers", "--sms", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--count-only"];
    let arguments = arguments.map(OsStr::new);
    let mut starting = Starting::new("the mock providers", Path::new(OTPOST), &arguments, &[])?;
    let sms = starting.wait_for(|line| address_after(line, "http://")).await?;
    let smtp = starting.wait_for(|line| address_after(line, "smtp://")).await?;
    Ok((starting.run(), sms, smtp))
}

/// Starts the baseline server, and returns its address.
pub(super) async fn baseline(config: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let executable = std::env::current_exe().context("cannot find this executable")?;
    let arguments = [OsStr::new("--baseline"), config.as_os_str()];
    let mut starting = Starting::new("the baseline server", &executable, &arguments, &[])?;
    let address = starting.wait_for(|line| address_after(line, "https://")).await?;
    Ok((starting.run(), address))
}

impl Starting {
    // The environment holds only what is passed here, so that every machine measures the same settings.
    fn new(
        name: &'static str,
        executable: &Path,
        arguments: &[&OsStr],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut process = Command::new(executable)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = process.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("it has no process id")?;
        let stderr = process.stderr.take().context("it has no standard error")?;
        let child = Child { process, pid, name, output: Arc::default() };
        Ok(Self { child, lines: BufReader::new(stderr).lines() })
    }

    async fn wait_for<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let name = self.child.name;
        let mut last = String::new();
        let found = timeout(START_TIMEOUT, async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(found) = parse(&line) {
                    return Ok(found);
                }
                last = line;
            }
            bail!("{name} exited before it listened: {last}")
        });
        found.await.with_context(|| format!("{name} did not start in time"))?
    }

    // Its output must be read to the end: a process whose pipe is full would block.
    fn run(self) -> Child {
        let Self { child, mut lines } = self;
        let output = Arc::clone(&child.output);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                if output.len() < LINES_KEPT {
                    output.push(line);
                }
            }
        });
        child
    }
}

impl Child {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Its peak memory in MiB.
    pub(super) fn peak_memory(&self) -> anyhow::Result<f64> {
        proc_stats::peak_memory(self.pid)
    }

    /// Terminates it and waits for its exit. Returns every unexpected line that it wrote.
    pub(super) async fn stop(mut self) -> anyhow::Result<Vec<String>> {
        kill_process(self.pid, Signal::TERM).with_context(|| format!("{} is not running", self.name))?;
        let exited = timeout(STOP_TIMEOUT, self.process.wait()).await;
        let mut output: Vec<String> = self.output.lock().unwrap_or_else(PoisonError::into_inner).clone();
        output.retain(|line| !line.contains("\"INFO\""));
        match exited {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {}
            Ok(status) => output.push(format!("{} exited with {status:?}", self.name)),
            Err(_) => {
                self.process.kill().await?;
                output.push(format!("{} did not exit in time and was killed", self.name));
            }
        }
        Ok(output)
    }
}

pub(super) fn address_in_log(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "ready").then(|| line["listen"].as_str()?.parse().ok())?
}

pub(super) fn address_after(line: &str, scheme: &str) -> Option<SocketAddr> {
    line.split_once(scheme)?.1.trim().parse().ok()
}
