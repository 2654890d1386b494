//! `POST /notifications/transactionalLockReasonAdded` and `…Removed`: payments of a user or a company are blocked.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::date::{self, DateTime};
use super::values::UNKNOWN_REASON;
use crate::domain::notification::{
    Content, Kind, LockChange, LockHolder, TransactionalLock, TransactionalLockReason as LockReason,
};
use crate::domain::recipient::{IDENTIFIER_MAX, Identifier, IdentifierKind};
use crate::ingest::fields::{Field, FieldReader, Format, Notified, Reading, text, text_or_integer};
use crate::ingest::openapi::schema;
use crate::ingest::problem::Problem;
use crate::ingest::processor::WireBody;
use crate::ingest::strict_json::JsonValue;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionalLockBody {
    /// Whose payments are blocked.
    resource_type: ResourceType,
    /// The company or the user.
    resource_id: ResourceId,
    /// Why they are blocked.
    lock_reason: PaymentLockReason,
    /// When the reason was added or removed.
    timestamp: DateTime,
}

impl WireBody for TransactionalLockBody {
    fn read(self, kind: Kind, fields: &mut FieldReader) -> Result<Notified, Problem> {
        let holder = fields.required("resourceType", self.resource_type)?;
        let value = fields.required("resourceId", self.resource_id)?;
        let reason = fields.required("lockReason", self.lock_reason)?;
        let at = fields.required("timestamp", self.timestamp)?;
        let change = if kind == Kind::TransactionalLockAdded { LockChange::Added } else { LockChange::Removed };
        let kind = match holder {
            LockHolder::User => IdentifierKind::User,
            LockHolder::Corporation => IdentifierKind::Corporation,
        };
        let lock = TransactionalLock { change, at, reason, holder };
        Ok((vec![Identifier { kind, value }], Content::TransactionalLock(lock)))
    }

    fn sample() -> Value {
        json!({
            "resourceType": "corporation",
            "resourceId": "a3f33118-946d-4b9c-b27f-e009d28355fa",
            "lockReason": "DOCUMENT_EXPIRED",
            "timestamp": date::SAMPLE,
        })
    }
}

type ResourceType = Field<ResourceTypeFormat>;

struct ResourceTypeFormat;

impl Format for ResourceTypeFormat {
    type Value = LockHolder;
    const NAME: &'static str = "ResourceType";

    fn schema() -> RefOr<Schema> {
        schema::one_of(&["corporation", "user"])
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<LockHolder, &'static str> {
        let text = text(value).unwrap_or_default();
        let holder = match text.to_ascii_lowercase().as_str() {
            "user" => LockHolder::User,
            "corporation" => LockHolder::Corporation,
            _ => return Err("expected corporation or user"),
        };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            reading.warn("not in lower case");
        }
        Ok(holder)
    }
}

/// A number or a UUID.
type ResourceId = Field<ResourceIdFormat>;

struct ResourceIdFormat;

impl Format for ResourceIdFormat {
    type Value = String;
    const NAME: &'static str = "ResourceId";

    fn schema() -> RefOr<Schema> {
        let uuid = schema::UUID;
        let pattern = format!(r"^([0-9]{{1,64}}|{uuid}|[0-9A-Fa-f]{{32}}|\{{{uuid}\}}|urn:uuid:{uuid})$");
        schema::text_or_integer(&pattern, IDENTIFIER_MAX, "A UUID, 1 to 64 ASCII digits")
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<String, &'static str> {
        let wrong = "expected 1 to 64 digits or a UUID";
        let text = text_or_integer(value).ok_or(wrong)?;
        // The number first: 32 digits would be a UUID without its hyphens, too.
        if (1..=IDENTIFIER_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(text);
        }
        uuid::Uuid::try_parse(&text).map(|id| id.to_string()).map_err(|_| wrong)
    }
}

type PaymentLockReason = Field<PaymentLockReasonFormat>;

struct PaymentLockReasonFormat;

impl Format for PaymentLockReasonFormat {
    type Value = LockReason;
    const NAME: &'static str = "PaymentLockReason";

    fn schema() -> RefOr<Schema> {
        let known = LockReason::ALL.into_iter().filter(|reason| *reason != LockReason::Other);
        schema::known(known.map(LockReason::name))
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<LockReason, &'static str> {
        let text = text(value).ok_or("expected a reason")?;
        let reason = text.parse().unwrap_or(LockReason::Other);
        if reason == LockReason::Other {
            reading.warn(UNKNOWN_REASON);
        }
        Ok(reason)
    }
}
