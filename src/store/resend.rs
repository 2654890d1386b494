//! `resend`: a further delivery of a notification that was not delivered, or of which the recipient says so, at an operator's
//! request.
//!
//! It is a delivery of its own, to the same recipient, before the same deadline: a recipient who was imported or given a contact
//! meanwhile gets it, and what is known of the first delivery stays as it is.

use uuid::Uuid;

use super::audit_events::reason_line;
use super::columns::StoredRow;
use super::{Error, Store};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, DeliveryState};
use crate::domain::notification::{Kind, NotificationId, Priority};

/// Why a delivery is not sent again. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotResent {
    #[error("no delivery has this id")]
    Unknown,
    #[error(
        "it is a code, and a code is never sent again by an operator: the caller who asks for it may be a thief; \
         the cardholder asks for a new one where the payment is made"
    )]
    Code,
    #[error("it is still open: the gateway goes on with it until {0}")]
    Open(Timestamp),
    #[error("its deadline passed at {0}, and nothing is sent after that")]
    DeadlinePassed(Timestamp),
    #[error("its content was removed when it ended as {0}; only the processor can send the notification again")]
    ContentRemoved(DeliveryState),
    #[error("the reason is empty; say why, as it is kept in the audit log for good")]
    NoReason,
}

/// A delivery as far as a resend depends on it.
pub(super) struct EndedRow {
    pub(super) notification: Uuid,
    pub(super) kind: Kind,
    pub(super) state: DeliveryState,
    pub(super) expires_at: Timestamp,
    pub(super) sealed: Option<Vec<u8>>,
}

/// A further delivery, due at once.
pub(super) struct Resend {
    pub(super) of: Uuid,
    pub(super) delivery: Uuid,
    pub(super) at: Timestamp,
    pub(super) sealed: Vec<u8>,
    /// One for the history of the delivery, and one for the list of what operators did.
    pub(super) events: [AuditEvent; 2],
}

impl Store {
    /// Adds a delivery like `of`, due at once, and records who asked for it and why.
    pub async fn resend(
        &self,
        of: DeliveryId,
        reason: &str,
        actor: &Actor,
    ) -> Result<Result<DeliveryId, NotResent>, Error> {
        let Some(reason) = reason_line(reason) else { return Ok(Err(NotResent::NoReason)) };
        let at = self.clock.now();
        let Some(row) = self.backend.ended(of.0).await? else { return Ok(Err(NotResent::Unknown)) };
        let sealed = match refusal(&row, at) {
            Some(refusal) => return Ok(Err(refusal)),
            None => row.sealed.as_deref(),
        };
        let Some(sealed) = sealed else { return Ok(Err(NotResent::ContentRemoved(row.state))) };
        let (content, identifiers) = self.sealer.open_content(sealed, of)?;
        let delivery = DeliveryId(self.next_id());
        let event = |at| {
            let event = AuditEvent::new(actor.clone(), AuditKind::DeliveryResent, at).with("of", of.to_string());
            event.with("reason", reason.as_str())
        };
        let resend = Resend {
            of: of.0,
            delivery: delivery.0,
            at,
            sealed: self.sealer.seal_content(&content, &identifiers, delivery, at)?,
            events: [
                event(at).about(NotificationId(row.notification), delivery),
                event(at).with("delivery", delivery.to_string()),
            ],
        };
        let is_added = self.backend.resend(&resend).await?;
        // Only a receipt or the cleanup can have been faster.
        Ok(if is_added { Ok(delivery) } else { Err(NotResent::ContentRemoved(row.state)) })
    }
}

/// A row of `delivery`, which has this id.
pub(super) fn ended_row(delivery: Uuid, row: &impl StoredRow) -> Result<EndedRow, Error> {
    let inconsistent = |what| Error::Inconsistent { table: "delivery", id: delivery.to_string(), what };
    let (kind, state): (String, String) = (row.column("kind")?, row.column("state")?);
    Ok(EndedRow {
        notification: row.column("notification_id")?,
        kind: kind.parse().map_err(|_| inconsistent("kind"))?,
        state: DeliveryState::from_name(&state).ok_or_else(|| inconsistent("state"))?,
        expires_at: Timestamp::from_micros(row.column("expires_at")?),
        sealed: row.column("sealed")?,
    })
}

fn refusal(row: &EndedRow, at: Timestamp) -> Option<NotResent> {
    match row {
        EndedRow { kind, .. } if kind.priority() == Priority::Otp => Some(NotResent::Code),
        EndedRow { state: DeliveryState::Open, expires_at, .. } => Some(NotResent::Open(*expires_at)),
        EndedRow { expires_at, .. } if *expires_at <= at => Some(NotResent::DeadlinePassed(*expires_at)),
        EndedRow { state, sealed: None, .. } => Some(NotResent::ContentRemoved(*state)),
        EndedRow { .. } => None,
    }
}
