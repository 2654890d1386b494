//! Compares the record of a simulation with the promises, and describes each broken one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::delivery::DeliveryState;
use otpost::domain::notification::Kind;
use otpost::domain::outcome::{Cause, Outcome};
use otpost::flow::tasks::cleanup;
use otpost::store::reports::{DeliveryDetail, DeliveryFilter};
use uuid::Uuid;

use super::providers::MessageLog;
use super::record::{Arrival, IssuedCertificate, Sent};
use super::story::{LONGEST, calm_store};
use super::world::{World, true_clock};

/// Messages to one candidate without an answer; those that a crash interrupted are not counted.
const UNKNOWN_MAX: usize = 2;

/// How late an end may be recorded without faults.
const PROMPTLY: Duration = Duration::from_secs(5);

/// How late an end may be recorded after a fault: a lease has to expire first, and a worker has to claim.
const AFTER_TROUBLE: Duration = Duration::from_secs(25);

/// The broken promises.
pub(super) async fn judge(world: &Arc<World>) -> Vec<String> {
    let store = calm_store(world).await;
    let all = DeliveryFilter::newest(1_000_000);
    let mut details = Vec::new();
    for line in store.reports().deliveries(&all).await.unwrap().lines {
        details.push(store.reports().delivery(line.id).await.unwrap().unwrap());
    }
    // Past the last deadline, a quarter of an hour and the grace after it.
    tokio::time::sleep(LONGEST + Duration::from_mins(17)).await;
    cleanup::sweep_once(&store, true_clock(world).as_ref(), LONGEST).await.unwrap();
    let keys = store.epoch_keys();
    let record = std::mem::take(&mut *world.record.lock().unwrap());
    let court =
        Court { record: &record, details: &details, stations: &world.stations, is_alone: world.nature.nodes == 1 };
    let mut broken = Vec::new();
    court.accepted_is_there(&mut broken);
    court.one_for_each_key(&mut broken);
    for detail in &details {
        court.ended_in_time(detail, &mut broken);
        court.sent_in_time(detail, &mut broken);
        court.sent_no_oftener_than_needed(detail, &mut broken);
        audited(detail, &mut broken);
    }
    court.no_code_is_left(&mut broken);
    court.newest_code_wins(&mut broken);
    court.told_what_was_said(&mut broken);
    court.in_order(&mut broken);
    court.no_stale_event_is_sent(&mut broken);
    // Its own, and the next one when that is near.
    if keys > 2 {
        broken.push(format!("{keys} epoch keys are left"));
    }
    world.record.lock().unwrap().trace = [record.trace, timelines(&details)].concat();
    broken
}

fn timelines(details: &[DeliveryDetail]) -> Vec<String> {
    let mut lines = Vec::new();
    for detail in details {
        let line = &detail.line;
        lines
            .push(format!("{} {} {} {:?}, until {}", line.id, line.kind, line.state, line.end_reason, line.expires_at));
        lines.extend(
            detail
                .events
                .iter()
                .map(|event| format!("    {} {} {} {}", event.at, event.actor, event.kind, event.detail)),
        );
    }
    lines
}

struct Court<'a> {
    record: &'a IssuedCertificate,
    details: &'a [DeliveryDetail],
    stations: &'a [Arc<MessageLog>],
    is_alone: bool,
}

impl Court<'_> {
    // Each answered notification has its row.
    fn accepted_is_there(&self, broken: &mut Vec<String>) {
        let there: BTreeSet<Uuid> = self.details.iter().map(|detail| detail.line.notification).collect();
        let lost = self.record.told.iter().filter(|told| !there.contains(&told.id.0));
        broken.extend(lost.map(|told| format!("{:?} was taken and is lost", told.id)));
    }

    fn one_for_each_key(&self, broken: &mut Vec<String>) {
        let mut by_key: BTreeMap<&str, BTreeSet<Uuid>> = BTreeMap::new();
        for detail in self.details {
            if let Some(key) = &detail.line.idempotency_key {
                by_key.entry(key).or_default().insert(detail.line.notification);
            }
        }
        for told in &self.record.told {
            if let Some(key) = &told.key {
                by_key.entry(key).or_default().insert(told.id.0);
            }
        }
        let twice = by_key.iter().filter(|(_, ids)| ids.len() > 1);
        broken.extend(twice.map(|(key, ids)| format!("{key} has {} notifications", ids.len())));
    }

    fn ended_in_time(&self, detail: &DeliveryDetail, broken: &mut Vec<String>) {
        let line = &detail.line;
        let Some(ended_at) = line.ended_at else {
            return broken.push(format!("{} is {} at the end", line.id, line.state));
        };
        let during = self.record.disturbances.iter().filter(|at| **at <= ended_at);
        let excused = during.max().map_or(line.expires_at, |at| at.after(AFTER_TROUBLE));
        let latest = line.expires_at.after(PROMPTLY).max(excused);
        if ended_at > latest {
            broken.push(format!("{} ended {:?} too late", line.id, ended_at.since(latest)));
        }
    }

    fn sent(&self, delivery: Uuid) -> impl Iterator<Item = &Sent> {
        self.record.sent.iter().filter(move |sent| sent.delivery.0 == delivery)
    }

    fn sent_in_time(&self, detail: &DeliveryDetail, broken: &mut Vec<String>) {
        let line = &detail.line;
        for sent in self.sent(line.id) {
            if sent.at >= line.expires_at {
                broken.push(format!("{} was sent {:?} after its deadline", line.id, sent.at.since(line.expires_at)));
            }
            if line.ended_at.is_some_and(|ended| sent.at > ended) {
                broken.push(format!("{} was sent after its end", line.id));
            }
        }
    }

    fn sent_no_oftener_than_needed(&self, detail: &DeliveryDetail, broken: &mut Vec<String>) {
        let id = detail.line.id;
        let interrupted = |outcome: &Outcome| *outcome == Outcome::unknown(Cause::Interrupted);
        for station in self.stations {
            for attempt in detail.attempts.iter().filter(|attempt| attempt.provider == station.name()) {
                let same = detail.attempts.iter().filter(|other| {
                    (&other.provider, other.contact) == (&attempt.provider, attempt.contact)
                        && other.outcome.may_have_arrived()
                        && !interrupted(&other.outcome)
                });
                let panicked = same.clone().filter(|other| other.outcome.cause() == Some(Cause::Panicked)).count();
                if panicked > UNKNOWN_MAX || (same.count() > UNKNOWN_MAX && !station.profile().deduplicates) {
                    broken.push(format!("{id} was sent too often through {} without an answer", attempt.provider));
                }
            }
        }
        let in_doubt = detail.attempts.iter().filter(|attempt| attempt.outcome.may_have_arrived()).count();
        let accepted = detail.attempts.iter().filter(|attempt| attempt.outcome.is_accepted()).count();
        let taken = self.record.taken.iter().filter(|taken| taken.0 == id).count();
        // Each message beyond the recorded ones must belong to an attempt whose end could not be recorded.
        let claimed_in_doubt =
            detail.events.iter().filter(|event| event.kind == "claimed" && event.detail.contains("true")).count();
        if taken > accepted + in_doubt + claimed_in_doubt {
            broken.push(format!("{id} arrived {taken} times, {accepted} on record, {in_doubt} in doubt"));
        }
        // A hedge is a second message. One that was reported as not delivered may be followed by another.
        let undisputed = detail.attempts.iter().filter(|attempt| attempt.is_taken()).count();
        if undisputed > 2 {
            broken.push(format!("{id} was accepted {undisputed} times on record"));
        }
    }

    fn no_code_is_left(&self, broken: &mut Vec<String>) {
        let kept = format!("{:?}", self.details);
        let leaked = self.record.codes.iter().filter(|code| kept.contains(code.as_str()));
        broken.extend(leaked.map(|code| format!("the code {code} can be read in the store")));
    }

    // An older OTP that waited is not sent after a newer one was accepted; one in flight may be.
    fn newest_code_wins(&self, broken: &mut Vec<String>) {
        let codes: Vec<&Arrival> = self.record.told.iter().filter(|told| told.code.is_some()).collect();
        for older in &codes {
            for newer in codes.iter().filter(|newer| newer.about == older.about && newer.id > older.id) {
                let own = self.details.iter().filter(|detail| detail.line.notification == older.id.0);
                let sent = own.flat_map(|detail| self.sent(detail.line.id));
                let late = sent.filter(|sent| sent.at > newer.at.after(Duration::from_secs(10)));
                broken.extend(late.map(|sent| format!("{} was sent after a newer code", sent.delivery)));
            }
        }
    }

    // The right code, to a contact of the recipient, on the channel of that contact.
    fn told_what_was_said(&self, broken: &mut Vec<String>) {
        let of = |delivery: Uuid| self.details.iter().find(|detail| detail.line.id == delivery);
        for sent in &self.record.sent {
            let Some(detail) = of(sent.delivery.0) else {
                broken.push(format!("{} was sent and is not there", sent.delivery));
                continue;
            };
            let told = self.record.told.iter().find(|told| told.id.0 == detail.line.notification);
            let code = told.and_then(|told| told.code.as_ref());
            if code.is_some_and(|code| !sent.text.contains(code.as_str())) {
                broken.push(format!("{} was sent without its code", sent.delivery));
            }
            let codes = self.record.codes.iter().filter(|code| sent.text.contains(code.as_str())).count();
            if (detail.line.kind == Kind::Otp.name()) != (codes > 0) {
                broken.push(format!("{} is {} and names {codes} codes", sent.delivery, detail.line.kind));
            }
            if sent.provider.0.starts_with("sms") != sent.to.starts_with('+') {
                broken.push(format!("{} went to {} over {}", sent.delivery, sent.to, sent.channel));
            }
        }
    }

    // A lock is not sent any more once the unlock after it was accepted by a provider, and the other way round.
    fn no_stale_event_is_sent(&self, broken: &mut Vec<String>) {
        let events: Vec<&Arrival> = self.record.told.iter().filter(|told| told.is_lock.is_some()).collect();
        let own = |id: Uuid| self.details.iter().filter(move |detail| detail.line.notification == id);
        for newer in &events {
            let left =
                own(newer.id.0).filter(|detail| detail.attempts.iter().any(|attempt| attempt.outcome.is_accepted()));
            let Some(left) = left.flat_map(|detail| self.sent(detail.line.id)).map(|sent| sent.at).max() else {
                continue;
            };
            let is_older =
                |older: &&&Arrival| older.about == newer.about && older.id < newer.id && older.is_lock != newer.is_lock;
            for older in events.iter().filter(is_older) {
                let sent = own(older.id.0).flat_map(|detail| self.sent(detail.line.id));
                let stale = sent.filter(|sent| sent.at > left.after(AFTER_TROUBLE));
                broken.extend(stale.map(|sent| format!("{} was sent after the opposite event", sent.delivery)));
            }
        }
    }

    // Notifications of one card are sent in the order of acceptance, unless the first one had to wait long.
    fn in_order(&self, broken: &mut Vec<String>) {
        if !self.is_alone || !self.record.disturbances.is_empty() && self.record.disturbances.len() > 1 {
            return;
        }
        let mut lanes: HashMap<&str, Vec<(Uuid, Timestamp, Timestamp)>> = HashMap::new();
        for told in self.record.told.iter().filter(|told| told.about.starts_with("card")) {
            let own: Vec<_> = self.details.iter().filter(|detail| detail.line.notification == told.id.0).collect();
            let times: Vec<_> = own.iter().flat_map(|detail| self.sent(detail.line.id)).map(|sent| sent.at).collect();
            if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
                lanes.entry(&told.about).or_default().push((told.id.0, *first, *last));
            }
        }
        for (about, mut told) in lanes {
            told.sort_unstable();
            told.dedup();
            for pair in told.windows(2) {
                if pair[1].1 < pair[0].1 {
                    broken.push(format!("{about}: {} was told before {}", pair[1].0, pair[0].0));
                }
            }
        }
    }
}

// The audit events alone give the state and the attempts.
fn audited(detail: &DeliveryDetail, broken: &mut Vec<String>) {
    let (id, mut state, mut attempts) = (detail.line.id, DeliveryState::Open, 0);
    let own = |kind: &str| detail.events.iter().filter(|event| event.kind == kind).count();
    if own("accepted") + own("planned") == 0 && detail.others.is_empty() {
        broken.push(format!("{id} has no beginning in the audit log"));
    }
    for event in &detail.events {
        let told: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
        let named = told["state"].as_str().and_then(DeliveryState::from_name);
        state = match event.kind.as_str() {
            "sent" | "given_up" | "attempt_failed" => named.unwrap(),
            "confirmed" => DeliveryState::Confirmed,
            "undelivered" => DeliveryState::Undelivered,
            "expired_by_provider" => DeliveryState::ExpiredByProvider,
            _ => state,
        };
        let is_ours = ["sent", "given_up", "attempted", "postponed"].contains(&event.kind.as_str());
        attempts += usize::from(is_ours && told.get("attempt").is_some());
    }
    if state.name() != detail.line.state {
        broken.push(format!("{id} is {}, its events say {state}", detail.line.state));
    }
    if attempts != detail.attempts.len() {
        broken.push(format!("{id} has {} attempts, its events say {attempts}", detail.attempts.len()));
    }
}
