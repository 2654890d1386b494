//! What follows an attempt: the next candidate, a wait, or the end.

use super::*;

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

#[test]
fn code_of_ours_that_panics_is_not_tried_for_ever() {
    let careful = vec![Candidate { deduplicates: true, ..push_then_sms()[1].clone() }];
    let panicked: Vec<_> =
        (0..UNKNOWN_MAX).map(|_| after(&careful[0], Outcome::unknown(Cause::Panicked), NOW)).collect();
    assert_eq!(decide(&careful, &panicked, NOW.after(SECOND * 30)), Decision::GiveUp(EndReason::AllRejected));
}
