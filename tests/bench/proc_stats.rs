//! CPU time and peak memory of a process, read from `/proc`.

use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;

/// CPU time of all threads since the process started, in steps of a clock tick (10 ms).
pub(super) fn cpu_time(pid: Pid) -> anyhow::Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = ticks(&stat).with_context(|| format!("process {pid:?} has no CPU time"))?;
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks.saturating_mul(1_000) / a_second))
}

/// Peak resident memory in MiB.
pub(super) fn peak_memory(pid: Pid) -> anyhow::Result<f64> {
    let status = read(pid, "status")?;
    let kib = peak_kib(&status).with_context(|| format!("process {pid:?} has no peak memory"))?;
    Ok(f64::from(kib) / 1024.0)
}

fn read(pid: Pid, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

// The second field is a name in brackets that may contain anything. User and system time are fields 12 and 13 after it.
pub(super) fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    Some(fields.next()?? + fields.next()??)
}

pub(super) fn peak_kib(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
