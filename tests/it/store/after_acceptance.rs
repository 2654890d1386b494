//! What happens to a delivery after a provider has accepted it: receipts, its ordering key, and newer notifications.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::delivery::{Attempt, DeliveryState};
use otpost::domain::notification::{CardLocked, CardUnlocked, Content, LockReason, Priority};
use otpost::domain::outcome::{Outcome, Reference};
use otpost::domain::receipt::{Receipt, ReceiptCode, ReceiptStatus};
use otpost::domain::recipient::{Identifier, IdentifierKind};
use otpost::store::{Acceptance, Accepted, Claimed, Confirmation, LEASE, Predecessor, Reported};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("a sent delivery that awaits its receipt goes on after a failure", |it| Box::pin(goes_on(it))),
    ("a delivery whose content was removed does not go on", |it| Box::pin(cannot_go_on(it))),
    ("a failure makes a waiting delivery due at once", |it| Box::pin(due_at_once(it))),
    ("a receipt changes no delivery that a worker holds and is parked", |it| Box::pin(waits_for_the_worker(it))),
    ("a parked failure can be applied while its delivery waits, a confirmation cannot", |it| Box::pin(parked(it))),
    ("a failure of an earlier attempt changes nothing else", |it| Box::pin(only_noted(it))),
    ("contents are removed by a confirmation and at the deadline", |it| Box::pin(contents_are_removed(it))),
    ("a delivery that a provider has accepted holds nobody back", |it| Box::pin(accepted_holds_nobody_back(it))),
    ("an abandoned delivery is due at its time, in doubt, and holds nobody back", |it| Box::pin(abandoned(it))),
    ("the opposite event makes an older one obsolete that has gone out, or once it has gone out itself", |it| {
        Box::pin(opposite_events(it))
    }),
];

fn accepted(it: &Fixture, number: u32) -> Attempt {
    it.attempt(number, Outcome::accepted(Reference::new(&format!("sms-{number}"))))
}

async fn reported(it: &Fixture, reference: &str) -> Reported {
    let reference = Reference::new(reference).unwrap();
    it.store.receipts().reported(&it.taken(1).provider, &reference).await.unwrap().unwrap()
}

async fn confirm(it: &Fixture, delivery: &Reported, number: usize, status: ReceiptStatus, to: DeliveryState) -> bool {
    let (attempt, at) = (&delivery.attempts[number - 1], it.now());
    let receipt = Receipt { reference: Reference::new("sms-1").unwrap(), status, code: ReceiptCode::new("WORD"), at };
    let confirmation = Confirmation { delivery, attempt, receipt: &receipt, to, parked: None, at };
    it.store.receipts().confirm(&confirmation).await.unwrap()
}

async fn goes_on(it: Fixture) {
    let held = it.held().await;
    let id = held.id;
    it.store.await_receipt(held, Some(accepted(&it, 1))).await.unwrap();
    let sent = reported(&it, "sms-1").await;
    assert!(sent.has_content && !sent.is_leased && sent.state == DeliveryState::Sent);

    assert!(confirm(&it, &sent, 1, ReceiptStatus::Undelivered, DeliveryState::Open).await);
    assert!(!confirm(&it, &sent, 1, ReceiptStatus::Undelivered, DeliveryState::Open).await, "it is open already");

    let claimed = it.claim_one().await;
    assert_eq!((claimed.id, claimed.in_doubt), (id, false));
    assert!(claimed.content.is_some() && claimed.attempts[0].failure == Some(ReceiptStatus::Undelivered));
    it.store.settle(claimed, accepted(&it, 2)).await.unwrap();
    assert_eq!(it.events(id.0).await, ["accepted", "sent", "attempt_failed", "sent"]);
}

async fn cannot_go_on(it: Fixture) {
    it.store.settle(it.held().await, accepted(&it, 1)).await.unwrap();
    let sent = reported(&it, "sms-1").await;
    assert!(!sent.has_content);

    assert!(!confirm(&it, &sent, 1, ReceiptStatus::Undelivered, DeliveryState::Open).await);
    assert!(confirm(&it, &sent, 1, ReceiptStatus::Undelivered, DeliveryState::Undelivered).await);

    assert_eq!(it.state(sent.id.0).await, "undelivered");
}

async fn due_at_once(it: Fixture) {
    let later = it.now().after(Duration::from_mins(1));
    it.store.postpone(it.held().await, Some(accepted(&it, 1)), later).await.unwrap();
    assert!(it.nothing_is_due().await);

    let waiting = reported(&it, "sms-1").await;
    assert!(confirm(&it, &waiting, 1, ReceiptStatus::Expired, DeliveryState::Open).await);

    assert_eq!(it.claim_one().await.attempts[0].failure, Some(ReceiptStatus::Expired));
}

async fn waits_for_the_worker(it: Fixture) {
    let held = it.store.record_attempt(it.held().await, accepted(&it, 1)).await.unwrap();

    let delivery = reported(&it, "sms-1").await;
    assert!(delivery.is_leased);
    assert!(!confirm(&it, &delivery, 1, ReceiptStatus::Undelivered, DeliveryState::Open).await);
    assert!(park(&it, ReceiptStatus::Undelivered).await);

    drop(held);
    assert!(it.store.receipts().applicable(Timestamp::from_micros(0), 10).await.unwrap().is_empty());
}

async fn parked(it: Fixture) {
    let held = it.store.record_attempt(it.held().await, accepted(&it, 1)).await.unwrap();
    for status in ReceiptStatus::ALL {
        assert!(park(&it, status).await);
    }

    it.store.postpone(held, None, it.now().after(LEASE)).await.unwrap();

    let applicable = it.store.receipts().applicable(Timestamp::from_micros(0), 10).await.unwrap();
    let statuses: Vec<_> = applicable.iter().map(|parked| parked.receipt.status).collect();
    assert_eq!(statuses, [ReceiptStatus::Undelivered, ReceiptStatus::Expired]);
    assert!(applicable.iter().all(|parked| parked.receipt.code == ReceiptCode::new(parked.receipt.status.name())));
    assert!(!park(&it, ReceiptStatus::Undelivered).await, "it can be applied at once");
}

async fn park(it: &Fixture, status: ReceiptStatus) -> bool {
    let code = ReceiptCode::new(status.name());
    let receipt = Receipt { reference: Reference::new("sms-1").unwrap(), status, code, at: it.now() };
    it.store.receipts().park(&it.taken(1).provider, &receipt, None, it.now()).await.unwrap()
}

async fn only_noted(it: Fixture) {
    let held = it.store.record_attempt(it.held().await, accepted(&it, 1)).await.unwrap();
    it.store.await_receipt(held, Some(accepted(&it, 2))).await.unwrap();

    let sent = reported(&it, "sms-1").await;
    assert!(confirm(&it, &sent, 1, ReceiptStatus::Undelivered, DeliveryState::Sent).await);

    let noted = reported(&it, "sms-2").await;
    assert!(noted.state == DeliveryState::Sent && noted.has_content);
    assert_eq!(noted.attempts.iter().map(|it| it.failure.is_some()).collect::<Vec<_>>(), [true, false]);
}

async fn contents_are_removed(it: Fixture) {
    it.store.await_receipt(it.held().await, Some(accepted(&it, 1))).await.unwrap();
    let first = reported(&it, "sms-1").await;
    assert!(confirm(&it, &first, 1, ReceiptStatus::Delivered, DeliveryState::Confirmed).await);
    assert!(!reported(&it, "sms-1").await.has_content);

    it.store.await_receipt(it.held().await, Some(accepted(&it, 2))).await.unwrap();
    it.clock.move_on(Duration::from_mins(5));

    assert_eq!(it.store.retention().drop_contents(it.now()).await.unwrap(), 1);
    assert_eq!(it.store.retention().drop_contents(it.now()).await.unwrap(), 0);
    assert!(!reported(&it, "sms-2").await.has_content);
}

async fn card_event(it: &Fixture, is_lock: bool) -> Claimed {
    let at = it.now();
    let mut acceptance: Acceptance = it.code("11111111");
    acceptance.notification.identifiers = vec![Identifier { kind: IdentifierKind::DcCard, value: "11".to_owned() }];
    acceptance.notification.content = if is_lock {
        Content::CardLocked(CardLocked { at, reason: LockReason::CardInactive })
    } else {
        Content::CardUnlocked(CardUnlocked { at })
    };
    let Accepted::New(Some(claimed)) = it.store.accept(acceptance).await.unwrap() else { unreachable!("it is new") };
    *claimed
}

async fn claim_event(it: &Fixture) -> Claimed {
    it.store.claim(Priority::Standard, 1).await.unwrap().remove(0)
}

async fn accepted_holds_nobody_back(it: Fixture) {
    let first = card_event(&it, true).await;
    let second = card_event(&it, true).await;
    assert_eq!(it.store.predecessor(&second).await.unwrap(), Some(Predecessor::Leased));

    let later = it.now().after(LEASE);
    it.store.postpone(first, Some(accepted(&it, 1)), later).await.unwrap();
    assert_eq!(it.store.predecessor(&second).await.unwrap(), None);

    let waiting = reported(&it, "sms-1").await;
    confirm(&it, &waiting, 1, ReceiptStatus::Undelivered, DeliveryState::Open).await;
    assert_eq!(it.store.predecessor(&second).await.unwrap(), Some(Predecessor::DueAt(it.now())));
}

async fn abandoned(it: Fixture) {
    let first = card_event(&it, true).await;
    let second = card_event(&it, true).await;

    it.store.abandon(first.lease(), it.now().after(LEASE / 2)).await.unwrap();

    assert_eq!(it.store.predecessor(&second).await.unwrap(), None);
    assert!(it.store.claim(Priority::Standard, 10).await.unwrap().is_empty());
    it.clock.move_on(LEASE / 2);
    let again = claim_event(&it).await;
    assert!(again.id == first.id && again.in_doubt);
}

async fn opposite_events(it: Fixture) {
    let older = card_event(&it, true).await;
    it.store.postpone(older, None, it.now()).await.unwrap();
    let newer = card_event(&it, false).await;
    let older = claim_event(&it).await;
    assert!(!it.store.is_superseded(&older).await.unwrap(), "both wait: they are sent in order");

    let older = it.store.record_attempt(older, accepted(&it, 1)).await.unwrap();
    assert!(it.store.is_superseded(&older).await.unwrap(), "only a further step is left");
    it.store.mark_sent(older, None).await.unwrap();
    it.store.postpone(newer, Some(accepted(&it, 1)), it.now()).await.unwrap();

    let newer = claim_event(&it).await;
    assert!(!it.store.is_superseded(&newer).await.unwrap(), "nothing is newer");
    let newest = card_event(&it, true).await;
    it.store.settle(newest, accepted(&it, 1)).await.unwrap();
    assert!(it.store.is_superseded(&newer).await.unwrap(), "the lock has gone out");
}
