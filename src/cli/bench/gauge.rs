//! What the kernel says a process has used: processor time and memory.
//!
//! Read from `/proc`, so the process that is measured does nothing for it.

use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;

/// Processor time of all threads since the process began, in steps of a clock tick (10 ms).
pub(super) fn processor_time(pid: Pid) -> anyhow::Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = ticks(&stat).with_context(|| format!("process {pid:?} has no processor time"))?;
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks.saturating_mul(1_000) / a_second))
}

/// The most memory it ever had at once, in MiB.
pub(super) fn peak_memory(pid: Pid) -> anyhow::Result<f64> {
    let status = read(pid, "status")?;
    let kib = peak_kib(&status).with_context(|| format!("process {pid:?} has no peak memory"))?;
    Ok(f64::from(kib) / 1024.0)
}

fn read(pid: Pid, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
    std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))
}

// The second field is a name in brackets that may hold anything; behind it user and system time stand twelfth.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    Some(fields.next()?? + fields.next()??)
}

fn peak_kib(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 31 0 0 20 0 5 0 100 1 1";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn the_peak_is_read_and_this_process_has_one() {
        assert_eq!(peak_kib("Name:\ta\nVmPeak:\t 9 kB\nVmHWM:\t   20480 kB\n"), Some(20_480));
        assert!(peak_memory(rustix::process::getpid()).unwrap() > 1.0);
    }
}
