//! A second message while the first is not confirmed.

use super::*;

fn hedged(candidates: &[Candidate], hedge: Hedge, attempts: &[Attempt], now: Timestamp) -> Decision {
    next(&Situation { request: &otp(now), usable: candidates, held: &[], hedge: Some(hedge), attempts })
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
