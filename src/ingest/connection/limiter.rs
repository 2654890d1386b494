//! Limits connections: unfinished handshakes evict each other, connections of clients are never evicted.
//!
//! Anyone can start handshakes, so they can always fill their limit. A new one is always permitted, and the oldest one
//! from the address with the most handshakes is evicted. Handshakes that have sent bytes and those that have not have
//! separate limits, so that silent connections never evict a handshake in progress.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Handshakes in progress: more would slow down the requests on open connections.
const STARTED_MAX: usize = 64;

/// Connections on which no byte has arrived. They cost no work, and in a burst each needs time to send its first bytes.
/// With all others they stay below the 1,024 files that a process may open by default.
const SILENT_MAX: usize = 256;

/// Connections of configured clients; one processor needs a few dozen.
const LISTED_MAX: usize = 512;

/// Connections of clients with a valid certificate that are not configured: they are accepted so that they get an
/// answer.
const UNLISTED_MAX: usize = 32;

/// Permits for handshakes and connections.
#[derive(Default)]
pub(crate) struct ConnectionLimiter {
    handshakes: Mutex<PendingHandshakes>,
    listed: AtomicUsize,
    unlisted: AtomicUsize,
}

#[derive(Default)]
struct PendingHandshakes {
    next: u64,
    pending: BTreeMap<u64, PendingHandshake>,
    by_source: HashMap<IpAddr, usize>,
}

struct PendingHandshake {
    source: IpAddr,
    started: bool,
    // Dropped to evict the handshake.
    _keep: oneshot::Sender<()>,
}

/// A permit for the time of a handshake.
pub(crate) struct HandshakePermit {
    limiter: Arc<ConnectionLimiter>,
    number: u64,
    evicted: oneshot::Receiver<()>,
}

/// A permit for the life of a connection.
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    listed: bool,
}

impl ConnectionLimiter {
    /// Acquires a permit for a handshake. There always is one; another handshake may be evicted for it.
    pub(super) fn acquire_handshake(self: &Arc<Self>, source: IpAddr) -> HandshakePermit {
        let mut handshakes = self.handshakes();
        if handshakes.count(false) >= SILENT_MAX {
            handshakes.evict_one(false);
        }
        let (keep, evicted) = oneshot::channel();
        let number = handshakes.next;
        handshakes.next += 1;
        let source = network(source);
        handshakes.pending.insert(number, PendingHandshake { source, started: false, _keep: keep });
        *handshakes.by_source.entry(source).or_default() += 1;
        HandshakePermit { limiter: Arc::clone(self), number, evicted }
    }

    /// Records that the first bytes of the handshake have arrived.
    pub(super) fn start_handshake(&self, number: u64) {
        let mut handshakes = self.handshakes();
        if handshakes.count(true) >= STARTED_MAX {
            handshakes.evict_one(true);
        }
        if let Some(handshake) = handshakes.pending.get_mut(&number) {
            handshake.started = true;
        }
    }

    /// Acquires a permit for a connection whose handshake is finished, if one is left.
    pub(super) fn acquire(self: &Arc<Self>, listed: bool) -> Option<ConnectionPermit> {
        let (open, limit) = self.connections(listed);
        let acquired = open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1));
        acquired.is_ok().then(|| ConnectionPermit { limiter: Arc::clone(self), listed })
    }

    fn connections(&self, listed: bool) -> (&AtomicUsize, usize) {
        if listed { (&self.listed, LISTED_MAX) } else { (&self.unlisted, UNLISTED_MAX) }
    }

    fn handshakes(&self) -> MutexGuard<'_, PendingHandshakes> {
        // Nothing can panic between two changes that belong together.
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingHandshakes {
    fn count(&self, started: bool) -> usize {
        self.pending.values().filter(|handshake| handshake.started == started).count()
    }

    // The oldest one from the source with the most handshakes, among the started or the silent ones.
    fn evict_one(&mut self, started: bool) {
        let alike = || self.pending.iter().filter(|(_, handshake)| handshake.started == started);
        let busiest = alike().max_by_key(|(_, handshake)| self.by_source.get(&handshake.source).copied());
        let source = busiest.map(|(_, handshake)| handshake.source);
        let oldest = alike().find(|(_, handshake)| Some(handshake.source) == source).map(|(number, _)| *number);
        if let Some(number) = oldest {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(PendingHandshake { source, .. }) = self.pending.remove(&number) else { return };
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

impl HandshakePermit {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Resolves when another handshake needs the permit.
    pub(super) async fn evicted(&mut self) {
        // No value is ever sent: the sender is dropped.
        let _ = (&mut self.evicted).await;
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.limiter.handshakes().remove(self.number);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.limiter.connections(self.listed).0.fetch_sub(1, Ordering::Relaxed);
    }
}

// One machine usually has a whole /64 of IPv6 addresses.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_none() => {
            IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into())
        }
        other => other.to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn is_evicted(permit: &mut HandshakePermit) -> bool {
        permit.evicted.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_silent_connection_is_evicted() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let mut permits: Vec<_> = (0..=SILENT_MAX).map(|_| limiter.acquire_handshake(CLIENT)).collect();

        assert_eq!(permits.iter_mut().map(is_evicted).filter(|evicted| *evicted).count(), 1);
        assert!(is_evicted(&mut permits[0]));
    }

    #[test]
    fn silent_connections_do_not_evict_a_started_handshake() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let mut started = limiter.acquire_handshake(CLIENT);
        limiter.start_handshake(started.number());

        let _silent: Vec<_> = (0..2_000).map(|_| limiter.acquire_handshake(CLIENT)).collect();

        assert!(!is_evicted(&mut started));
    }

    #[test]
    fn of_too_many_started_handshakes_the_oldest_is_evicted() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let mut permits: Vec<_> = (0..=STARTED_MAX).map(|_| limiter.acquire_handshake(CLIENT)).collect();
        for permit in &permits {
            limiter.start_handshake(permit.number());
        }

        assert_eq!(permits.iter_mut().map(is_evicted).filter(|evicted| *evicted).count(), 1);
        assert!(is_evicted(&mut permits[0]));
    }

    #[test]
    fn many_connections_of_one_network_do_not_evict_a_single_one_of_another() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let mut single = limiter.acquire_handshake(CLIENT);
        // One machine with many addresses.
        let many = (0..3_000).map(|n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)));
        let permits: Vec<_> = many.map(|source| limiter.acquire_handshake(source)).collect();

        assert!(!is_evicted(&mut single));
        drop((permits, single));
        let handshakes = limiter.handshakes();
        assert!(handshakes.pending.is_empty() && handshakes.by_source.is_empty());
    }

    #[test]
    fn a_permit_is_released_when_its_connection_ends() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let mut permits: Vec<_> = std::iter::from_fn(|| limiter.acquire(true)).collect();

        assert_eq!(permits.len(), LISTED_MAX);
        permits.pop();
        assert!(limiter.acquire(true).is_some());
    }

    #[test]
    fn clients_that_are_not_configured_take_no_permits_of_those_that_are() {
        let limiter = Arc::new(ConnectionLimiter::default());
        let permits: Vec<_> = std::iter::from_fn(|| limiter.acquire(false)).collect();

        assert_eq!(permits.len(), UNLISTED_MAX);
        assert!(limiter.acquire(true).is_some());
    }
}
