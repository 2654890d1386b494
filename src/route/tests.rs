//! Tables of what was tried, and what must come next.

use super::*;
use crate::domain::notification::Kind;
use crate::domain::wishes::Wishes;

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
        price: Price::default(),
        spend_cap: None,
        transliterate: None,
    }
}

fn contacts() -> Vec<Address> {
    vec![
        Address::parse(Channel::Sms, "+48600100200").unwrap(),
        Address::parse(Channel::Sms, "+48600100300").unwrap(),
        Address::parse(Channel::Push, "token-1").unwrap(),
    ]
}

fn plan(kind: Kind, steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan { kind, steps: steps.into_iter().collect(), ttl: LIFE, quiet: None, hedge_after: None }
}

fn offers() -> [Offer; 4] {
    [
        offer("app", Channel::Push),
        offer("primary", Channel::Sms),
        offer("backup", Channel::Sms),
        offer("mail", Channel::Email),
    ]
}

fn ways_of(plan: &Plan, contacts: &[Address], agreed: &[Channel], offers: &[Offer]) -> Vec<Way> {
    let wishes = Wishes { channels: agreed.to_vec(), time_zone: None };
    ways(plan, &Reach { contacts, wishes: &wishes, only: &[] }, offers)
}

fn push_then_sms() -> Vec<Way> {
    ways_of(&plan(Kind::Otp, [Channel::Push.into(), Channel::Sms.into()]), &contacts(), &[], &offers())
}

fn everywhere() -> Vec<Address> {
    let mut all = contacts();
    all.push(Address::parse(Channel::Email, "reader@example.org").unwrap());
    all
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
        wording: None,
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
    assert!(ways_of(&plan(Kind::Otp, [Channel::Sms.into()]), &contacts(), &[], &[german]).is_empty());
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

fn accepted() -> Outcome {
    Outcome::Accepted { reference: None }
}

fn taken_in_order(kind: Kind, agreed: &[Channel]) -> Vec<Channel> {
    let plan = plan(kind, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let mut channels: Vec<_> =
        ways_of(&plan, &everywhere(), agreed, &offers()).iter().map(|way| way.address.channel()).collect();
    channels.dedup();
    channels
}

#[test]
fn news_go_in_the_order_a_person_wishes_and_codes_in_that_of_their_plan_and_neither_where_they_did_not_agree() {
    use Channel::{Email, Push, Sms};
    for (kind, agreed, order) in [
        (Kind::Transaction, &[][..], &[Push, Sms, Email][..]),
        (Kind::Transaction, &[Email, Push], &[Email, Push]),
        (Kind::Otp, &[Email, Push], &[Push, Email]),
        (Kind::Otp, &[Sms], &[Sms]),
    ] {
        assert_eq!(taken_in_order(kind, agreed), order, "{kind} {agreed:?}");
    }
}

#[test]
fn a_survey_says_of_everything_that_is_skipped_why() {
    let plan = plan(Kind::Transaction, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let wishes = Wishes { channels: vec![Channel::Push, Channel::Sms], time_zone: None };
    let german = Offer { countries: vec!["+49".into()], ..offer("german", Channel::Sms) };
    let phone = [Address::parse(Channel::Sms, "+48600100200").unwrap()];
    let reach = Reach { contacts: &phone, wishes: &wishes, only: &[] };

    let skipped: Vec<_> = survey(&plan, &reach, &[german, offer("app", Channel::Push), offer("mail", Channel::Email)])
        .into_iter()
        .map(|finding| match finding {
            Finding::Way(way) => unreachable!("{way:?}"),
            Finding::Skipped { reason, .. } => reason,
        })
        .collect();

    assert_eq!(skipped, [Skip::NoAddress, Skip::Country(ProviderName("german".into()), 0), Skip::NotAgreed]);
}

#[test]
fn an_explanation_begins_as_the_delivery_would_and_waits_out_quiet_hours() {
    let quiet = Plan {
        ttl: Duration::from_hours(24),
        quiet: Some("07:00-23:59".parse().unwrap()),
        ..plan(Kind::Transaction, [Channel::Sms.into()])
    };
    let loud = Plan { quiet: None, ..quiet.clone() };
    let (contacts, wishes) = (contacts(), Wishes::default());
    let reach = Reach { contacts: &contacts, wishes: &wishes, only: &[] };
    let board = rank::Board::new(&offers());
    let duty = Duty { board: &board, allows: &|_| true, may_exceed: true, zone: &jiff::tz::TimeZone::UTC };
    let told = |plan: &Plan| explain(plan, &reach, &offers(), &duty, NOW);

    assert_eq!(told(&loud).first, Move::Send(ways(&loud, &reach, &offers())[0].clone()));
    let until = told(&quiet).quiet_until.unwrap();
    assert_eq!(told(&quiet).first, Move::Wait(until));
    assert_eq!(until.to_string(), "2027-01-15T23:59:00.000Z");
}

#[test]
fn channels_side_by_side_are_shared_out_and_the_first_keeps_the_steps_around() {
    use Channel::{Email, Push, Sms};
    let plan = plan(Kind::Transaction, [Push.into(), vec![Sms, Email].into()]);
    let all = ways_of(&plan, &everywhere(), &[], &offers());
    let of = |ways: &[Way], channel| ways.iter().find(|way| way.address.channel() == channel).unwrap().clone();

    assert!(shares(&plan, &all, &of(&all, Push)).is_empty());
    assert_eq!(shares(&plan, &all, &of(&all, Sms)), [vec![Push, Sms], vec![Email]]);

    // Whoever has no mailbox is told once, by the delivery that is there.
    let without = ways_of(&plan, &contacts(), &[], &offers());
    assert!(shares(&plan, &without, &of(&without, Sms)).is_empty());
}

#[test]
fn what_a_provider_took_is_done_with_unless_it_is_a_hedged_push() {
    let wait = Duration::from_secs(30);
    let hedged = Plan { hedge_after: Some(wait), ..plan(Kind::Otp, [Channel::Push.into(), Channel::Sms.into()]) };
    let ways = ways_of(&hedged, &contacts(), &[], &offers());
    let push = after(&ways[0], accepted(), NOW);
    let due = NOW.after(wait);

    let plain = push_then_sms();
    assert_eq!(decide(&plain, &[after(&plain[0], accepted(), NOW)], NOW), Move::Rest);

    assert_eq!(decide(&ways, std::slice::from_ref(&push), NOW), Move::Wait(due));
    assert_eq!(decide(&ways, std::slice::from_ref(&push), due), Move::Send(ways[1].clone()));
    // Nobody else to ask, and no time to ask them in.
    assert_eq!(decide(&ways[..1], std::slice::from_ref(&push), NOW), Move::Rest);
    assert_eq!(next(&ways, std::slice::from_ref(&push), NOW, due, NO_LUCK), Move::Rest);

    let sms = |outcome| [push.clone(), after(&ways[1], outcome, due)];
    assert_eq!(decide(&ways, &sms(accepted()), due), Move::Rest);
    assert_eq!(decide(&ways, &sms(Outcome::refused(Cause::BadMessage)), due), Move::Send(ways[2].clone()));
    let bad: Vec<_> = std::iter::once(push)
        .chain(ways[1..].iter().map(|way| after(way, Outcome::refused(Cause::BadMessage), due)))
        .collect();
    assert_eq!(decide(&ways, &bad, due), Move::Rest);
}
