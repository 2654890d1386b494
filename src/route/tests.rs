//! The attempts at a delivery, and the decision that follows.

use uuid::Uuid;

use super::backoff::backoff;
use super::next::UNKNOWN_MAX;
use super::*;
use crate::domain::delivery::Attempt;
use crate::domain::notification::Kind;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::Preferences;
use crate::domain::receipt::ReceiptStatus;
use crate::domain::recipient::RetiredContact;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const LIFE: Duration = Duration::from_mins(5);
const SECOND: Duration = Duration::from_secs(1);

fn profile(name: &str, channel: Channel) -> ProviderProfile {
    serde_json::from_value(serde_json::json!({ "name": name, "channel": channel })).unwrap()
}

fn contacts() -> Vec<Contact> {
    vec![
        Contact::parse(Channel::Sms, "+48600100200").unwrap(),
        Contact::parse(Channel::Sms, "+48600100300").unwrap(),
        Contact::parse(Channel::Push, "token-1").unwrap(),
    ]
}

fn plan(kind: Kind, steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan { kind, steps: steps.into_iter().collect(), ttl: LIFE, quiet_hours: None, hedge_after: None }
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
    candidates(plan, &Reachability { contacts, retired: &[], preferences: &preferences, only: &[] }, profiles)
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
        channel: candidate.contact.channel(),
        provider: candidate.provider.clone(),
        contact: candidate.contact_position,
        masked_contact: candidate.contact.masked(),
        contact_hash: None,
        country: None,
        started_at: at,
        took: Duration::ZERO,
        outcome,
        detail: None,
        segments: None,
        template_version: None,
        cost: None,
        failure: None,
    }
}

fn request(priority: Priority, now: Timestamp, life: Duration) -> RoutingRequest {
    let (delivery, expires_at) = (Some(DeliveryId(Uuid::from_u128(1))), NOW.after(life));
    RoutingRequest { delivery, priority, received_at: NOW, now, expires_at, may_exceed: false }
}

fn otp(now: Timestamp) -> RoutingRequest {
    request(Priority::Otp, now, LIFE)
}

fn decide_for(request: &RoutingRequest, candidates: &[Candidate], attempts: &[Attempt]) -> Decision {
    next(&Situation { request, usable: candidates, held: &[], hedge: None, attempts })
}

fn decide(candidates: &[Candidate], attempts: &[Attempt], now: Timestamp) -> Decision {
    decide_for(&otp(now), candidates, attempts)
}

fn hedged(candidates: &[Candidate], hedge: Hedge, attempts: &[Attempt], now: Timestamp) -> Decision {
    next(&Situation { request: &otp(now), usable: candidates, held: &[], hedge: Some(hedge), attempts })
}

#[test]
fn candidates_are_ordered_by_channel_contact_and_provider() {
    let order: Vec<_> = push_then_sms().iter().map(|w| (w.provider.0.clone(), w.contact_position)).collect();
    let expected = [("app", 0), ("primary", 0), ("backup", 0), ("primary", 1), ("backup", 1)];
    assert_eq!(order, expected.map(|(name, contact)| (name.to_owned(), contact)));
}

#[test]
fn a_provider_is_no_candidate_for_countries_it_does_not_serve() {
    let german = ProviderProfile { countries: vec!["+49".parse().unwrap()], ..profile("german", Channel::Sms) };
    assert!(candidates_of(&plan(Kind::Otp, [Channel::Sms.into()]), &contacts(), &[], &[german]).is_empty());
}

#[test]
fn after_a_rejection_the_next_candidate_is_tried_at_once_and_the_first_never_again() {
    let candidates = push_then_sms();
    let rejected = after(&candidates[0], Outcome::rejected(Cause::BadMessage), NOW);
    assert_eq!(decide(&candidates, &[rejected], NOW), Decision::Send(candidates[1].clone()));

    let all: Vec<_> =
        candidates.iter().map(|candidate| after(candidate, Outcome::rejected(Cause::BadMessage), NOW)).collect();
    assert_eq!(decide(&candidates, &all, NOW), Decision::GiveUp(EndReason::AllRejected));
}

#[test]
fn an_invalid_contact_is_not_tried_with_other_providers() {
    let candidates = push_then_sms();
    let tried = [
        after(&candidates[0], Outcome::rejected(Cause::InvalidContact), NOW),
        after(&candidates[1], Outcome::rejected(Cause::InvalidContact), NOW),
    ];
    assert_eq!(decide(&candidates, &tried, NOW), Decision::Send(candidates[3].clone()));
}

#[test]
fn after_a_deferral_the_next_candidate_is_tried_at_once_and_the_first_again_after_a_backoff() {
    let candidates = push_then_sms()[..2].to_vec();
    let first = after(&candidates[0], Outcome::deferred(Cause::ProviderDown), NOW);
    assert_eq!(decide(&candidates, std::slice::from_ref(&first), NOW), Decision::Send(candidates[1].clone()));

    let second = after(&candidates[1], Outcome::deferred(Cause::ProviderDown), NOW);
    let (both, due) = ([first, second], NOW.after(backoff(&otp(NOW), 1, NOW)));
    assert_eq!(decide(&candidates, &both, NOW), Decision::RetryAt(due));
    assert_eq!(decide(&candidates, &both, due), Decision::Send(candidates[0].clone()));
}

#[test]
fn a_short_retry_after_is_waited_for_and_a_long_one_is_not() {
    let candidates = push_then_sms()[..2].to_vec();
    let throttled = |wait| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(wait) };
    let short = after(&candidates[0], throttled(Duration::from_secs(2)), NOW);
    let long = after(&candidates[0], throttled(Duration::from_secs(6)), NOW);

    let due = NOW.after(Duration::from_secs(2));
    assert_eq!(decide(&candidates, std::slice::from_ref(&short), NOW), Decision::RetryAt(due));
    assert_eq!(decide(&candidates, &[short], due), Decision::Send(candidates[0].clone()));
    assert_eq!(decide(&candidates, &[long], NOW), Decision::Send(candidates[1].clone()));
}

#[test]
fn a_retry_after_is_waited_for_at_most_a_quarter_of_the_time_left() {
    let candidates = push_then_sms();
    let throttled = |wait| Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(Duration::from_secs(wait)) };
    let decide = |wait| {
        let request = request(Priority::Otp, NOW, Duration::from_secs(12));
        decide_for(&request, &candidates, &[after(&candidates[0], throttled(wait), NOW)])
    };
    assert_eq!(decide(3), Decision::RetryAt(NOW.after(Duration::from_secs(3))));
    assert_eq!(decide(4), Decision::Send(candidates[1].clone()));
}

#[test]
fn a_provider_is_never_tried_before_its_retry_after_is_over() {
    let candidates = push_then_sms()[..1].to_vec();
    let wait = Duration::from_mins(1);
    let throttled = after(&candidates[0], Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(wait) }, NOW);
    assert_eq!(decide(&candidates, &[throttled], NOW), Decision::RetryAt(NOW.after(wait)));
}

#[test]
fn a_retry_after_beyond_the_deadline_ends_the_delivery() {
    let candidates = push_then_sms()[..1].to_vec();
    let hour = Duration::from_hours(1);
    let throttled = after(&candidates[0], Outcome::Deferred { cause: Cause::Throttled, retry_after: Some(hour) }, NOW);
    assert_eq!(decide(&candidates, &[throttled], NOW), Decision::GiveUp(EndReason::DeadlinePassed));
}

#[test]
fn after_an_unknown_outcome_the_next_provider_is_tried_and_the_first_again_only_as_a_last_resort() {
    let candidates = push_then_sms()[1..3].to_vec();
    let lost = after(&candidates[0], Outcome::unknown(Cause::TimedOut), NOW);
    assert_eq!(decide(&candidates, std::slice::from_ref(&lost), NOW), Decision::Send(candidates[1].clone()));

    let tried = [lost, after(&candidates[1], Outcome::deferred(Cause::ProviderDown), NOW)];
    assert_eq!(decide(&candidates, &tried, NOW.after(SECOND)), Decision::Send(candidates[1].clone()));
}

#[test]
fn nothing_is_sent_at_or_after_the_deadline() {
    let candidates = push_then_sms();
    assert_eq!(decide(&candidates, &[], NOW.after(LIFE)), Decision::GiveUp(EndReason::DeadlinePassed));
}

#[test]
fn a_delivery_is_tried_until_its_deadline_however_often_that_is() {
    let candidates = push_then_sms()[..2].to_vec();
    for (priority, life) in [(Priority::Otp, LIFE), (Priority::Standard, Duration::from_hours(24))] {
        let (mut now, mut attempts) = (NOW, Vec::new());
        loop {
            match decide_for(&request(priority, now, life), &candidates, &attempts) {
                Decision::Send(candidate) => {
                    attempts.push(after(&candidate, Outcome::deferred(Cause::ProviderDown), now));
                }
                Decision::RetryAt(at) => now = at,
                ended => break assert_eq!(ended, Decision::GiveUp(EndReason::DeadlinePassed)),
            }
        }
        let tried_last = NOW.after(life).since(attempts.last().unwrap().started_at);
        assert!(tried_last <= Duration::from_secs(2), "{priority:?}: {tried_last:?} before its deadline");
        assert!(attempts.len() > 60, "{priority:?}: {}", attempts.len());
    }
}

#[test]
fn candidates_that_come_due_together_are_tried_together() {
    let candidates = push_then_sms();
    let late = Duration::from_millis(40);
    let deferred = |(at, candidate)| after(candidate, Outcome::deferred(Cause::ProviderDown), NOW.after(late * at));
    let attempts: Vec<_> = (0..).zip(&candidates).map(deferred).collect();

    let Decision::RetryAt(due) = decide(&candidates, &attempts, NOW) else { unreachable!("all have failed") };
    let mut again = attempts.clone();
    while let Decision::Send(candidate) = decide(&candidates, &again, due) {
        again.push(after(&candidate, Outcome::deferred(Cause::ProviderDown), due));
    }

    assert_eq!(again.len(), 2 * candidates.len());
}

#[test]
fn a_claim_at_its_time_goes_on_and_does_not_wait_again() {
    let candidates = push_then_sms()[..1].to_vec();
    for number in 1..200_u128 {
        let delivery = Some(DeliveryId(Uuid::from_u128(number)));
        let attempts = [after(&candidates[0], Outcome::deferred(Cause::ProviderDown), NOW)];
        let decide = |now| decide_for(&RoutingRequest { delivery, ..otp(now) }, &candidates, &attempts);
        let Decision::RetryAt(due) = decide(NOW) else { unreachable!("it has just failed") };
        assert_eq!(decide(due), Decision::Send(candidates[0].clone()));
    }
}

#[test]
fn a_candidate_without_a_free_connection_is_not_counted_and_the_next_one_is_tried_at_once() {
    let candidates = push_then_sms()[..2].to_vec();
    let busy = |candidate| after(candidate, Outcome::deferred(Cause::LocalQueue), NOW);
    let first = busy(&candidates[0]);
    assert_eq!(decide(&candidates, std::slice::from_ref(&first), NOW), Decision::Send(candidates[1].clone()));

    let both = [first, busy(&candidates[1])];
    assert_eq!(decide(&candidates, &both, NOW), Decision::RetryAt(NOW.after(SECOND)));
}

#[test]
fn backoff_doubles_is_bounded_by_the_priority_and_varies() {
    for (priority, most) in [(Priority::Otp, 10), (Priority::Standard, 300)] {
        let request = request(priority, NOW, Duration::from_hours(24));
        for (failures, whole) in [(1, 1), (2, 2), (3, 4), (40, most)] {
            let whole = Duration::from_secs(whole);
            let wait = backoff(&request, failures, NOW);
            assert!(wait >= whole / 2 && wait <= whole, "{failures} failures: {wait:?}");
        }
    }
    let of =
        |number| backoff(&RoutingRequest { delivery: Some(DeliveryId(Uuid::from_u128(number))), ..otp(NOW) }, 1, NOW);
    assert!((1..9).any(|number| of(number).abs_diff(of(0)) > SECOND / 10));
}

#[test]
fn while_every_candidate_that_is_left_must_wait_so_does_the_delivery_until_its_deadline() {
    let candidates = push_then_sms();
    let rejected = after(&candidates[0], Outcome::rejected(Cause::BadMessage), NOW);
    let decide = |now| {
        let (usable, held) = (&candidates[..1], &candidates[1..2]);
        next(&Situation { request: &otp(now), usable, held, hedge: None, attempts: std::slice::from_ref(&rejected) })
    };

    assert_eq!(decide(NOW), Decision::RetryAt(NOW.after(SECOND)));
    assert_eq!(decide(NOW.after(LIFE / 2)), Decision::RetryAt(NOW.after(LIFE / 2 + SECOND * 10)));
    let last = NOW.after(LIFE).before(SECOND);
    assert_eq!(decide(last), Decision::RetryAt(NOW.after(LIFE)));
    assert_eq!(decide(NOW.after(LIFE)), Decision::GiveUp(EndReason::DeadlinePassed));
}

#[test]
fn a_message_that_was_not_delivered_is_followed_by_the_next_candidate() {
    let candidates = push_then_sms();
    let failed = |candidate| Attempt { failure: Some(ReceiptStatus::Undelivered), ..after(candidate, accepted(), NOW) };
    let first = failed(&candidates[1]);
    assert_eq!(decide(&candidates[1..3], std::slice::from_ref(&first), NOW), Decision::Send(candidates[2].clone()));

    let both = [first, failed(&candidates[2])];
    assert_eq!(decide(&candidates[1..3], &both, NOW), Decision::GiveUp(EndReason::AllRejected));
}

#[test]
fn a_candidate_that_never_answers_is_tried_at_most_twice_unless_it_deduplicates() {
    let candidates = push_then_sms()[..1].to_vec();
    let twice = [
        after(&candidates[0], Outcome::unknown(Cause::TimedOut), NOW),
        after(&candidates[0], Outcome::unknown(Cause::TimedOut), NOW),
    ];
    let later = NOW.after(SECOND * 30);
    assert_eq!(decide(&candidates, &twice, later), Decision::GiveUp(EndReason::AllRejected));

    let careful = vec![Candidate { deduplicates: true, ..candidates[0].clone() }];
    assert_eq!(decide(&careful, &twice, later), Decision::Send(careful[0].clone()));
}

#[test]
fn an_attempt_interrupted_by_a_crash_is_repeated_at_once_however_often() {
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

fn channel_order(kind: Kind, agreed: &[Channel]) -> Vec<Channel> {
    let plan = plan(kind, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let mut channels: Vec<_> = candidates_of(&plan, &everywhere(), agreed, &profiles())
        .iter()
        .map(|candidate| candidate.contact.channel())
        .collect();
    channels.dedup();
    channels
}

#[test]
fn preferences_order_standard_notifications_but_not_codes_and_exclude_channels_for_both() {
    use Channel::{Email, Push, Sms};
    for (kind, agreed, order) in [
        (Kind::Transaction, &[][..], &[Push, Sms, Email][..]),
        (Kind::Transaction, &[Email, Push], &[Email, Push]),
        (Kind::Otp, &[Email, Push], &[Push, Email]),
        (Kind::Otp, &[Sms], &[Sms]),
    ] {
        assert_eq!(channel_order(kind, agreed), order, "{kind} {agreed:?}");
    }
}

#[test]
fn a_retired_contact_is_skipped_and_the_others_keep_their_positions() {
    let plan = plan(Kind::Otp, [Channel::Push.into()]);
    let contacts = ["old", "new"].map(|token| Contact::parse(Channel::Push, token).unwrap());
    let [old, new] = &contacts;
    let provider = ProviderName("app".to_owned());
    let retired = [RetiredContact { contact: old.clone(), at: NOW, provider, detail: None }];
    let reach =
        Reachability { contacts: &contacts, retired: &retired, preferences: &Preferences::default(), only: &[] };

    let results = evaluate(&plan, &reach, &[profile("app", Channel::Push)]);

    let skipped = CandidateResult::Skipped { step: 0, channel: Channel::Push, reason: SkipReason::Retired(0) };
    assert_eq!((results.len(), &results[0]), (2, &skipped));
    let candidate = results[1].candidate().unwrap();
    assert_eq!((&candidate.contact, candidate.contact_position), (new, 1));
}

#[test]
fn every_skipped_entry_of_a_plan_has_a_reason() {
    let plan = plan(Kind::Transaction, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let preferences = Preferences { channels: vec![Channel::Push, Channel::Sms], time_zone: None };
    let german = ProviderProfile { countries: vec!["+49".parse().unwrap()], ..profile("german", Channel::Sms) };
    let contacts = [(Channel::Sms, "+48600100200"), (Channel::Email, "reader@example.org")]
        .map(|(channel, text)| Contact::parse(channel, text).unwrap());
    let reach = Reachability { contacts: &contacts, retired: &[], preferences: &preferences, only: &[] };

    let skipped: Vec<_> =
        evaluate(&plan, &reach, &[german, profile("app", Channel::Push), profile("mail", Channel::Email)])
            .into_iter()
            .map(|result| match result {
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
fn a_plan_without_candidates_says_whether_consent_or_a_contact_is_missing() {
    let plan = plan(Kind::Transaction, [Channel::Push.into(), Channel::Sms.into()]);
    let (push, sms) = (profile("app", Channel::Push), profile("sms", Channel::Sms));
    let phone = [Contact::parse(Channel::Sms, "+48600100200").unwrap()];
    let reason = |contacts: &[Contact], agreed: &[Channel], profiles: &[ProviderProfile]| {
        let preferences = Preferences { channels: agreed.to_vec(), time_zone: None };
        let reach = Reachability { contacts, retired: &[], preferences: &preferences, only: &[] };
        reason_for_no_candidate(&evaluate(&plan, &reach, profiles))
    };

    assert_eq!(reason(&phone, &[Channel::Push], &[push.clone(), sms.clone()]), EndReason::NotAgreed);
    assert_eq!(reason(&[], &[Channel::Push], &[push.clone(), sms]), EndReason::NoContact);
    assert_eq!(reason(&phone, &[], &[push]), EndReason::NoContact);
}

#[test]
fn an_explanation_begins_as_the_delivery_would_and_respects_quiet_hours() {
    let quiet = Plan {
        ttl: Duration::from_hours(24),
        quiet_hours: Some("07:00-23:59".parse().unwrap()),
        ..plan(Kind::Transaction, [Channel::Sms.into()])
    };
    let loud = Plan { quiet_hours: None, ..quiet.clone() };
    let (contacts, preferences) = (contacts(), Preferences::default());
    let reach = Reachability { contacts: &contacts, retired: &[], preferences: &preferences, only: &[] };
    let table = ranking::ProviderTable::new(&profiles());
    let zone = jiff::tz::TimeZone::UTC;
    let state = RoutingState { providers: &table, allows: &|_| true, may_exceed: true, zone: &zone, now: NOW };
    let explained = |plan: &Plan| explain(plan, &reach, &profiles(), &state, NOW);

    assert_eq!(explained(&loud).first, Decision::Send(candidates(&loud, &reach, &profiles())[0].clone()));
    let until = explained(&quiet).quiet_until.unwrap();
    assert_eq!(explained(&quiet).first, Decision::RetryAt(until));
    assert_eq!(until.to_string(), "2027-01-15T23:59:00.000Z");
}

#[test]
fn parallel_channels_are_split_and_the_first_one_keeps_the_other_steps() {
    use Channel::{Email, Push, Sms};
    let plan = plan(Kind::Transaction, [Push.into(), vec![Sms, Email].into()]);
    let all = candidates_of(&plan, &everywhere(), &[], &profiles());
    let of = |candidates: &[Candidate], channel| {
        candidates.iter().find(|candidate| candidate.contact.channel() == channel).unwrap().clone()
    };

    assert!(split(&plan, &all, &of(&all, Push)).is_empty());
    assert_eq!(split(&plan, &all, &of(&all, Sms)), [vec![Push, Sms], vec![Email]]);

    // A recipient without an e-mail address gets one message, from this delivery.
    let without = candidates_of(&plan, &contacts(), &[], &profiles());
    assert!(split(&plan, &without, &of(&without, Sms)).is_empty());
}

#[test]
fn an_accepted_message_ends_the_delivery_unless_it_is_a_hedged_push() {
    let wait = Duration::from_secs(30);
    let plan = Plan { hedge_after: Some(wait), ..plan(Kind::Otp, [Channel::Push.into(), Channel::Sms.into()]) };
    let candidates = candidates_of(&plan, &contacts(), &[], &profiles());
    let of_plan = hedge(&plan, &Preferences::default()).unwrap();
    let push = after(&candidates[0], accepted(), NOW);
    let due = NOW.after(wait);
    let decide_hedged =
        |candidates: &[Candidate], attempts: &[Attempt], now| hedged(candidates, of_plan, attempts, now);

    let plain = push_then_sms();
    assert_eq!(decide(&plain, &[after(&plain[0], accepted(), NOW)], NOW), Decision::Done);

    assert_eq!(decide_hedged(&candidates, std::slice::from_ref(&push), NOW), Decision::RetryAt(due));
    assert_eq!(decide_hedged(&candidates, std::slice::from_ref(&push), due), Decision::Send(candidates[1].clone()));
    // There is no other candidate, or no time for one.
    assert_eq!(decide_hedged(&candidates[..1], std::slice::from_ref(&push), NOW), Decision::Done);
    let late = Hedge { after: LIFE, ..of_plan };
    assert_eq!(hedged(&candidates, late, std::slice::from_ref(&push), NOW), Decision::Done);

    let sms = |outcome| [push.clone(), after(&candidates[1], outcome, due)];
    assert_eq!(decide_hedged(&candidates, &sms(accepted()), due), Decision::Done);
    assert_eq!(
        decide_hedged(&candidates, &sms(Outcome::rejected(Cause::BadMessage)), due),
        Decision::Send(candidates[2].clone())
    );
    let bad: Vec<_> = std::iter::once(push)
        .chain(candidates[1..].iter().map(|candidate| after(candidate, Outcome::rejected(Cause::BadMessage), due)))
        .collect();
    assert_eq!(decide_hedged(&candidates, &bad, due), Decision::Done);
}

#[test]
fn a_hedge_goes_on_when_the_provider_of_the_push_is_drained_or_removed() {
    let (wait, steps) = (Duration::from_secs(30), [Channel::Push.into(), Channel::Sms.into()]);
    let plan = Plan { hedge_after: Some(wait), ..plan(Kind::Otp, steps) };
    let all = candidates_of(&plan, &contacts(), &[], &profiles());
    let of_plan = hedge(&plan, &Preferences::default()).unwrap();
    let push = [after(&all[0], accepted(), NOW)];
    let without_push = &all[1..];
    let due = NOW.after(wait);

    assert_eq!(hedged(without_push, of_plan, &push, NOW), Decision::RetryAt(due));
    assert_eq!(hedged(without_push, of_plan, &push, due), Decision::Send(all[1].clone()));
    // Nor is it given up when the providers of the next step must wait.
    let (request, held) = (otp(due), without_push);
    let waits = next(&Situation { request: &request, usable: &all[..1], held, hedge: Some(of_plan), attempts: &push });
    assert!(matches!(waits, Decision::RetryAt(_)), "{waits:?}");
}

#[test]
fn a_hedged_push_that_was_not_delivered_is_followed_at_once() {
    let (wait, steps) = (Duration::from_secs(30), [Channel::Push.into(), Channel::Sms.into()]);
    let plan = Plan { hedge_after: Some(wait), ..plan(Kind::Otp, steps) };
    let all = candidates_of(&plan, &contacts(), &[], &profiles());
    let of_plan = hedge(&plan, &Preferences::default()).unwrap();
    let push = Attempt { failure: Some(ReceiptStatus::Undelivered), ..after(&all[0], accepted(), NOW) };

    assert_eq!(hedged(&all, of_plan, &[push], NOW), Decision::Send(all[1].clone()));
}

#[test]
fn code_of_ours_that_panics_is_not_tried_for_ever() {
    let careful = vec![Candidate { deduplicates: true, ..push_then_sms()[1].clone() }];
    let panicked: Vec<_> =
        (0..UNKNOWN_MAX).map(|_| after(&careful[0], Outcome::unknown(Cause::Panicked), NOW)).collect();
    assert_eq!(decide(&careful, &panicked, NOW.after(SECOND * 30)), Decision::GiveUp(EndReason::AllRejected));
}
