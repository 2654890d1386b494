//! Accepts a notification once: commits it and hands its delivery to the worker before the ingest listener answers.
//!
//! It never calls a provider and never waits for one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::certificate_numbers::CertificateNumbers;
use super::delivery_setup::LiveSetup;
use super::worker::Worker;
use crate::domain::certificate_id::CertificateId;
use crate::domain::clock::Clock;
use crate::domain::notification::{ClientName, Content, Notification, NotificationId, Priority, Warning, replacement};
use crate::domain::recipient::Identifier;
use crate::store::{Acceptance, Accepted, Dedupe, Error, Store};

/// How long an idempotency key is kept.
const KEY_KEPT: Duration = Duration::from_hours(72);

/// How long a dated notification without a key counts as the same notification when its fields are equal.
const FIELDS_KEPT: Duration = Duration::from_hours(24);

/// Commits of standard priority at a time. They fill a batch on any disk. More would only make OTPs wait longer: however
/// many standard notifications wait, an OTP has no more than these before it.
const STANDARD_COMMITS_MAX: usize = 64;

/// How long a notification of standard priority waits for a permit. Its processor may not wait much longer, and an error
/// is better than silence.
const STANDARD_WAIT: Duration = Duration::from_secs(1);

/// A notification that the ingest listener has parsed and validated.
#[derive(Debug)]
pub struct IncomingNotification {
    /// The processor that sent it.
    pub client: ClientName,
    /// The certificate that the processor sent it with.
    pub certificate: Option<CertificateId>,
    /// The path of the request.
    pub endpoint: &'static str,
    pub idempotency_key: Option<String>,
    /// The identifiers of its recipients.
    pub identifiers: Vec<Identifier>,
    pub content: Content,
    /// Oddities that do not prevent acceptance.
    pub warnings: Vec<Warning>,
}

/// The notification is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntakeResult {
    /// It is new.
    Accepted(NotificationId),
    /// It was committed before, under this id.
    Replayed(NotificationId),
}

/// The notification is not committed.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The idempotency key was used before with other fields.
    #[error("the idempotency key was used for another notification")]
    KeyReused,
    /// The store could not commit it.
    #[error("the notification cannot be accepted now")]
    Unavailable(#[source] Error),
}

/// Accepts notifications.
#[derive(Clone)]
pub struct Intake {
    store: Arc<Store>,
    worker: Arc<Worker>,
    setup: Arc<LiveSetup>,
    clock: Arc<dyn Clock>,
    certificates: Arc<CertificateNumbers>,
    standard_permits: Arc<Semaphore>,
}

impl Intake {
    /// Commits notifications to `store` and hands their deliveries to `worker`.
    pub fn new(store: Arc<Store>, worker: Arc<Worker>, setup: Arc<LiveSetup>, clock: Arc<dyn Clock>) -> Self {
        let standard_permits = Arc::new(Semaphore::new(STANDARD_COMMITS_MAX));
        let certificates = Arc::new(CertificateNumbers::new(Arc::clone(&store)));
        Self { store, worker, setup, clock, certificates, standard_permits }
    }

    /// Commits a notification once. When this returns an [`IntakeResult`], the notification is on disk.
    pub async fn accept(&self, incoming: IncomingNotification) -> Result<IntakeResult, IntakeError> {
        let permit = self.permit(incoming.content.kind().priority()).await?;
        // In its own task: the HTTP server drops its handler when the client disconnects, and a delivery that is
        // committed but not handed to the worker would wait until its lease expires. The task runs where the writer and
        // the worker do, so that a notification changes threads once on its way in and once on its way out.
        let commit = self.clone().commit(incoming);
        let committed = self.worker.runtime().spawn(async move {
            let _permit = permit;
            commit.await
        });
        committed.await.unwrap_or(Err(IntakeError::Unavailable(Error::Stopped)))
    }

    // OTPs need no permit.
    async fn permit(&self, priority: Priority) -> Result<Option<OwnedSemaphorePermit>, IntakeError> {
        if priority == Priority::Otp {
            return Ok(None);
        }
        let permit = tokio::time::timeout(STANDARD_WAIT, Arc::clone(&self.standard_permits).acquire_owned()).await;
        permit.ok().and_then(Result::ok).map(Some).ok_or(IntakeError::Unavailable(Error::Busy))
    }

    async fn commit(self, incoming: IncomingNotification) -> Result<IntakeResult, IntakeError> {
        let IncomingNotification { client, certificate, endpoint, idempotency_key, identifiers, content, warnings } =
            incoming;
        let kind = content.kind();
        let dedupe = dedupe(idempotency_key, &content);
        let received_at = self.clock.now();
        let certificate = match &certificate {
            Some(certificate) => self.certificates.of(certificate, &client, received_at).await,
            None => None,
        };
        let id = NotificationId(self.store.next_id());
        // Without a free slot the notification is accepted all the same: the scan claims its delivery later.
        let slot = self.worker.reserve(kind.priority());
        let replaced = replacement(&content, &identifiers).map_or(&[][..], |keys| keys.kinds);
        let setup = self.setup.current();
        let ttl = |kind| setup.policy.plans.ttl(kind);
        let replaces_for = replaced.iter().map(|kind| ttl(*kind)).max().unwrap_or_default();
        let accepted = self.store.accept(Acceptance {
            notification: Notification { id, client, received_at, identifiers, content, warnings },
            certificate,
            expires_at: received_at.after(ttl(kind)),
            replaces_until: received_at.after(replaces_for),
            dedupe,
            endpoint,
            leased: slot.is_some(),
        });
        match accepted.await.map_err(IntakeError::Unavailable)? {
            Accepted::New(claimed) => {
                if let (Some(claimed), Some(slot)) = (claimed, slot) {
                    self.worker.start(*claimed, slot);
                }
                Ok(IntakeResult::Accepted(id))
            }
            Accepted::Replay(first) => {
                metrics::counter!("otpost_idempotency_replays_total").increment(1);
                Ok(IntakeResult::Replayed(first))
            }
            Accepted::KeyReused(first) => {
                // Rejections are logged by the listener, at a limited rate.
                tracing::debug!(notification.id = %first, "idempotency key reused with a different body");
                Err(IntakeError::KeyReused)
            }
        }
    }
}

// A repeated OTP without a key may be a resend that the cardholder asked for, and an identity check may end the same way
// twice. A dated lock or the same stage of the same payment is the same notification.
fn dedupe(key: Option<String>, content: &Content) -> Dedupe {
    match (key, content) {
        (Some(key), _) => Dedupe::ByKey(key, KEY_KEPT),
        (None, Content::Otp(_) | Content::Verification(_)) => Dedupe::Never,
        (
            None,
            Content::CardLocked(_) | Content::CardUnlocked(_) | Content::TransactionalLock(_) | Content::Transaction(_),
        ) => Dedupe::ByFields(FIELDS_KEPT),
    }
}
