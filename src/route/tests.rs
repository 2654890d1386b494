//! The attempts at a delivery, and the decision that follows.

mod candidates;
mod hedges;
mod retries;

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

fn accepted() -> Outcome {
    Outcome::Accepted { reference: None }
}
