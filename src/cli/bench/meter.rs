//! How often a thread can do something in a second of its own processor time. Whatever else the machine does makes no
//! difference.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long one of two is measured before it is the other's turn.
const TURN: Duration = Duration::from_millis(50);

/// How often something was done, and in how much processor time.
#[derive(Default)]
pub(super) struct Meter {
    count: u32,
    /// On this thread.
    pub(super) spent: Duration,
}

impl Meter {
    /// Does `work` over and over until the turn is over.
    pub(super) fn turn(&mut self, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let began = processor_time();
        let mut spent = Duration::ZERO;
        while spent < TURN {
            work()?;
            self.count += 1;
            spent = processor_time().saturating_sub(began);
        }
        self.spent += spent;
        Ok(())
    }

    /// How often in a second.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.count) / self.spent.as_secs_f64()
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
