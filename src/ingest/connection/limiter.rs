//! How many may be at the door: those who have shown who they are keep their place, those who have not make room.
//!
//! A stranger costs nothing to make, so strangers can always fill whatever room there is for them. The newest of them
//! is let in, and from wherever most of them come the eldest goes. Those who have said something, and those who have not
//! yet, have room apart, so that the silent never cost a handshake its place.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Handshakes at once: more would starve the requests on open connections.
const SPEAKING_MAX: usize = 64;

/// Connections on which nothing has come yet. They cost no work, and in a burst of them whoever is about to speak must
/// have the time to do it. With all others they stay below the 1,024 files that a process may open by default.
const SILENT_MAX: usize = 256;

/// Connections of those who are on the list; one processor needs a few dozen.
pub(crate) const GUESTS_MAX: usize = 512;

/// Connections of those whose certificate is good and who are not on the list: they are let in to be told so.
const UNLISTED_MAX: usize = 32;

/// All places.
#[derive(Default)]
pub(crate) struct ConnectionLimiter {
    strangers: Mutex<PendingHandshakes>,
    guests: AtomicUsize,
    unlisted: AtomicUsize,
}

#[derive(Default)]
struct PendingHandshakes {
    next: u64,
    waiting: BTreeMap<u64, PendingHandshake>,
    from: HashMap<IpAddr, usize>,
}

struct PendingHandshake {
    source: IpAddr,
    spoke: bool,
    // Dropped to send them away.
    _keep: oneshot::Sender<()>,
}

/// A place for the time of a handshake.
pub(crate) struct HandshakePermit {
    places: Arc<ConnectionLimiter>,
    number: u64,
    sent_away: oneshot::Receiver<()>,
}

/// A place for the life of a connection.
pub(crate) struct ConnectionPermit {
    places: Arc<ConnectionLimiter>,
    listed: bool,
}

impl ConnectionLimiter {
    /// A place for a handshake. There always is one; somebody else may have to go for it.
    pub(crate) fn stand(self: &Arc<Self>, source: IpAddr) -> HandshakePermit {
        let mut strangers = self.strangers();
        if strangers.count(false) >= SILENT_MAX {
            strangers.send_one_away(false);
        }
        let (keep, sent_away) = oneshot::channel();
        let number = strangers.next;
        strangers.next += 1;
        let source = neighbourhood(source);
        strangers.waiting.insert(number, PendingHandshake { source, spoke: false, _keep: keep });
        *strangers.from.entry(source).or_default() += 1;
        HandshakePermit { places: Arc::clone(self), number, sent_away }
    }

    /// Whoever stands there has begun to speak.
    pub(crate) fn spoke(&self, number: u64) {
        let mut strangers = self.strangers();
        if strangers.count(true) >= SPEAKING_MAX {
            strangers.send_one_away(true);
        }
        if let Some(stranger) = strangers.waiting.get_mut(&number) {
            stranger.spoke = true;
        }
    }

    /// A place for a connection whose handshake is done, if there is one.
    pub(crate) fn seat(self: &Arc<Self>, listed: bool) -> Option<ConnectionPermit> {
        let (taken, room) = self.taken(listed);
        let sit = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < room).then_some(n + 1));
        sit.is_ok().then(|| ConnectionPermit { places: Arc::clone(self), listed })
    }

    fn taken(&self, listed: bool) -> (&AtomicUsize, usize) {
        if listed { (&self.guests, GUESTS_MAX) } else { (&self.unlisted, UNLISTED_MAX) }
    }

    fn strangers(&self) -> MutexGuard<'_, PendingHandshakes> {
        // Nothing inside can panic half-way.
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingHandshakes {
    fn count(&self, spoke: bool) -> usize {
        self.waiting.values().filter(|stranger| stranger.spoke == spoke).count()
    }

    // The eldest of wherever most come from, among those who have spoken or among those who have not.
    fn send_one_away(&mut self, spoke: bool) {
        let alike = || self.waiting.iter().filter(|(_, stranger)| stranger.spoke == spoke);
        let busiest = alike().max_by_key(|(_, stranger)| self.from.get(&stranger.source).copied());
        let crowd = busiest.map(|(_, stranger)| stranger.source);
        let eldest = alike().find(|(_, stranger)| Some(stranger.source) == crowd).map(|(number, _)| *number);
        if let Some(number) = eldest {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(PendingHandshake { source, .. }) = self.waiting.remove(&number) else { return };
        if let Some(count) = self.from.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.from.remove(&source);
            }
        }
    }
}

impl HandshakePermit {
    /// What the place is known by.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Resolves when somebody else needs the place.
    pub(crate) async fn sent_away(&mut self) {
        // Nobody ever sends: the sender is dropped.
        let _ = (&mut self.sent_away).await;
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.places.strangers().remove(self.number);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.places.taken(self.listed).0.fetch_sub(1, Ordering::Relaxed);
    }
}

// One machine has a whole /64 of IPv6 to itself.
fn neighbourhood(source: IpAddr) -> IpAddr {
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

    const GOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn went(stand: &mut HandshakePermit) -> bool {
        stand.sent_away.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn who_has_stood_for_longest_makes_room() {
        let places = Arc::new(ConnectionLimiter::default());
        let mut stands: Vec<_> = (0..=SILENT_MAX).map(|_| places.stand(GOOD)).collect();

        assert_eq!(stands.iter_mut().map(went).filter(|went| *went).count(), 1);
        assert!(went(&mut stands[0]));
    }

    #[test]
    fn who_says_nothing_makes_room_before_who_speaks() {
        let places = Arc::new(ConnectionLimiter::default());
        let mut speaks = places.stand(GOOD);
        places.spoke(speaks.number());

        let _silent: Vec<_> = (0..2_000).map(|_| places.stand(GOOD)).collect();

        assert!(!went(&mut speaks));
    }

    #[test]
    fn of_too_many_handshakes_at_once_the_eldest_makes_room() {
        let places = Arc::new(ConnectionLimiter::default());
        let mut stands: Vec<_> = (0..=SPEAKING_MAX).map(|_| places.stand(GOOD)).collect();
        for stand in &stands {
            places.spoke(stand.number());
        }

        assert_eq!(stands.iter_mut().map(went).filter(|went| *went).count(), 1);
        assert!(went(&mut stands[0]));
    }

    #[test]
    fn a_crowd_makes_room_before_anybody_who_came_alone() {
        let places = Arc::new(ConnectionLimiter::default());
        let mut alone = places.stand(GOOD);
        // One machine under many addresses.
        let crowd = (0..3_000).map(|n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)));
        let stands: Vec<_> = crowd.map(|source| places.stand(source)).collect();

        assert!(!went(&mut alone));
        drop((stands, alone));
        let strangers = places.strangers();
        assert!(strangers.waiting.is_empty() && strangers.from.is_empty());
    }

    #[test]
    fn a_seat_is_free_again_when_its_connection_ends() {
        let places = Arc::new(ConnectionLimiter::default());
        let mut seats: Vec<_> = std::iter::from_fn(|| places.seat(true)).collect();

        assert_eq!(seats.len(), GUESTS_MAX);
        seats.pop();
        assert!(places.seat(true).is_some());
    }

    #[test]
    fn who_is_not_on_the_list_takes_no_seat_of_those_who_are() {
        let places = Arc::new(ConnectionLimiter::default());
        let seats: Vec<_> = std::iter::from_fn(|| places.seat(false)).collect();

        assert_eq!(seats.len(), UNLISTED_MAX);
        assert!(places.seat(true).is_some());
    }
}
