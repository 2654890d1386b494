//! Tables of what was tried, and what must come next.

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const LIFE: Duration = Duration::from_mins(5);
const NO_LUCK: f64 = 1.0;

fn offer(name: &str, channel: Channel) -> Offer {
    Offer {
        provider: ProviderName(name.into()),
        channel,
        countries: Vec::new(),
        deduplicates: false,
        weight: None,
        min_validity: Duration::ZERO,
    }
}

fn contacts() -> Vec<Address> {
    vec![
        Address::parse(Channel::Sms, "+48600100200").unwrap(),
        Address::parse(Channel::Sms, "+48600100300").unwrap(),
        Address::parse(Channel::Push, "token-1").unwrap(),
    ]
}

fn push_then_sms() -> Vec<Way> {
    let offers = [offer("app", Channel::Push), offer("primary", Channel::Sms), offer("backup", Channel::Sms)];
    ways(&[Channel::Push, Channel::Sms], &contacts()[..], &offers)
}

fn after(way: &Way, outcome: Outcome, at: Timestamp) -> Attempt {
    Attempt {
        number: 1,
        channel: way.address.channel(),
        provider: way.provider.clone(),
        contact: way.contact,
        address: way.address.masked(),
        started_at: at,
        took: Duration::ZERO,
        outcome,
    }
}

fn decide(ways: &[Way], attempts: &[Attempt], now: Timestamp) -> Move {
    next(ways, attempts, now, NOW.after(LIFE), NO_LUCK)
}

#[test]
fn ways_go_channel_by_channel_address_by_address_provider_by_provider() {
    let order: Vec<_> = push_then_sms().iter().map(|w| (w.provider.0.clone(), w.contact)).collect();
    let expected = [("app", 0), ("primary", 0), ("backup", 0), ("primary", 1), ("backup", 1)];
    assert_eq!(order, expected.map(|(name, contact)| (name.to_owned(), contact)));
}

#[test]
fn a_provider_is_not_offered_numbers_of_countries_it_does_not_serve() {
    let german = Offer { countries: vec!["+49".into()], ..offer("german", Channel::Sms) };
    assert!(ways(&[Channel::Sms], &contacts(), &[german]).is_empty());
}

#[test]
fn a_refusal_moves_on_at_once_and_never_comes_back() {
    let ways = push_then_sms();
    let refused = after(&ways[0], Outcome::refused(Cause::BadMessage), NOW);
    assert_eq!(decide(&ways, &[refused], NOW), Move::Send(ways[1].clone()));

    let all: Vec<_> = ways.iter().map(|way| after(way, Outcome::refused(Cause::BadMessage), NOW)).collect();
    assert_eq!(decide(&ways, &all, NOW), Move::Stop(EndReason::AllRefused));
}

#[test]
fn a_bad_address_is_not_offered_to_the_other_providers() {
    let ways = push_then_sms();
    let tried = [
        after(&ways[0], Outcome::refused(Cause::BadAddress), NOW),
        after(&ways[1], Outcome::refused(Cause::BadAddress), NOW),
    ];
    assert_eq!(decide(&ways, &tried, NOW), Move::Send(ways[3].clone()));
}

#[test]
fn a_deferral_moves_on_at_once_and_comes_back_after_a_pause() {
    let ways = push_then_sms()[..2].to_vec();
    let first = after(&ways[0], Outcome::deferred(Cause::ProviderDown), NOW);
    assert_eq!(decide(&ways, std::slice::from_ref(&first), NOW), Move::Send(ways[1].clone()));

    let second = after(&ways[1], Outcome::deferred(Cause::ProviderDown), NOW);
    let both = [first, second];
    assert_eq!(decide(&ways, &both, NOW), Move::Wait(NOW.after(BACKOFF)));
    assert_eq!(decide(&ways, &both, NOW.after(BACKOFF)), Move::Send(ways[0].clone()));
}

#[test]
fn a_short_retry_after_is_waited_for_and_a_long_one_is_passed_over() {
    let ways = push_then_sms()[..2].to_vec();
    let asks = |wait| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(wait) };
    let short = after(&ways[0], asks(Duration::from_secs(2)), NOW);
    let long = after(&ways[0], asks(Duration::from_secs(6)), NOW);

    let due = NOW.after(Duration::from_secs(2));
    assert_eq!(decide(&ways, std::slice::from_ref(&short), NOW), Move::Wait(due));
    assert_eq!(decide(&ways, &[short], due), Move::Send(ways[0].clone()));
    assert_eq!(decide(&ways, &[long], NOW), Move::Send(ways[1].clone()));
}

#[test]
fn a_quarter_of_the_time_that_is_left_is_the_longest_that_is_waited_for_one_provider() {
    let ways = push_then_sms();
    let asks = |wait| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(wait)) };
    let decide = |wait| next(&ways, &[after(&ways[0], asks(wait), NOW)], NOW, NOW.after(BACKOFF * 12), NO_LUCK);
    assert_eq!(decide(3), Move::Wait(NOW.after(Duration::from_secs(3))));
    assert_eq!(decide(4), Move::Send(ways[1].clone()));
}

#[test]
fn a_provider_is_never_asked_before_its_retry_after_is_over() {
    let ways = push_then_sms()[..1].to_vec();
    let wait = Duration::from_mins(1);
    let throttled = after(&ways[0], Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(wait) }, NOW);
    assert_eq!(decide(&ways, &[throttled], NOW), Move::Wait(NOW.after(wait)));
}

#[test]
fn when_the_retry_after_lies_beyond_the_deadline_there_is_nothing_left_to_do() {
    let ways = push_then_sms()[..1].to_vec();
    let hour = Duration::from_hours(1);
    let throttled = after(&ways[0], Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(hour) }, NOW);
    assert_eq!(decide(&ways, &[throttled], NOW), Move::Stop(EndReason::DeadlinePassed));
}

#[test]
fn an_unanswered_message_goes_to_the_next_provider_and_back_only_as_a_last_resort() {
    let ways = push_then_sms()[1..3].to_vec();
    let lost = after(&ways[0], Outcome::unknown(Cause::TimedOut), NOW);
    assert_eq!(decide(&ways, std::slice::from_ref(&lost), NOW), Move::Send(ways[1].clone()));

    let tried = [lost, after(&ways[1], Outcome::deferred(Cause::ProviderDown), NOW)];
    assert_eq!(decide(&ways, &tried, NOW.after(BACKOFF)), Move::Send(ways[1].clone()));
}

#[test]
fn nothing_is_sent_at_or_after_the_deadline() {
    let ways = push_then_sms();
    assert_eq!(decide(&ways, &[], NOW.after(LIFE)), Move::Stop(EndReason::DeadlinePassed));
}

#[test]
fn attempts_come_to_an_end() {
    let ways = push_then_sms()[..1].to_vec();
    let tried: Vec<_> =
        (0..ATTEMPTS_MAX).map(|_| after(&ways[0], Outcome::deferred(Cause::ProviderDown), NOW)).collect();
    assert_eq!(decide(&ways, &tried, NOW), Move::Stop(EndReason::AttemptsExhausted));
}

#[test]
fn pauses_double_stay_bounded_and_vary() {
    assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
    assert_eq!(backoff(3, 1.0), Duration::from_secs(4));
    assert_eq!(backoff(40, 1.0), Duration::from_secs(30));
    assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
}

#[test]
fn a_way_that_never_answers_is_used_twice_at_most_unless_it_drops_repeats() {
    let ways = push_then_sms()[..1].to_vec();
    let twice = [
        after(&ways[0], Outcome::unknown(Cause::TimedOut), NOW),
        after(&ways[0], Outcome::unknown(Cause::TimedOut), NOW),
    ];
    let later = NOW.after(BACKOFF_MAX);
    assert_eq!(decide(&ways, &twice, later), Move::Stop(EndReason::AllRefused));

    let careful = vec![Way { deduplicates: true, ..ways[0].clone() }];
    assert_eq!(decide(&careful, &twice, later), Move::Send(careful[0].clone()));
}

#[test]
fn an_attempt_that_our_own_crash_interrupted_is_made_again_at_once_however_often() {
    let ways = push_then_sms()[1..3].to_vec();
    let mut tried = vec![after(&ways[0], Outcome::unknown(Cause::Interrupted), NOW)];
    assert_eq!(decide(&ways, &tried, NOW), Move::Send(ways[1].clone()));

    let alone = ways[..1].to_vec();
    for _ in 0..20 {
        assert_eq!(decide(&alone, &tried, NOW), Move::Send(alone[0].clone()));
        tried.push(after(&ways[0], Outcome::unknown(Cause::Interrupted), NOW));
    }
}
