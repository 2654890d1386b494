//! Counts how often a thread can do something per second of its own CPU time, so that other load on the machine does
//! not matter.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of one turn, before the alternative is measured.
const TURN: Duration = Duration::from_millis(50);

/// Counts operations and the CPU time that they took on this thread.
#[derive(Default)]
pub(super) struct CpuTimer {
    count: u32,
    pub(super) spent: Duration,
}

impl CpuTimer {
    /// Repeats `work` for one turn.
    pub(super) fn turn(&mut self, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let began = cpu_time();
        let mut spent = Duration::ZERO;
        while spent < TURN {
            work()?;
            self.count += 1;
            spent = cpu_time().saturating_sub(began);
        }
        self.spent += spent;
        Ok(())
    }

    /// Operations per second of CPU time.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.count) / self.spent.as_secs_f64()
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
