//! Keeps deliveries with the same ordering key, such as those of one card, in the order of their acceptance.

use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::notification::Content;
use crate::store::{Claimed, Error, Predecessor, Store};

/// How often a delivery checks whether its predecessor has ended, unless it is woken earlier.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long an urgent delivery waits behind a postponed one with the same ordering key, for example one in quiet hours.
const URGENT_WAIT_MAX: Duration = Duration::from_mins(1);

/// Waits while an earlier delivery with the same ordering key is in flight; `ended` wakes it. When that delivery is
/// postponed, returns until when, but no later than the deadline, so that the expiry is recorded in time.
pub(super) async fn wait_for_predecessor(
    store: &Store,
    clock: &dyn Clock,
    ended: &Notify,
    claimed: &Claimed,
) -> Result<Option<Timestamp>, Error> {
    while clock.now() < claimed.expires_at {
        // Subscribe before the check, or a delivery that ends in between is noticed a second late.
        let ended = ended.notified();
        match store.predecessor(claimed).await? {
            None => break,
            Some(Predecessor::DueAt(until)) if may_overtake(claimed, until, clock.now()) => break,
            Some(Predecessor::DueAt(until)) => {
                let until = until.max(clock.now().after(CHECK_EVERY));
                return Ok(Some(until.min(claimed.expires_at)));
            }
            Some(Predecessor::Leased) => drop(tokio::time::timeout(CHECK_EVERY, ended).await),
        }
    }
    Ok(None)
}

// A stolen card cannot wait until morning behind a delivery that is postponed for quiet hours.
fn may_overtake(claimed: &Claimed, until: Timestamp, now: Timestamp) -> bool {
    claimed.content.as_ref().is_some_and(Content::is_urgent) && until > now.after(URGENT_WAIT_MAX)
}
