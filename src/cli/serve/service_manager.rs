//! Tells a service manager how the gateway does: `READY`, `RELOADING`, `STOPPING` and `WATCHDOG`, as in `sd_notify(3)`.
//!
//! Without `NOTIFY_SOCKET` it does nothing. A message that cannot be sent is lost: the gateway works without a manager.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::MissedTickBehavior;

use crate::config;
use crate::flow::worker::Worker;

/// Signs of life within the time after which the manager ends the process.
const SIGNS_OF_LIFE: u32 = 3;

/// A state that the manager is notified of.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    Ready,
    Reloading,
    Stopping,
    Alive,
}

/// The service manager of this process, if it has one.
#[derive(Clone, Default)]
pub(super) struct ServiceManager {
    socket: Option<(Arc<UnixDatagram>, SocketAddr)>,
    /// After this time without a sign of life the manager ends the process.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    pub(super) fn of_this_process() -> Self {
        let Some(address) = config::variable("NOTIFY_SOCKET").and_then(|path| address(&path)) else {
            return Self::default();
        };
        // A manager that reads nothing must not hold up the gateway.
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let Ok(socket) = socket else { return Self::default() };
        // The variables may be of another process that started this one.
        let is_mine = config::variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = config::variable("WATCHDOG_USEC").and_then(|usec| usec.parse().ok()).filter(|_| is_mine);
        Self { socket: Some((Arc::new(socket), address)), watchdog: watchdog.map(Duration::from_micros) }
    }

    pub(super) fn report(&self, state: State) {
        let Some((socket, address)) = &self.socket else { return };
        let text = match state {
            State::Ready => "READY=1\nSTATUS=Accepting notifications".to_owned(),
            State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()),
            State::Stopping => "STOPPING=1\nSTATUS=Finishing deliveries in flight".to_owned(),
            State::Alive => "WATCHDOG=1".to_owned(),
        };
        let _ = socket.send_to_addr(text.as_bytes(), address);
    }

    /// Sends signs of life for as long as the worker takes its turns.
    pub(super) async fn watch(self, worker: Arc<Worker>) {
        let Some(watchdog) = self.watchdog else { return };
        let mut ticks = tokio::time::interval(watchdog / SIGNS_OF_LIFE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
        loop {
            ticks.tick().await;
            let turns = Some(worker.turns());
            if turns != seen {
                self.report(State::Alive);
            }
            seen = turns;
        }
    }
}

// A path, or a name in the abstract namespace behind an `@`.
fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).ok(),
        None => SocketAddr::from_pathname(text).ok(),
    }
}

fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}
