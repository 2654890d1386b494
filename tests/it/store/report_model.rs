//! The read model of reports: after whatever happened, its counts are those of a recount.

use std::collections::BTreeMap;
use std::time::Duration;

use otpost::domain::cost::Cost;
use otpost::domain::delivery::{Attempt, DeliveryState, EndReason, ProviderName};
use otpost::domain::money::Currency;
use otpost::domain::outcome::{Cause, Outcome, Reference};
use otpost::domain::receipt::{Receipt, ReceiptCode, ReceiptStatus};
use otpost::domain::report_line::hour_of;
use otpost::flow::tasks::cleanup::{Settings, purge_once};
use otpost::flow::tasks::report_keeper::{CountStep, Recount, ReportKeeper, recount};
use otpost::store::report_model::{ReportChange, StoredCounts};
use otpost::store::{Confirmation, Store};
use uuid::Uuid;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("a delivery is counted when it has ended, by all that is known of it", |it| Box::pin(counted(it))),
    ("a delivery that changes after its end is counted anew and once", |it| Box::pin(counted_anew(it))),
    ("a write that read an older state of the read model changes nothing", |it| Box::pin(fenced(it))),
    ("a recount finds nothing after counting, and repairs what was changed", |it| Box::pin(repaired(it))),
    ("counts stay when retention removes their lines", |it| Box::pin(kept(it))),
    ("who got the mail of a day is remembered across a restart until the next day is mailed", |it| {
        Box::pin(mailed(it))
    }),
];

/// The sums of all hours, by state, outcome and provider.
async fn sums(store: &Store) -> BTreeMap<(String, String, String), (u64, u64, u64)> {
    let model = store.report_model();
    let keys: BTreeMap<_, _> = model.report_keys(0, 10_000).await.unwrap().into_iter().collect();
    let mut sums = BTreeMap::<_, (u64, u64, u64)>::new();
    for counts in model.counts_page((0, 0), i64::MAX, 100_000).await.unwrap() {
        let key = &keys[&counts.key];
        let sum = sums.entry((key.state.clone(), key.outcome.clone(), key.provider.clone())).or_default();
        *sum = (sum.0 + counts.deliveries, sum.1 + counts.attempts, sum.2 + counts.cost);
    }
    sums
}

fn row(
    state: &str,
    outcome: &str,
    provider: &str,
    sum: (u64, u64, u64),
) -> ((String, String, String), (u64, u64, u64)) {
    ((state.to_owned(), outcome.to_owned(), provider.to_owned()), sum)
}

async fn count(it: &Fixture) -> ReportKeeper<'_> {
    let mut keeper = ReportKeeper::new(&it.store);
    while keeper.step().await.unwrap() != CountStep::Done {}
    keeper
}

fn priced(attempt: Attempt, provider: &str) -> Attempt {
    let cost = Cost { amount: "0.045".parse().unwrap(), currency: Currency::parse("PLN").ok() };
    Attempt { provider: ProviderName(provider.to_owned()), cost: Some(cost), ..attempt }
}

fn accepted(it: &Fixture, number: u32, reference: &str) -> Attempt {
    it.attempt(number, Outcome::accepted(Reference::new(reference)))
}

/// Applies a receipt about the attempt of the reference.
async fn receipt(it: &Fixture, reference: &str, status: ReceiptStatus, to: DeliveryState) {
    let (provider, reference) = (ProviderName("primary".to_owned()), Reference::new(reference).unwrap());
    let delivery = it.store.receipts().reported(&provider, &reference).await.unwrap().unwrap();
    let is_it = |attempt: &&Attempt| attempt.outcome == Outcome::accepted(Some(reference.clone()));
    let attempt = delivery.attempts.iter().find(is_it).unwrap();
    let receipt = Receipt { reference: reference.clone(), status, code: ReceiptCode::new("WORD"), at: it.now() };
    let change = Confirmation { delivery: &delivery, attempt, receipt: &receipt, to, parked: None, at: it.now() };
    assert!(it.store.receipts().confirm(&change).await.unwrap());
}

/// A receipt about a delivery that waits for one: it was delivered, or it expired.
pub(super) async fn report(it: &Fixture, reference: &str, expired: bool) {
    if expired {
        receipt(it, reference, ReceiptStatus::Expired, DeliveryState::ExpiredByProvider).await;
    } else {
        receipt(it, reference, ReceiptStatus::Delivered, DeliveryState::Confirmed).await;
    }
}

async fn counted(it: Fixture) {
    let failed = priced(it.attempt(1, Outcome::unknown(Cause::TimedOut)), "first");
    let held = it.store.record_attempt(it.held().await, failed).await.unwrap();
    it.clock.move_on(Duration::from_secs(3));
    it.store.settle(held, priced(it.taken(2), "second")).await.unwrap();
    it.store.give_up(it.held().await, None, EndReason::UnknownRecipient).await.unwrap();
    let _open = it.held().await;

    count(&it).await;

    let expected = BTreeMap::from([
        row("", "unknown", "first", (0, 1, 45_000)),
        row("sent", "accepted", "second", (1, 1, 45_000)),
        row("undeliverable", "", "", (1, 0, 0)),
    ]);
    assert_eq!(sums(&it.store).await, expected);
    let open = it.store.report_model().open_deliveries().await.unwrap();
    assert_eq!(open, [(hour_of(it.now()), "otp".to_owned(), 1)]);
    let keys = it.store.report_model().report_keys(0, 10).await.unwrap();
    let sent = keys.iter().find(|(_, key)| key.state == "sent").unwrap();
    assert_eq!((sent.1.country.as_str(), sent.1.currency.as_str(), sent.1.kind.as_str()), ("PL", "PLN", "otp"));
}

async fn counted_anew(it: Fixture) {
    it.store.await_receipt(it.held().await, Some(accepted(&it, 1, "r1"))).await.unwrap();
    let mut keeper = count(&it).await;
    receipt(&it, "r1", ReceiptStatus::Undelivered, DeliveryState::Open).await;
    assert_eq!(keeper.step().await.unwrap(), CountStep::Done);
    assert_eq!(sums(&it.store).await, BTreeMap::new());

    it.store.await_receipt(it.claim_one().await, Some(accepted(&it, 2, "r2"))).await.unwrap();
    keeper.step().await.unwrap();
    it.clock.move_on(Duration::from_secs(9));
    receipt(&it, "r2", ReceiptStatus::Delivered, DeliveryState::Confirmed).await;
    keeper.step().await.unwrap();

    let expected =
        BTreeMap::from([row("", "accepted", "primary", (0, 1, 0)), row("confirmed", "accepted", "primary", (1, 1, 0))]);
    assert_eq!(sums(&it.store).await, expected);
    let lines = it.store.report_model().lines_page((0, Uuid::nil(), 0), i64::MAX, 10).await.unwrap();
    let confirmed = lines.iter().find(|it| it.line.deliver.is_some()).unwrap();
    assert_eq!((confirmed.line.number, confirmed.line.deliver), (2, Some(Duration::from_secs(9))));
}

async fn fenced(it: Fixture) {
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    let model = it.store.report_model();
    let state = model.report_state().await.unwrap();
    count(&it).await;
    let before = sums(&it.store).await;

    let cell = model.counts_page((0, 0), i64::MAX, 1).await.unwrap().remove(0);
    let counts = vec![StoredCounts { deliveries: 0, attempts: 0, ..cell }];
    let late = ReportChange { version: state.version, counts, ..ReportChange::default() };
    assert!(!model.write_report(&late).await.unwrap());

    assert_eq!(sums(&it.store).await, before);
}

async fn repaired(it: Fixture) {
    for number in 0..40 {
        it.store.settle(it.held().await, priced(it.taken(1), ["a", "b"][number % 2])).await.unwrap();
        it.clock.move_on(Duration::from_mins(7));
    }
    let right = recount(&it.store, |_| ()).await.unwrap();
    assert_eq!(right, Recount { deliveries: 40, counts: right.counts, ..Recount::default() });
    let before = sums(&it.store).await;

    let model = it.store.report_model();
    let lines = model.lines_page((0, Uuid::nil(), 0), i64::MAX, 3).await.unwrap();
    let cell = model.counts_page((0, 0), i64::MAX, 1).await.unwrap().remove(0);
    let wrong = ReportChange {
        version: model.report_state().await.unwrap().version,
        removed: lines.iter().map(|it| (hour_of(it.line.received_at), it.line.delivery)).collect(),
        counts: vec![StoredCounts { deliveries: cell.deliveries + 7, ..cell }],
        ..ReportChange::default()
    };
    assert!(model.write_report(&wrong).await.unwrap());

    let found = recount(&it.store, |_| ()).await.unwrap();

    assert_eq!(found.wrong_deliveries, 3);
    assert!(found.wrong_counts > 0);
    assert_eq!(sums(&it.store).await, before);
    let again = recount(&it.store, |_| ()).await.unwrap();
    assert_eq!((again.wrong_deliveries, again.wrong_counts, again.deliveries), (0, 0, 40));
}

async fn kept(it: Fixture) {
    for _ in 0..3 {
        it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    }
    count(&it).await;
    let before = sums(&it.store).await;
    it.clock.move_on(Duration::from_hours(24 * 400));
    while purge_once(&it.store, it.clock.as_ref(), Settings::default()).await.unwrap() {}

    assert_eq!(sums(&it.store).await, before);
    assert!(it.store.report_model().lines_page((0, Uuid::nil(), 0), i64::MAX, 10).await.unwrap().is_empty());
    it.store.settle(it.held().await, it.taken(1)).await.unwrap();
    let recounted = recount(&it.store, |_| ()).await.unwrap();
    assert_eq!((recounted.deliveries, recounted.wrong_counts), (1, 0));
    let all: u64 = sums(&it.store).await.values().map(|sum| sum.0).sum();
    assert_eq!(all, 4);
}

async fn mailed(it: Fixture) {
    for (day, hash) in [("2026-11-26", 1), ("2026-11-27", 1), ("2026-11-27", 2), ("2026-11-27", 2)] {
        it.store.report_model().keep_report_mail(day, [hash; 16]).await.unwrap();
    }
    let it = it.reopened().await;

    let mut mails = it.store.report_model().report_mails("2026-11-27").await.unwrap();
    mails.sort_unstable();
    assert_eq!(mails, [[1; 16].to_vec(), [2; 16].to_vec()]);
    assert!(it.store.report_model().report_mails("2026-11-26").await.unwrap().is_empty());
}
