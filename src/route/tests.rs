//! Tables of what was tried, and what must come next.

use super::*;
use crate::domain::notification::Kind;
use crate::domain::preferences::Preferences;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const LIFE: Duration = Duration::from_mins(5);
const NO_LUCK: f64 = 1.0;

fn profile(name: &str, channel: Channel) -> ProviderProfile {
    ProviderProfile {
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

fn contacts() -> Vec<Contact> {
    vec![
        Contact::parse(Channel::Sms, "+48600100200").unwrap(),
        Contact::parse(Channel::Sms, "+48600100300").unwrap(),
        Contact::parse(Channel::Push, "token-1").unwrap(),
    ]
}

fn plan(kind: Kind, steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan { kind, steps: steps.into_iter().collect(), ttl: LIFE, quiet: None, hedge_after: None }
}

fn profiles() -> [ProviderProfile; 4] {
    [
        profile("app", Channel::Push),
        profile("primary", Channel::Sms),
        profile("backup", Channel::Sms),
        profile("mail", Channel::Email),
    ]
}

fn candidates_of(
    plan: &Plan,
    contacts: &[Contact],
    agreed: &[Channel],
    profiles: &[ProviderProfile],
) -> Vec<Candidate> {
    let preferences = Preferences { channels: agreed.to_vec(), time_zone: None };
    candidates(plan, &Reachability { contacts, preferences: &preferences, only: &[] }, profiles)
}

fn push_then_sms() -> Vec<Candidate> {
    candidates_of(&plan(Kind::Otp, [Channel::Push.into(), Channel::Sms.into()]), &contacts(), &[], &profiles())
}

fn everywhere() -> Vec<Contact> {
    let mut all = contacts();
    all.push(Contact::parse(Channel::Email, "reader@example.org").unwrap());
    all
}

fn after(candidate: &Candidate, outcome: Outcome, at: Timestamp) -> Attempt {
    Attempt {
        number: 1,
        channel: candidate.address.channel(),
        provider: candidate.provider.clone(),
        contact: candidate.contact,
        address: candidate.address.masked(),
        started_at: at,
        took: Duration::ZERO,
        outcome,
        template_version: None,
    }
}

fn decide(candidates: &[Candidate], attempts: &[Attempt], now: Timestamp) -> Decision {
    next(candidates, attempts, now, NOW.after(LIFE), NO_LUCK)
}

#[test]
fn candidates_go_channel_by_channel_address_by_address_provider_by_provider() {
    let order: Vec<_> = push_then_sms().iter().map(|w| (w.provider.0.clone(), w.contact)).collect();
    let expected = [("app", 0), ("primary", 0), ("backup", 0), ("primary", 1), ("backup", 1)];
    assert_eq!(order, expected.map(|(name, contact)| (name.to_owned(), contact)));
}

#[test]
fn a_provider_is_not_offered_numbers_of_countries_it_does_not_serve() {
    let german = ProviderProfile { countries: vec!["+49".into()], ..profile("german", Channel::Sms) };
    assert!(candidates_of(&plan(Kind::Otp, [Channel::Sms.into()]), &contacts(), &[], &[german]).is_empty());
}

#[test]
fn a_refusal_moves_on_at_once_and_never_comes_back() {
    let candidates = push_then_sms();
    let refused = after(&candidates[0], Outcome::refused(Cause::BadMessage), NOW);
    assert_eq!(decide(&candidates, &[refused], NOW), Decision::Send(candidates[1].clone()));

    let all: Vec<_> =
        candidates.iter().map(|candidate| after(candidate, Outcome::refused(Cause::BadMessage), NOW)).collect();
    assert_eq!(decide(&candidates, &all, NOW), Decision::GiveUp(EndReason::AllRefused));
}

#[test]
fn a_bad_address_is_not_offered_to_the_other_providers() {
    let candidates = push_then_sms();
    let tried = [
        after(&candidates[0], Outcome::refused(Cause::InvalidContact), NOW),
        after(&candidates[1], Outcome::refused(Cause::InvalidContact), NOW),
    ];
    assert_eq!(decide(&candidates, &tried, NOW), Decision::Send(candidates[3].clone()));
}

#[test]
fn a_deferral_moves_on_at_once_and_comes_back_after_a_pause() {
    let candidates = push_then_sms()[..2].to_vec();
    let first = after(&candidates[0], Outcome::deferred(Cause::ProviderDown), NOW);
    assert_eq!(decide(&candidates, std::slice::from_ref(&first), NOW), Decision::Send(candidates[1].clone()));

    let second = after(&candidates[1], Outcome::deferred(Cause::ProviderDown), NOW);
    let both = [first, second];
    assert_eq!(decide(&candidates, &both, NOW), Decision::RetryAt(NOW.after(BACKOFF)));
    assert_eq!(decide(&candidates, &both, NOW.after(BACKOFF)), Decision::Send(candidates[0].clone()));
}

#[test]
fn a_short_retry_after_is_waited_for_and_a_long_one_is_passed_over() {
    let candidates = push_then_sms()[..2].to_vec();
    let asks = |wait| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(wait) };
    let short = after(&candidates[0], asks(Duration::from_secs(2)), NOW);
    let long = after(&candidates[0], asks(Duration::from_secs(6)), NOW);

    let due = NOW.after(Duration::from_secs(2));
    assert_eq!(decide(&candidates, std::slice::from_ref(&short), NOW), Decision::RetryAt(due));
    assert_eq!(decide(&candidates, &[short], due), Decision::Send(candidates[0].clone()));
    assert_eq!(decide(&candidates, &[long], NOW), Decision::Send(candidates[1].clone()));
}

#[test]
fn a_quarter_of_the_time_that_is_left_is_the_longest_that_is_waited_for_one_provider() {
    let candidates = push_then_sms();
    let asks = |wait| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(wait)) };
    let decide =
        |wait| next(&candidates, &[after(&candidates[0], asks(wait), NOW)], NOW, NOW.after(BACKOFF * 12), NO_LUCK);
    assert_eq!(decide(3), Decision::RetryAt(NOW.after(Duration::from_secs(3))));
    assert_eq!(decide(4), Decision::Send(candidates[1].clone()));
}

#[test]
fn a_provider_is_never_asked_before_its_retry_after_is_over() {
    let candidates = push_then_sms()[..1].to_vec();
    let wait = Duration::from_mins(1);
    let throttled = after(&candidates[0], Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(wait) }, NOW);
    assert_eq!(decide(&candidates, &[throttled], NOW), Decision::RetryAt(NOW.after(wait)));
}

#[test]
fn when_the_retry_after_lies_beyond_the_deadline_there_is_nothing_left_to_do() {
    let candidates = push_then_sms()[..1].to_vec();
    let hour = Duration::from_hours(1);
    let throttled = after(&candidates[0], Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(hour) }, NOW);
    assert_eq!(decide(&candidates, &[throttled], NOW), Decision::GiveUp(EndReason::DeadlinePassed));
}

#[test]
fn an_unanswered_message_goes_to_the_next_provider_and_back_only_as_a_last_resort() {
    let candidates = push_then_sms()[1..3].to_vec();
    let lost = after(&candidates[0], Outcome::unknown(Cause::TimedOut), NOW);
    assert_eq!(decide(&candidates, std::slice::from_ref(&lost), NOW), Decision::Send(candidates[1].clone()));

    let tried = [lost, after(&candidates[1], Outcome::deferred(Cause::ProviderDown), NOW)];
    assert_eq!(decide(&candidates, &tried, NOW.after(BACKOFF)), Decision::Send(candidates[1].clone()));
}

#[test]
fn nothing_is_sent_at_or_after_the_deadline() {
    let candidates = push_then_sms();
    assert_eq!(decide(&candidates, &[], NOW.after(LIFE)), Decision::GiveUp(EndReason::DeadlinePassed));
}

#[test]
fn attempts_come_to_an_end() {
    let candidates = push_then_sms()[..1].to_vec();
    let tried: Vec<_> =
        (0..ATTEMPTS_MAX).map(|_| after(&candidates[0], Outcome::deferred(Cause::ProviderDown), NOW)).collect();
    assert_eq!(decide(&candidates, &tried, NOW), Decision::GiveUp(EndReason::AttemptsExhausted));
}

#[test]
fn pauses_double_stay_bounded_and_vary() {
    assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
    assert_eq!(backoff(3, 1.0), Duration::from_secs(4));
    assert_eq!(backoff(40, 1.0), Duration::from_secs(30));
    assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
}

#[test]
fn a_candidate_that_never_answers_is_used_twice_at_most_unless_it_drops_repeats() {
    let candidates = push_then_sms()[..1].to_vec();
    let twice = [
        after(&candidates[0], Outcome::unknown(Cause::TimedOut), NOW),
        after(&candidates[0], Outcome::unknown(Cause::TimedOut), NOW),
    ];
    let later = NOW.after(BACKOFF_MAX);
    assert_eq!(decide(&candidates, &twice, later), Decision::GiveUp(EndReason::AllRefused));

    let careful = vec![Candidate { deduplicates: true, ..candidates[0].clone() }];
    assert_eq!(decide(&careful, &twice, later), Decision::Send(careful[0].clone()));
}

#[test]
fn an_attempt_that_our_own_crash_interrupted_is_made_again_at_once_however_often() {
    let candidates = push_then_sms()[1..3].to_vec();
    let mut tried = vec![after(&candidates[0], Outcome::unknown(Cause::Interrupted), NOW)];
    assert_eq!(decide(&candidates, &tried, NOW), Decision::Send(candidates[1].clone()));

    let alone = candidates[..1].to_vec();
    for _ in 0..20 {
        assert_eq!(decide(&alone, &tried, NOW), Decision::Send(alone[0].clone()));
        tried.push(after(&candidates[0], Outcome::unknown(Cause::Interrupted), NOW));
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { reference: None }
}

fn taken_in_order(kind: Kind, agreed: &[Channel]) -> Vec<Channel> {
    let plan = plan(kind, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let mut channels: Vec<_> = candidates_of(&plan, &everywhere(), agreed, &profiles())
        .iter()
        .map(|candidate| candidate.address.channel())
        .collect();
    channels.dedup();
    channels
}

#[test]
fn news_go_in_the_order_a_recipient_preferences_and_codes_in_that_of_their_plan_and_neither_where_they_did_not_agree() {
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
    let preferences = Preferences { channels: vec![Channel::Push, Channel::Sms], time_zone: None };
    let german = ProviderProfile { countries: vec!["+49".into()], ..profile("german", Channel::Sms) };
    let phone = [Contact::parse(Channel::Sms, "+48600100200").unwrap()];
    let reach = Reachability { contacts: &phone, preferences: &preferences, only: &[] };

    let skipped: Vec<_> =
        survey(&plan, &reach, &[german, profile("app", Channel::Push), profile("mail", Channel::Email)])
            .into_iter()
            .map(|finding| match finding {
                CandidateResult::Candidate(candidate) => unreachable!("{candidate:?}"),
                CandidateResult::Skipped { reason, .. } => reason,
            })
            .collect();

    assert_eq!(
        skipped,
        [SkipReason::NoAddress, SkipReason::Country(ProviderName("german".into()), 0), SkipReason::NotAgreed]
    );
}

#[test]
fn an_explanation_begins_as_the_delivery_would_and_waits_out_quiet_hours() {
    let quiet = Plan {
        ttl: Duration::from_hours(24),
        quiet: Some("07:00-23:59".parse().unwrap()),
        ..plan(Kind::Transaction, [Channel::Sms.into()])
    };
    let loud = Plan { quiet: None, ..quiet.clone() };
    let (contacts, preferences) = (contacts(), Preferences::default());
    let reach = Reachability { contacts: &contacts, preferences: &preferences, only: &[] };
    let board = ranking::ProviderTable::new(&profiles());
    let duty = RoutingState { board: &board, allows: &|_| true, may_exceed: true, zone: &jiff::tz::TimeZone::UTC };
    let told = |plan: &Plan| explain(plan, &reach, &profiles(), &duty, NOW);

    assert_eq!(told(&loud).first, Decision::Send(candidates(&loud, &reach, &profiles())[0].clone()));
    let until = told(&quiet).quiet_until.unwrap();
    assert_eq!(told(&quiet).first, Decision::RetryAt(until));
    assert_eq!(until.to_string(), "2027-01-15T23:59:00.000Z");
}

#[test]
fn channels_side_by_side_are_shared_out_and_the_first_keeps_the_steps_around() {
    use Channel::{Email, Push, Sms};
    let plan = plan(Kind::Transaction, [Push.into(), vec![Sms, Email].into()]);
    let all = candidates_of(&plan, &everywhere(), &[], &profiles());
    let of = |candidates: &[Candidate], channel| {
        candidates.iter().find(|candidate| candidate.address.channel() == channel).unwrap().clone()
    };

    assert!(shares(&plan, &all, &of(&all, Push)).is_empty());
    assert_eq!(shares(&plan, &all, &of(&all, Sms)), [vec![Push, Sms], vec![Email]]);

    // Whoever has no mailbox is told once, by the delivery that is there.
    let without = candidates_of(&plan, &contacts(), &[], &profiles());
    assert!(shares(&plan, &without, &of(&without, Sms)).is_empty());
}

#[test]
fn what_a_provider_took_is_done_with_unless_it_is_a_hedged_push() {
    let wait = Duration::from_secs(30);
    let hedged = Plan { hedge_after: Some(wait), ..plan(Kind::Otp, [Channel::Push.into(), Channel::Sms.into()]) };
    let candidates = candidates_of(&hedged, &contacts(), &[], &profiles());
    let push = after(&candidates[0], accepted(), NOW);
    let due = NOW.after(wait);

    let plain = push_then_sms();
    assert_eq!(decide(&plain, &[after(&plain[0], accepted(), NOW)], NOW), Decision::Done);

    assert_eq!(decide(&candidates, std::slice::from_ref(&push), NOW), Decision::RetryAt(due));
    assert_eq!(decide(&candidates, std::slice::from_ref(&push), due), Decision::Send(candidates[1].clone()));
    // Nobody else to ask, and no time to ask them in.
    assert_eq!(decide(&candidates[..1], std::slice::from_ref(&push), NOW), Decision::Done);
    assert_eq!(next(&candidates, std::slice::from_ref(&push), NOW, due, NO_LUCK), Decision::Done);

    let sms = |outcome| [push.clone(), after(&candidates[1], outcome, due)];
    assert_eq!(decide(&candidates, &sms(accepted()), due), Decision::Done);
    assert_eq!(
        decide(&candidates, &sms(Outcome::refused(Cause::BadMessage)), due),
        Decision::Send(candidates[2].clone())
    );
    let bad: Vec<_> = std::iter::once(push)
        .chain(candidates[1..].iter().map(|candidate| after(candidate, Outcome::refused(Cause::BadMessage), due)))
        .collect();
    assert_eq!(decide(&candidates, &bad, due), Decision::Done);
}
