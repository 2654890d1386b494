//! What an event says of a delivery. Pure: it takes an entry of the audit log, and leaves out everything that is not in its list.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};
use strum::{EnumIter, IntoStaticStr};
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::store::audit_tree::LoggedEvent;
use crate::store::reports::DeliverySender;

/// The names of all statuses.
pub const STATUSES: [&str; 4] =
    [Status::Sent.name(), Status::Confirmed.name(), Status::Failed.name(), Status::Expired.name()];

/// What is repeated of the detail of an audit event: names and numbers that the gateway, and not a provider or a person, has written.
const DETAIL: [&str; 6] = ["attempt", "channel", "provider", "state", "reason", "cause"];

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub(super) enum Status {
    /// A provider accepted the message.
    Sent,
    /// A receipt reported that it was delivered.
    Confirmed,
    /// Nothing was, or is known to be, delivered.
    Failed,
    /// Its time ended before.
    Expired,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        self.into_str()
    }

    // `kind` and `state` as the audit log has them.
    fn of(kind: &str, state: Option<&str>) -> Option<Self> {
        Some(match (kind, state) {
            ("sent", _) => Self::Sent,
            ("confirmed", _) => Self::Confirmed,
            ("expired_by_provider", _) | ("given_up", Some("expired" | "expired_by_provider")) => Self::Expired,
            ("undelivered" | "given_up", _) => Self::Failed,
            _ => return None,
        })
    }
}

/// A change of a delivery that is reported.
#[derive(Debug, Clone)]
pub(super) struct StatusEvent {
    seq: i64,
    pub(super) at: Timestamp,
    pub(super) status: Status,
    detail: Map<String, Value>,
}

/// The events of a delivery that are not reported yet, oldest first.
#[derive(Debug)]
pub(super) struct DeliveryEvents {
    pub(super) delivery: Uuid,
    notification: Uuid,
    /// Whose notification it is; `None` when the delivery was removed meanwhile.
    pub(super) sender: Option<DeliverySender>,
    pub(super) events: VecDeque<StatusEvent>,
}

/// The events to send, for each delivery in order.
pub(super) fn events_of(logged: &[LoggedEvent]) -> Vec<DeliveryEvents> {
    let mut all: Vec<DeliveryEvents> = Vec::new();
    for it in logged {
        let Some(event) = StatusEvent::of(it) else { continue };
        let Some((delivery, notification)) = id(it.delivery.as_deref()).zip(id(it.notification.as_deref())) else {
            continue;
        };
        if let Some(known) = all.iter_mut().find(|known| known.delivery == delivery) {
            known.events.push_back(event);
        } else {
            all.push(DeliveryEvents { delivery, notification, sender: None, events: VecDeque::from([event]) });
        }
    }
    all
}

fn id(digits: Option<&str>) -> Option<Uuid> {
    Uuid::try_parse(digits?).ok()
}

impl StatusEvent {
    fn of(logged: &LoggedEvent) -> Option<Self> {
        let line = &logged.line;
        let mut detail: Map<String, Value> = serde_json::from_str(&line.detail).unwrap_or_default();
        detail.retain(|key, _| DETAIL.contains(&key.as_str()));
        let status = Status::of(&line.kind, detail.get("state").and_then(Value::as_str))?;
        // The event of a receipt is named after the state that it leads to.
        detail.entry("state").or_insert_with(|| line.kind.as_str().into());
        Some(Self { seq: line.seq, at: line.at, status, detail })
    }
}

impl DeliveryEvents {
    /// The same whenever the event is sent, and of no other event.
    pub(super) fn id(&self, event: &StatusEvent) -> String {
        format!("{}-{}", self.delivery, event.seq)
    }

    /// The event as it is sent.
    pub(super) fn body(&self, event: &StatusEvent) -> Value {
        let mut data = event.detail.clone();
        data.insert("delivery".to_owned(), json!(self.delivery));
        data.insert("notification".to_owned(), json!(self.notification));
        data.insert("sequence".to_owned(), event.seq.into());
        if let Some(DeliverySender { kind, client, idempotency_key, .. }) = &self.sender {
            data.insert("kind".to_owned(), kind.as_str().into());
            data.insert("processor".to_owned(), client.as_str().into());
            data.extend(idempotency_key.as_ref().map(|key| ("idempotency_key".to_owned(), key.as_str().into())));
        }
        json!({ "type": format!("delivery.{}", event.status.name()), "timestamp": event.at.to_string(), "data": data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::reports::EventLine;

    fn logged(seq: i64, kind: &str, detail: &Value) -> LoggedEvent {
        let at = Timestamp::from_micros(1_795_747_500_000_000 + seq);
        let line =
            EventLine { seq, at, actor: "provider:sms".to_owned(), kind: kind.to_owned(), detail: detail.to_string() };
        LoggedEvent { line, notification: Some(format!("{:032x}", 7)), delivery: Some(format!("{:032x}", seq % 2)) }
    }

    #[test]
    fn each_change_of_a_delivery_has_a_status_and_nothing_else_has_one() {
        for (kind, state, expected) in [
            ("sent", Some("sent"), Some("sent")),
            ("confirmed", None, Some("confirmed")),
            ("undelivered", None, Some("failed")),
            ("expired_by_provider", None, Some("expired")),
            ("given_up", Some("undeliverable"), Some("failed")),
            ("given_up", Some("unconfirmed"), Some("failed")),
            ("given_up", Some("undelivered"), Some("failed")),
            ("given_up", Some("superseded"), Some("failed")),
            ("given_up", Some("not_sent"), Some("failed")),
            ("given_up", Some("expired"), Some("expired")),
            ("given_up", Some("expired_by_provider"), Some("expired")),
            ("attempted", None, None),
            ("attempt_failed", Some("open"), None),
            ("accepted", None, None),
            ("signed_in", None, None),
        ] {
            let status = Status::of(kind, state).map(Status::name);
            assert_eq!(status, expected, "{kind} {state:?}");
            assert!(status.is_none_or(|name| STATUSES.contains(&name)));
        }
    }

    #[test]
    fn events_stay_in_order_for_each_delivery() {
        let log = [
            logged(1, "sent", &json!({})),
            logged(2, "sent", &json!({})),
            logged(3, "confirmed", &json!({})),
            logged(4, "attempted", &json!({})),
            logged(5, "reloaded", &json!({})),
        ];
        let all = events_of(&log);
        let numbers = |it: &DeliveryEvents| it.events.iter().map(|event| event.seq).collect::<Vec<_>>();
        assert_eq!(all.iter().map(numbers).collect::<Vec<_>>(), [vec![1, 3], vec![2]]);
    }

    #[test]
    fn an_event_repeats_what_is_listed_and_nothing_that_a_provider_wrote() {
        let detail = json!({
            "attempt": 2, "channel": "sms", "provider": "sms", "before": "sent", "status": "delivered",
            "reported_at": "2026-11-27T00:00:00Z", "receipt_code": "to +48600100200", "note": "1234",
        });
        let mut all = events_of(&[logged(3, "confirmed", &detail)]);
        let delivery = all[0].delivery;
        all[0].sender = Some(DeliverySender {
            delivery,
            kind: "otp".to_owned(),
            client: "processor".to_owned(),
            idempotency_key: Some("key-1".to_owned()),
        });
        let event = &all[0].events[0];
        assert_eq!(all[0].id(event), "00000000-0000-0000-0000-000000000001-3");
        assert_eq!(
            all[0].body(event),
            json!({
                "type": "delivery.confirmed", "timestamp": event.at.to_string(),
                "data": {
                    "delivery": "00000000-0000-0000-0000-000000000001",
                    "notification": "00000000-0000-0000-0000-000000000007",
                    "sequence": 3, "attempt": 2, "channel": "sms", "provider": "sms", "state": "confirmed",
                    "kind": "otp", "processor": "processor", "idempotency_key": "key-1",
                },
            })
        );
    }
}
