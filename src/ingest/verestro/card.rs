//! `POST /notifications/cardLocked` and `/notifications/cardUnlocked`.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::date::{self, DateTime};
use super::values::{Id, UNKNOWN_REASON};
use crate::domain::notification::{CardLocked, CardUnlocked, Content, Kind, LockReason};
use crate::domain::recipient::{Identifier, IdentifierKind};
use crate::ingest::fields::{Field, FieldReader, Format, Notified, Reading, text};
use crate::ingest::openapi::schema;
use crate::ingest::problem::Problem;
use crate::ingest::processor::WireBody;
use crate::ingest::strict_json::JsonValue;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockedCard {
    /// The card.
    dc_card_id: Id,
    /// When it was locked.
    date: DateTime,
    /// Why it was locked.
    reason: CardLockReason,
}

impl WireBody for LockedCard {
    fn read(self, _: Kind, fields: &mut FieldReader) -> Result<Notified, Problem> {
        let card = fields.required("dcCardId", self.dc_card_id)?;
        let at = fields.required("date", self.date)?;
        let reason = fields.required("reason", self.reason)?;
        Ok((vec![dc_card(card)], Content::CardLocked(CardLocked { at, reason })))
    }

    fn sample() -> Value {
        json!({ "dcCardId": "11", "date": date::SAMPLE, "reason": "PIN_TRIES_EXCEEDED" })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnlockedCard {
    /// The card.
    dc_card_id: Id,
    /// When it was unlocked.
    date: DateTime,
}

impl WireBody for UnlockedCard {
    fn read(self, _: Kind, fields: &mut FieldReader) -> Result<Notified, Problem> {
        let card = fields.required("dcCardId", self.dc_card_id)?;
        let at = fields.required("date", self.date)?;
        Ok((vec![dc_card(card)], Content::CardUnlocked(CardUnlocked { at })))
    }

    fn sample() -> Value {
        json!({ "dcCardId": "11", "date": date::SAMPLE })
    }
}

fn dc_card(value: String) -> Identifier {
    Identifier { kind: IdentifierKind::DcCard, value }
}

type CardLockReason = Field<CardLockReasonFormat>;

struct CardLockReasonFormat;

impl Format for CardLockReasonFormat {
    type Value = LockReason;
    const NAME: &'static str = "CardLockReason";

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
