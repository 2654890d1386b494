//! Notifications that are answered with a 4xx status. A processor does not send them again, so their content is lost.
//!
//! The HTTP parser answers a malformed head by itself; that is a rejection, too.
//!
//! Each is counted by client, reason and field. Once a minute for each of these there is a line in the log and an audit event
//! with the count. When a client begins to be rejected that was accepted before, an alarm is raised until it is accepted
//! again. A field is named and its value is never kept.

mod client_health;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::batch_counter::{BatchCounter, BatchKey};
use super::problem::Problem;
use crate::domain::notification::ClientName;
use crate::flow::audit::{RejectedNotifications, RejectionAlarm};
use client_health::{ClientHealth, HealthChange};

/// What is written when no field is to blame.
const NO_FIELD: &str = "none";

/// The kind of a request whose path is not known.
const NO_KIND: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RejectedKind {
    client: ClientName,
    /// The kind of notification, by the path.
    kind: &'static str,
    problem: Problem,
}

impl BatchKey for RejectedKind {
    fn together(&self) -> Self {
        Self { kind: NO_KIND, problem: self.problem.without_field(), ..self.clone() }
    }
}

/// The notifications that were rejected, and how the clients do.
#[derive(Default)]
pub(super) struct NotificationRejections {
    counts: BatchCounter<RejectedKind>,
    clients: Mutex<HashMap<ClientName, HashMap<&'static str, ClientHealth>>>,
}

/// What is due for the audit log.
#[derive(Debug, Default)]
pub(super) struct DueRejections {
    pub(super) rejected: Vec<RejectedNotifications>,
    pub(super) alarms: Vec<RejectionAlarm>,
}

impl NotificationRejections {
    /// Records that a notification of this kind was accepted.
    pub(super) fn accepted(&self, client: &ClientName, kind: &'static str) {
        self.with_health(client, kind, |health, of_no_kind| {
            health.accepted();
            of_no_kind.into_iter().for_each(ClientHealth::accepted);
        });
    }

    /// Records that the HTTP parser rejected a request, which no handler learnt of.
    pub(super) fn malformed(&self, client: &ClientName, problem: Problem, now: Instant) {
        let labels = [("processor", "none"), ("kind", NO_KIND), ("outcome", problem.into_str())];
        metrics::counter!("otpost_ingest_requests_total", &labels).increment(1);
        self.rejected(client, NO_KIND, problem, now);
    }

    /// Records that a request was rejected because of `problem`, unless the client is not to blame.
    pub(super) fn rejected(&self, client: &ClientName, kind: &'static str, problem: Problem, now: Instant) {
        if !problem.is_of_the_client() {
            return;
        }
        let (reason, field) = (problem.into_str(), problem.field().unwrap_or(NO_FIELD));
        let labels = [("client", client.0.clone()), ("reason", reason.to_owned()), ("field", field.to_owned())];
        metrics::counter!("otpost_ingest_rejections_total", &labels).increment(1);
        self.counts.count(RejectedKind { client: client.clone(), kind, problem });
        self.with_health(client, kind, |health, _| health.rejected(now));
    }

    /// Logs what is due now, and returns it for the audit log.
    pub(super) fn take_due(&self, now: Instant) -> DueRejections {
        let rejected = self.counts.take_due(now).into_iter().map(log).collect();
        DueRejections { rejected, alarms: self.take_alarms(now) }
    }

    /// The same for everything, due or not: the listener stops.
    pub(super) fn take_all(&self) -> DueRejections {
        let rejected = self.counts.take_all().into_iter().map(log).collect();
        DueRejections { rejected, alarms: self.take_alarms(Instant::now()) }
    }

    // Changes how a client does with a kind. Requests of no known kind are never accepted: what ends their alarm is a
    // notification of any kind, so their health is given, too.
    fn with_health(
        &self,
        client: &ClientName,
        kind: &'static str,
        change: impl FnOnce(&mut ClientHealth, Option<&mut ClientHealth>),
    ) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // The name is copied for the first notification only.
        if !clients.contains_key(client) {
            clients.insert(client.clone(), HashMap::new());
        }
        let Some(kinds) = clients.get_mut(client) else { return };
        let mut of_no_kind = if kind == NO_KIND { None } else { kinds.remove(NO_KIND) };
        change(kinds.entry(kind).or_default(), of_no_kind.as_mut());
        kinds.extend(of_no_kind.map(|health| (NO_KIND, health)));
    }

    fn take_alarms(&self, now: Instant) -> Vec<RejectionAlarm> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut alarms = Vec::new();
        for (client, kinds) in &mut *clients {
            let was_accepted = kinds.values().any(ClientHealth::was_accepted);
            for (kind, health) in kinds {
                alarms.extend(health.check(now).map(|change| alarm(client, kind, change, was_accepted)));
            }
        }
        alarms
    }
}

fn log((RejectedKind { client, kind, problem }, count): (RejectedKind, u64)) -> RejectedNotifications {
    let (status, reason) = (problem.status().as_u16(), problem.into_str());
    let (field, detail) = (problem.field(), problem.cause());
    tracing::warn!(%client, kind, status, reason, field, detail, count, "notification rejected");
    RejectedNotifications { client, kind, status, reason, field, detail, count }
}

fn alarm(client: &ClientName, kind: &'static str, change: HealthChange, was_accepted: bool) -> RejectionAlarm {
    let began = matches!(change, HealthChange::Rejected { .. });
    let gauge = metrics::gauge!("otpost_ingest_client_rejected", "client" => client.0.clone(), "kind" => kind);
    gauge.set(f64::from(u8::from(began)));
    let rejected = match change {
        HealthChange::Rejected { rejected, of } if was_accepted => {
            tracing::error!(
                %client, kind, rejected, of,
                "notifications are rejected of a client that was accepted before: has its format changed?"
            );
            rejected
        }
        HealthChange::Rejected { rejected, of } => {
            tracing::error!(%client, kind, rejected, of, "notifications are rejected, and none was accepted since the start");
            rejected
        }
        HealthChange::Accepted { rejected } => {
            tracing::info!(%client, kind, rejected, "notifications are accepted again");
            rejected
        }
    };
    RejectionAlarm { client: client.clone(), kind, began, rejected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::batch_counter::ENTRY_INTERVAL;

    const AMOUNT: Problem = Problem::Invalid("amount", "expected 1 to 19 digits, minor units");

    fn client() -> ClientName {
        ClientName("processor".to_owned())
    }

    #[test]
    fn a_rejection_names_client_kind_reason_and_field_and_counts_its_repetitions() {
        let (rejections, now) = (NotificationRejections::default(), Instant::now());
        let reject = |problem| rejections.rejected(&client(), "otp", problem, now);

        reject(AMOUNT);
        let first = rejections.take_due(now).rejected;
        (0..4).for_each(|_| reject(AMOUNT));
        reject(Problem::UnsupportedMedia);
        reject(Problem::Unavailable);
        let second = rejections.take_due(now + ENTRY_INTERVAL / 2).rejected;
        let third = rejections.take_due(now + ENTRY_INTERVAL).rejected;

        let expected = |count| RejectedNotifications {
            client: client(),
            kind: "otp",
            status: 422,
            reason: "invalid",
            field: Some("amount"),
            detail: "expected 1 to 19 digits, minor units",
            count,
        };
        assert_eq!(first, [expected(1)]);
        assert_eq!(
            second.iter().map(|it| (it.status, it.reason, it.field)).collect::<Vec<_>>(),
            [(415, "unsupported_media", None)]
        );
        assert_eq!(third, [expected(4)]);
    }

    #[test]
    fn an_alarm_is_raised_when_a_client_begins_to_be_rejected_and_ends_when_it_is_accepted_again() {
        let (rejections, now) = (NotificationRejections::default(), Instant::now());
        (0..20).for_each(|_| rejections.accepted(&client(), "otp"));
        (0..3).for_each(|_| rejections.rejected(&client(), "otp", AMOUNT, now));

        let raised = rejections.take_due(now).alarms;
        let again = rejections.take_due(now).alarms;
        rejections.accepted(&client(), "otp");
        let early = rejections.take_due(now).alarms;
        let ended = rejections.take_due(now + ENTRY_INTERVAL).alarms;

        let alarm = |began| RejectionAlarm { client: client(), kind: "otp", began, rejected: 3 };
        assert_eq!((raised, again, early, ended), (vec![alarm(true)], vec![], vec![], vec![alarm(false)]));
    }

    #[test]
    fn an_alarm_about_malformed_requests_ends_when_the_client_is_accepted() {
        let (rejections, now) = (NotificationRejections::default(), Instant::now());
        (0..3).for_each(|_| rejections.malformed(&client(), Problem::HeadTooLarge, now));

        let raised = rejections.take_due(now).alarms;
        rejections.accepted(&client(), "otp");
        let ended = rejections.take_due(now + ENTRY_INTERVAL).alarms;

        let alarm = |began| RejectionAlarm { client: client(), kind: "none", began, rejected: 3 };
        assert_eq!((raised, ended), (vec![alarm(true)], vec![alarm(false)]));
    }
}
