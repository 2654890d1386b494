//! The answers of providers, and the order of candidates that follows.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::domain::contact::Contact;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Kind;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::Preferences;
use crate::route::{Plan, Reachability, Step};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const LIFE: Duration = Duration::from_mins(5);
const QUICK: Duration = Duration::from_millis(100);

fn profile(name: &str) -> ProviderProfile {
    serde_json::from_value(serde_json::json!({ "name": name, "channel": "sms" })).unwrap()
}

fn weighted(name: &str, weight: u32) -> ProviderProfile {
    ProviderProfile { weight: Some(weight), ..profile(name) }
}

fn candidates_by(steps: &[Channel], contacts: &[Contact], profiles: &[ProviderProfile]) -> Vec<Candidate> {
    let steps = steps.iter().copied().map(Step::from).collect();
    let plan = Plan { kind: Kind::Otp, steps, ttl: Duration::from_mins(5), quiet_hours: None, hedge_after: None };
    let reach = Reachability { contacts, retired: &[], preferences: &Preferences::default(), only: &[] };
    crate::route::candidates(&plan, &reach, profiles)
}

fn candidates_over(profiles: &[ProviderProfile]) -> Vec<Candidate> {
    let address = Contact::parse(Channel::Sms, "+48600100200").unwrap();
    candidates_by(&[Channel::Sms], &[address], profiles)
}

fn request(number: u128) -> RoutingRequest {
    RoutingRequest {
        delivery: Some(DeliveryId(Uuid::from_u128(number))),
        priority: Priority::Otp,
        received_at: NOW,
        now: NOW,
        expires_at: NOW.after(LIFE),
        may_exceed: false,
    }
}

/// A delivery that does not use an outranked provider first.
fn no_sample() -> RoutingRequest {
    (0..64).map(request).find(|it| !hash(it.delivery.unwrap(), "sample").is_multiple_of(SAMPLE)).unwrap()
}

fn order(table: &ProviderTable, profiles: &[ProviderProfile], request: &RoutingRequest) -> Vec<String> {
    table.rank(&candidates_over(profiles), request).into_iter().map(|candidate| candidate.provider.0).collect()
}

fn record(table: &mut ProviderTable, provider: &str, times: usize, outcome: &Outcome, took: Duration) {
    let attempt = Attempt {
        number: 1,
        channel: Channel::Sms,
        provider: ProviderName(provider.into()),
        contact: 0,
        masked_contact: String::new(),
        contact_hash: None,
        country: None,
        started_at: NOW,
        took,
        outcome: outcome.clone(),
        detail: None,
        segments: None,
        template_version: None,
        cost: None,
        failure: None,
    };
    (0..times).for_each(|_| table.record(&attempt, NOW));
}

fn good() -> Outcome {
    Outcome::accepted(None)
}

fn down() -> Outcome {
    Outcome::deferred(Cause::ProviderDown)
}

fn three() -> (Vec<ProviderProfile>, ProviderTable) {
    let profiles = vec![profile("one"), profile("two"), profile("three")];
    let table = ProviderTable::new(&profiles);
    (profiles, table)
}

#[test]
fn without_answers_the_configured_order_is_kept() {
    let (profiles, table) = three();
    assert_eq!(order(&table, &profiles, &no_sample()), ["one", "two", "three"]);
}

#[test]
fn an_open_circuit_is_the_last_resort() {
    let (profiles, mut table) = three();
    record(&mut table, "one", 5, &down(), QUICK);
    assert_eq!(order(&table, &profiles, &no_sample()), ["two", "three", "one"]);

    let probe = RoutingRequest { now: NOW.after(Duration::from_secs(5)), ..no_sample() };
    assert_eq!(order(&table, &profiles, &probe), ["one", "two", "three"]);
    table.start_attempt(&ProviderName("one".into()), probe.now);
    assert_eq!(order(&table, &profiles, &probe), ["two", "three", "one"]);
}

#[test]
fn a_channel_that_is_down_comes_after_the_next_one() {
    let app = ProviderProfile { channel: Channel::Push, ..profile("app") };
    let profiles = [app, profile("one")];
    let contacts =
        [Contact::parse(Channel::Push, "token").unwrap(), Contact::parse(Channel::Sms, "+48600100200").unwrap()];
    let candidates = candidates_by(&[Channel::Push, Channel::Sms], &contacts, &profiles);
    let mut table = ProviderTable::new(&profiles);
    let first = |table: &ProviderTable| table.rank(&candidates, &no_sample())[0].provider.0.clone();
    assert_eq!(first(&table), "app");
    record(&mut table, "app", 5, &down(), QUICK);
    assert_eq!(first(&table), "one");
}

#[test]
fn when_every_circuit_is_open_the_order_is_as_if_there_were_none() {
    let (profiles, mut table) = three();
    for name in ["three", "one", "two"] {
        record(&mut table, name, 5, &down(), QUICK);
    }
    assert_eq!(order(&table, &profiles, &no_sample()), ["one", "two", "three"]);
}

#[test]
fn a_drained_provider_is_not_used_even_as_a_last_resort() {
    let (profiles, mut table) = three();
    assert_eq!(table.drain(|name| name == "one"), [ProviderName("one".into())]);
    assert_eq!(order(&table, &profiles, &no_sample()), ["two", "three"]);
    assert_eq!(table.drain(|_| true).len(), 2);
    assert_eq!(order(&table, &profiles, &no_sample()), <[&str; 0]>::default());
    assert_eq!(table.drain(|_| false).len(), 3);
    assert_eq!(order(&table, &profiles, &no_sample()), ["one", "two", "three"]);
}

#[test]
fn a_throttled_provider_is_tried_later_for_the_time_it_asked_for() {
    let (profiles, mut table) = three();
    let busy = Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(7)) };
    record(&mut table, "one", 1, &busy, QUICK);
    assert_eq!(order(&table, &profiles, &no_sample()), ["two", "three", "one"]);
    let later = RoutingRequest { now: NOW.after(Duration::from_secs(7)), ..no_sample() };
    assert_eq!(order(&table, &profiles, &later), ["one", "two", "three"]);
}

#[test]
fn a_provider_that_needs_more_time_than_is_left_is_tried_later() {
    let slow = ProviderProfile { min_validity: Duration::from_mins(2), ..profile("slow") };
    let profiles = [slow, profile("two")];
    let table = ProviderTable::new(&profiles);
    for (left, expected) in [(120, ["slow", "two"]), (119, ["two", "slow"])] {
        let request = RoutingRequest { expires_at: NOW.after(Duration::from_secs(left)), ..no_sample() };
        assert_eq!(order(&table, &profiles, &request), expected, "{left} s");
    }
}

#[test]
fn a_provider_that_fails_clearly_more_often_is_outranked_until_it_is_nearly_as_good() {
    let (profiles, mut table) = three();
    // Failures between successes, or the circuit would be first to open.
    let round = |table: &mut ProviderTable, failures: usize| {
        record(table, "one", 20 - failures, &good(), QUICK);
        record(table, "one", failures.min(4), &down(), QUICK);
    };
    round(&mut table, 4);
    assert_eq!(order(&table, &profiles, &no_sample())[0], "one", "20 % is not clearly worse");

    record(&mut table, "one", 2, &down(), QUICK);
    assert_eq!(order(&table, &profiles, &no_sample()), ["two", "three", "one"], "30 % is");
    record(&mut table, "one", 17, &good(), QUICK);
    assert_eq!(order(&table, &profiles, &no_sample())[0], "two", "15 % is not nearly as good");
    record(&mut table, "one", 1, &good(), QUICK);
    assert_eq!(order(&table, &profiles, &no_sample())[0], "one", "10 % is");
}

#[test]
fn a_provider_that_is_clearly_slower_is_outranked_until_it_is_nearly_as_fast() {
    let (profiles, mut table) = three();
    for (one, two, first) in [
        (1900, 1000, "one"),
        (2500, 1000, "two"),
        (1700, 1000, "two"),
        (1400, 1000, "one"),
        (450, 20, "one"),
        (1000, 20, "two"),
    ] {
        record(&mut table, "one", 40, &good(), Duration::from_millis(one));
        record(&mut table, "two", 40, &good(), Duration::from_millis(two));
        record(&mut table, "three", 40, &good(), Duration::from_mins(1));
        assert_eq!(order(&table, &profiles, &no_sample())[0], first, "{one} ms beside {two} ms");
    }
}

#[test]
fn a_drained_or_failing_provider_outranks_no_other() {
    let profiles = vec![profile("one"), profile("two")];
    let mut table = ProviderTable::new(&profiles);
    let first = |table: &ProviderTable| order(table, &profiles, &no_sample())[0].clone();
    table.drain(|name| name == "two");
    record(&mut table, "one", 20, &good(), Duration::from_secs(7));
    assert_eq!(first(&table), "one");

    table.drain(|_| false);
    assert_eq!(first(&table), "two");
    record(&mut table, "two", 5, &down(), QUICK);
    assert_eq!(first(&table), "one");
}

#[test]
fn one_delivery_in_eight_still_uses_an_outranked_provider_first() {
    let (profiles, mut table) = three();
    record(&mut table, "one", 20, &good(), Duration::from_secs(7));
    let to_one = (0..8000).filter(|number| order(&table, &profiles, &request(*number))[0] == "one").count();
    assert!((900..1100).contains(&to_one), "{to_one} of 8000");
}

#[test]
fn weights_share_the_traffic_in_proportion_and_a_delivery_keeps_its_order() {
    let profiles = [weighted("three", 3), weighted("one", 1), profile("backup"), weighted("none", 0)];
    let table = ProviderTable::new(&profiles);
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..8000 {
        let order_of = || order(&table, &profiles, &request(number));
        let order = order_of();
        assert_eq!(order, order_of());
        assert_eq!(order[2..], ["none", "backup"], "weight 0: after the other weights");
        *first.entry(order[0].clone()).or_default() += 1;
    }
    assert!((5800..6200).contains(&first["three"]), "{first:?}");
    assert_eq!(first["three"] + first["one"], 8000);
}

#[test]
fn a_provider_that_was_passed_over_is_named_with_the_reason() {
    let (profiles, mut table) = three();
    let candidates = candidates_over(&profiles);
    let passed = |table: &ProviderTable| {
        let chosen = table.rank(&candidates, &no_sample()).remove(0);
        table.passed_over(&candidates, &chosen, &no_sample()).map(|(name, reason)| (name.0, reason))
    };
    assert_eq!(passed(&table), None);
    record(&mut table, "one", 5, &down(), QUICK);
    assert_eq!(passed(&table), Some(("one".into(), "circuit_open")));
    table.drain(|name| name == "one");
    assert_eq!(passed(&table), Some(("one".into(), "drained")));
}

#[test]
fn a_provider_that_is_demoted_and_restored_is_reported_once_each_with_the_reason() {
    let (_, mut table) = three();
    record(&mut table, "two", 8, &good(), QUICK);
    for _ in 0..4 {
        record(&mut table, "one", 1, &down(), QUICK);
        record(&mut table, "one", 2, &good(), QUICK);
    }

    let demoted = table.rank_changes(NOW);
    let [RankChange::Outranked(provider, outranked)] = &demoted[..] else { unreachable!("{demoted:?}") };
    assert_eq!((provider.0.as_str(), outranked.by.0.as_str()), ("one", "two"));
    let shown = outranked.to_string();
    assert!(shown.starts_with("two does better: failures 33 % against 0 %, latency 100 ms"), "{shown}");
    assert_eq!(table.rank_changes(NOW), []);

    record(&mut table, "one", 20, &good(), QUICK);
    assert_eq!(table.rank_changes(NOW), [RankChange::Restored(ProviderName("one".into()))]);
    assert_eq!(table.rank_changes(NOW), []);
}

#[test]
fn a_long_pause_that_a_provider_asks_for_is_reported_and_a_short_one_is_not() {
    let (_, mut table) = three();
    let wait = |seconds| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(seconds)) };

    record(&mut table, "two", 1, &wait(2), QUICK);
    assert_eq!(table.rank_changes(NOW), []);
    record(&mut table, "two", 1, &wait(60), QUICK);
    let (two, until) = (ProviderName("two".into()), NOW.after(Duration::from_mins(1)));
    assert_eq!(table.rank_changes(NOW), [RankChange::Throttled(two.clone(), until)]);
    assert_eq!(table.rank_changes(NOW.after(Duration::from_secs(58))), []);
    assert_eq!(table.rank_changes(until), [RankChange::Restored(two)]);
}

#[test]
fn an_example_keeps_the_configured_order_of_weighted_providers_and_is_no_sample() {
    let profiles = [weighted("one", 1), weighted("two", 1000)];
    let table = ProviderTable::new(&profiles);
    let example = RoutingRequest { delivery: None, ..no_sample() };
    assert_eq!(order(&table, &profiles, &example), ["one", "two"]);
}
