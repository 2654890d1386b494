//! `accept`: commits a notification once, together with its first delivery.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client_certificates::CERTIFICATE;
use super::lease::{Claimed, LEASE};
use super::outbox::lease_token;
use super::rows::{AcceptResult, AcceptRows, IdempotencyRow};
use super::seal::Fingerprint;
use super::{Error, Store};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::{Notification, NotificationId};

/// A notification to accept.
pub struct Acceptance {
    pub notification: Notification,
    /// The number of the certificate that it was posted with, if it is known.
    pub certificate: Option<i64>,
    /// Nothing is sent after this.
    pub expires_at: Timestamp,
    /// Until then something older may be sent that this notification makes obsolete.
    pub replaces_until: Timestamp,
    /// What makes a second request the same as this one.
    pub dedupe: Dedupe,
    /// The path of the request; an idempotency key is valid for one path.
    pub endpoint: &'static str,
    /// Whether this process works on it at once; otherwise the next scan claims it.
    pub leased: bool,
}

/// What makes a second request the same as a first.
#[derive(Debug, Clone)]
pub enum Dedupe {
    /// Nothing: each request is new.
    Never,
    /// The processor's idempotency key, for so long.
    ByKey(String, Duration),
    /// All fields together, for so long.
    ByFields(Duration),
}

/// The result of [`Store::accept`].
#[derive(Debug)]
pub enum Accepted {
    /// Committed; with the claimed delivery, if it was to be leased.
    New(Option<Box<Claimed>>),
    /// The same request was committed before, as this notification.
    Replay(NotificationId),
    /// The key was used before, for this notification with other fields.
    KeyReused(NotificationId),
}

impl Store {
    /// Commits a notification, or finds that it was committed before. It is on disk when this returns.
    ///
    /// # Errors
    /// Nothing is accepted then, except after [`Error::Stopped`], when the outcome is unknown.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, Error> {
        if !self.has_space.load(Ordering::Relaxed) {
            return Err(Error::DiskNearlyFull);
        }
        let Acceptance { notification, certificate, expires_at, replaces_until, dedupe, endpoint, leased } = acceptance;
        let now = self.clock.now();
        let id = DeliveryId(self.next_id());
        let lease_token = lease_token()?;
        let ordering_key = self.ordering_key(Some(&notification.content), &notification.identifiers)?;
        let leased_until = now.after(LEASE);
        let rows = AcceptRows {
            notification: notification.id.0,
            delivery: id.0,
            client: notification.client.0.clone(),
            kind: notification.content.kind(),
            received_at: notification.received_at,
            expires_at,
            idempotency_key: match &dedupe {
                Dedupe::ByKey(key, _) => Some(key.clone()),
                Dedupe::Never | Dedupe::ByFields(_) => None,
            },
            warnings: warnings(&notification),
            idempotency: self.idempotency(&notification, &dedupe, endpoint, now)?,
            due_at: if leased { leased_until } else { now },
            ordering_key,
            replaced: self.replaced(&notification.content, &notification.identifiers)?,
            replaces_until,
            lease_token: leased.then_some(lease_token),
            sealed: self.sealer.seal_content(&notification.content, &notification.identifiers, id, now)?,
            event: accepted_event(&notification, certificate, id),
        };
        match self.writer.accept(rows).await? {
            AcceptResult::New if leased => Ok(Accepted::New(Some(Box::new(Claimed {
                id,
                notification: notification.id,
                received_at: notification.received_at,
                expires_at,
                recipient: None,
                channels: Vec::new(),
                identifiers: notification.identifiers,
                content: Some(notification.content),
                attempts: Vec::new(),
                in_doubt: false,
                waited: false,
                wait_recorded: false,
                ordering_key,
                lease_token,
                leased_until,
            })))),
            AcceptResult::New => Ok(Accepted::New(None)),
            AcceptResult::Known { notification: first, fingerprint } => {
                let first = NotificationId(first);
                let fingerprint = Fingerprint::from_bytes(&fingerprint).ok_or(Error::Inconsistent {
                    table: "idempotency",
                    id: first.to_string(),
                    what: "fingerprint",
                })?;
                let is_same = self.sealer.matches(&fingerprint, &notification, now)?;
                Ok(if is_same { Accepted::Replay(first) } else { Accepted::KeyReused(first) })
            }
        }
    }

    fn idempotency(
        &self,
        notification: &Notification,
        dedupe: &Dedupe,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRow>, Error> {
        let (key, kept) = match dedupe {
            Dedupe::Never => return Ok(None),
            Dedupe::ByKey(key, kept) => (Some(key.as_str()), *kept),
            Dedupe::ByFields(kept) => (None, *kept),
        };
        let fingerprint = self.sealer.fingerprint(notification, now)?;
        let scope = self.sealer.scope(&notification.client.0, endpoint, key, &fingerprint)?;
        Ok(Some(IdempotencyRow { scope, fingerprint: fingerprint.to_bytes(), expires_at: now.after(kept) }))
    }
}

fn warnings(notification: &Notification) -> Option<String> {
    let warnings: Vec<String> = notification.warnings.iter().map(|w| format!("{}: {}", w.field, w.what)).collect();
    (!warnings.is_empty()).then(|| warnings.join("; "))
}

fn accepted_event(notification: &Notification, certificate: Option<i64>, delivery: DeliveryId) -> AuditEvent {
    let event =
        AuditEvent::new(Actor::Client(notification.client.0.clone()), AuditKind::Accepted, notification.received_at)
            .about(notification.id, delivery)
            .with("kind", notification.content.kind().name());
    match certificate {
        Some(number) => event.with(CERTIFICATE, number),
        None => event,
    }
}
