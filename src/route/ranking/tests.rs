//! Tables of how providers did, and the order that follows.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::domain::contact::Contact;
use crate::domain::notification::Kind;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::Preferences;
use crate::domain::price::Price;
use crate::route::{Plan, Reachability, Step};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const LIFE: Duration = Duration::from_mins(5);
const QUICK: Duration = Duration::from_millis(100);

fn profile(name: &str) -> ProviderProfile {
    ProviderProfile {
        provider: ProviderName(name.into()),
        channel: Channel::Sms,
        countries: Vec::new(),
        deduplicates: false,
        weight: None,
        min_validity: Duration::ZERO,
        price: Price::default(),
        spend_cap: None,
        transliterate: None,
    }
}

fn weighing(name: &str, weight: u32) -> ProviderProfile {
    ProviderProfile { weight: Some(weight), ..profile(name) }
}

fn candidates_by(steps: &[Channel], contacts: &[Contact], profiles: &[ProviderProfile]) -> Vec<Candidate> {
    let steps = steps.iter().copied().map(Step::from).collect();
    let plan = Plan { kind: Kind::Otp, steps, ttl: Duration::from_mins(5), quiet: None, hedge_after: None };
    let reach = Reachability { contacts, preferences: &Preferences::default(), only: &[] };
    crate::route::candidates(&plan, &reach, profiles)
}

fn candidates_over(profiles: &[ProviderProfile]) -> Vec<Candidate> {
    let address = Contact::parse(Channel::Sms, "+48600100200").unwrap();
    candidates_by(&[Channel::Sms], &[address], profiles)
}

/// No sample: its hash is not a multiple of eight.
fn errand(number: u128) -> RoutingRequest {
    RoutingRequest {
        delivery: DeliveryId(Uuid::from_u128(number)),
        now: NOW,
        expires_at: NOW.after(LIFE),
        may_exceed: false,
    }
}

fn no_sample() -> RoutingRequest {
    (0..64).map(errand).find(|it| !hash(it.delivery, "sample").is_multiple_of(SAMPLE)).unwrap()
}

fn order(board: &ProviderTable, profiles: &[ProviderProfile], errand: &RoutingRequest) -> Vec<String> {
    board.arrange(&candidates_over(profiles), errand).into_iter().map(|candidate| candidate.provider.0).collect()
}

fn note(board: &mut ProviderTable, provider: &str, times: usize, outcome: &Outcome, took: Duration) {
    let attempt = Attempt {
        number: 1,
        channel: Channel::Sms,
        provider: ProviderName(provider.into()),
        contact: 0,
        address: String::new(),
        started_at: NOW,
        took,
        outcome: outcome.clone(),
        template_version: None,
    };
    (0..times).for_each(|_| board.note(&attempt, NOW));
}

fn good() -> Outcome {
    Outcome::accepted(None)
}

fn down() -> Outcome {
    Outcome::deferred(Cause::ProviderDown)
}

fn three() -> (Vec<ProviderProfile>, ProviderTable) {
    let profiles = vec![profile("one"), profile("two"), profile("three")];
    let board = ProviderTable::new(&profiles);
    (profiles, board)
}

#[test]
fn without_news_everybody_stands_as_configured() {
    let (profiles, board) = three();
    assert_eq!(order(&board, &profiles, &no_sample()), ["one", "two", "three"]);
}

#[test]
fn an_open_circuit_is_the_last_resort() {
    let (profiles, mut board) = three();
    note(&mut board, "one", 5, &down(), QUICK);
    assert_eq!(order(&board, &profiles, &no_sample()), ["two", "three", "one"]);

    let probe = RoutingRequest { now: NOW.after(Duration::from_secs(5)), ..no_sample() };
    assert_eq!(order(&board, &profiles, &probe), ["one", "two", "three"]);
    board.begin(&ProviderName("one".into()), probe.now);
    assert_eq!(order(&board, &profiles, &probe), ["two", "three", "one"]);
}

#[test]
fn a_channel_that_is_down_as_a_whole_waits_behind_the_next() {
    let app = ProviderProfile { channel: Channel::Push, ..profile("app") };
    let profiles = [app, profile("one")];
    let contacts =
        [Contact::parse(Channel::Push, "token").unwrap(), Contact::parse(Channel::Sms, "+48600100200").unwrap()];
    let candidates = candidates_by(&[Channel::Push, Channel::Sms], &contacts, &profiles);
    let mut board = ProviderTable::new(&profiles);
    let first = |board: &ProviderTable| board.arrange(&candidates, &no_sample())[0].provider.0.clone();
    assert_eq!(first(&board), "app");
    note(&mut board, "app", 5, &down(), QUICK);
    assert_eq!(first(&board), "one");
}

#[test]
fn when_every_circuit_is_open_it_is_as_if_there_were_none() {
    let (profiles, mut board) = three();
    for name in ["three", "one", "two"] {
        note(&mut board, name, 5, &down(), QUICK);
    }
    assert_eq!(order(&board, &profiles, &no_sample()), ["one", "two", "three"]);
}

#[test]
fn a_drained_provider_is_not_even_the_last_resort() {
    let (profiles, mut board) = three();
    assert_eq!(board.drain(|name| name == "one"), [ProviderName("one".into())]);
    assert_eq!(order(&board, &profiles, &no_sample()), ["two", "three"]);
    assert_eq!(board.drain(|_| true).len(), 2);
    assert_eq!(order(&board, &profiles, &no_sample()), <[&str; 0]>::default());
    assert_eq!(board.drain(|_| false).len(), 3);
    assert_eq!(order(&board, &profiles, &no_sample()), ["one", "two", "three"]);
}

#[test]
fn a_provider_that_is_too_busy_gives_candidate_for_the_time_it_asked_for() {
    let (profiles, mut board) = three();
    let busy = Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(7)) };
    note(&mut board, "one", 1, &busy, QUICK);
    assert_eq!(order(&board, &profiles, &no_sample()), ["two", "three", "one"]);
    let later = RoutingRequest { now: NOW.after(Duration::from_secs(7)), ..no_sample() };
    assert_eq!(order(&board, &profiles, &later), ["one", "two", "three"]);
}

#[test]
fn a_provider_that_needs_more_time_than_is_left_gives_candidate() {
    let slow = ProviderProfile { min_validity: Duration::from_mins(2), ..profile("slow") };
    let profiles = [slow, profile("two")];
    let board = ProviderTable::new(&profiles);
    for (left, expected) in [(120, ["slow", "two"]), (119, ["two", "slow"])] {
        let errand = RoutingRequest { expires_at: NOW.after(Duration::from_secs(left)), ..no_sample() };
        assert_eq!(order(&board, &profiles, &errand), expected, "{left} s");
    }
}

#[test]
fn who_fails_clearly_more_often_loses_its_place_and_has_it_back_when_nearly_as_good() {
    let (profiles, mut board) = three();
    // Failures between successes, or the circuit would be first to open.
    let round = |board: &mut ProviderTable, failures: usize| {
        note(board, "one", 20 - failures, &good(), QUICK);
        note(board, "one", failures.min(4), &down(), QUICK);
    };
    round(&mut board, 4);
    assert_eq!(order(&board, &profiles, &no_sample())[0], "one", "20 % is not clearly worse");

    note(&mut board, "one", 2, &down(), QUICK);
    assert_eq!(order(&board, &profiles, &no_sample()), ["two", "three", "one"], "30 % is");
    note(&mut board, "one", 17, &good(), QUICK);
    assert_eq!(order(&board, &profiles, &no_sample())[0], "two", "15 % is not nearly as good");
    note(&mut board, "one", 1, &good(), QUICK);
    assert_eq!(order(&board, &profiles, &no_sample())[0], "one", "10 % is");
}

#[test]
fn who_is_clearly_slower_loses_its_place_and_has_it_back_when_nearly_as_quick() {
    let (profiles, mut board) = three();
    for (one, two, first) in [
        (1900, 1000, "one"),
        (2500, 1000, "two"),
        (1700, 1000, "two"),
        (1400, 1000, "one"),
        (450, 20, "one"),
        (1000, 20, "two"),
    ] {
        note(&mut board, "one", 40, &good(), Duration::from_millis(one));
        note(&mut board, "two", 40, &good(), Duration::from_millis(two));
        note(&mut board, "three", 40, &good(), Duration::from_mins(1));
        assert_eq!(order(&board, &profiles, &no_sample())[0], first, "{one} ms beside {two} ms");
    }
}

#[test]
fn nobody_is_outranked_by_one_that_is_drained_or_down() {
    let profiles = vec![profile("one"), profile("two")];
    let mut board = ProviderTable::new(&profiles);
    let first = |board: &ProviderTable| order(board, &profiles, &no_sample())[0].clone();
    board.drain(|name| name == "two");
    note(&mut board, "one", 20, &good(), Duration::from_secs(7));
    assert_eq!(first(&board), "one");

    board.drain(|_| false);
    assert_eq!(first(&board), "two");
    note(&mut board, "two", 5, &down(), QUICK);
    assert_eq!(first(&board), "one");
}

#[test]
fn one_delivery_in_eight_still_goes_to_who_has_lost_its_place() {
    let (profiles, mut board) = three();
    note(&mut board, "one", 20, &good(), Duration::from_secs(7));
    let to_one = (0..8000).filter(|number| order(&board, &profiles, &errand(*number))[0] == "one").count();
    assert!((900..1100).contains(&to_one), "{to_one} of 8000");
}

#[test]
fn weights_share_the_traffic_in_proportion_and_a_delivery_keeps_its_order() {
    let profiles = [weighing("three", 3), weighing("one", 1), profile("backup"), weighing("none", 0)];
    let board = ProviderTable::new(&profiles);
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..8000 {
        let order_of = || order(&board, &profiles, &errand(number));
        let order = order_of();
        assert_eq!(order, order_of());
        assert_eq!(order[2..], ["none", "backup"], "no weight: after those that share");
        *first.entry(order[0].clone()).or_default() += 1;
    }
    assert!((5800..6200).contains(&first["three"]), "{first:?}");
    assert_eq!(first["three"] + first["one"], 8000);
}

#[test]
fn who_was_passed_over_is_known_with_the_reason() {
    let (profiles, mut board) = three();
    let candidates = candidates_over(&profiles);
    let passed = |board: &ProviderTable| {
        let chosen = board.arrange(&candidates, &no_sample()).remove(0);
        board.passed_over(&candidates, &chosen, &no_sample()).map(|(name, reason)| (name.0, reason))
    };
    assert_eq!(passed(&board), None);
    note(&mut board, "one", 5, &down(), QUICK);
    assert_eq!(passed(&board), Some(("one".into(), "circuit_open")));
    board.drain(|name| name == "one");
    assert_eq!(passed(&board), Some(("one".into(), "drained")));
}
