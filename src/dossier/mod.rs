//! The dispute dossier: what the gateway recorded about deliveries, as a document that one can hand to a bank.
//!
//! Pure: data and words come in, bytes go out. One description of the document ([`content`]) is written as PDF and as HTML;
//! the JSON is the data itself. Nothing here knows a code, and contacts arrive masked.

mod content;
mod html;
mod pdf;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use strum::{EnumIter, EnumString, IntoStaticStr};

pub use html::render as render_html;
pub use pdf::{Error, render as render_pdf};
pub use words::DossierWords;

/// The version of the data, the first member of the JSON.
pub const FORMAT: &str = "otpost-dossier-v1";

/// How a dossier is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DossierFormat {
    /// With the proofs attached.
    Pdf,
    Html,
    Json,
}

impl DossierFormat {
    /// The name in the audit log, which is the extension of the file.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Everything in the document. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
pub struct Dossier {
    pub format: &'static str,
    pub made_at: String,
    /// The account of the operator.
    pub made_by: String,
    pub asked: DossierQuestion,
    /// What the proofs lead to; nothing before the first event is signed.
    pub log: Option<SignedLog>,
    /// In the order of their acceptance.
    pub deliveries: Vec<DeliveryRecord>,
}

/// What the operator asked for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DossierQuestion {
    /// A notification or a delivery.
    Notification(String),
    /// One recipient; which one stands in the deliveries, as a keyed hash.
    Recipient { from: String, to: String },
}

/// The signed state of the audit log when the dossier was made.
#[derive(Debug, Clone, Serialize)]
pub struct SignedLog {
    pub name: String,
    pub key: String,
    pub size: u64,
    pub root: String,
    pub signed_at: String,
    /// The signed note.
    pub checkpoint: String,
}

/// One delivery, and everything that is recorded about it.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryRecord {
    pub delivery: String,
    pub notification: String,
    pub kind: String,
    /// The name of the client that posted it.
    pub client: String,
    /// The certificate that it was posted with; nothing for what an earlier version accepted.
    pub certificate: Option<CertificateRecord>,
    pub accepted_at: String,
    pub deadline: String,
    pub state: String,
    pub end_reason: Option<String>,
    pub ended_at: Option<String>,
    /// A keyed hash.
    pub recipient: Option<String>,
    /// The clock when the acceptance entered the log; nothing until it is signed.
    pub clock: Option<ClockRecord>,
    pub retained_until: String,
    pub messages: Vec<MessageRecord>,
    pub attempts: Vec<AttemptRecord>,
    /// Its own, and what operators did about it.
    pub events: Vec<EventRecord>,
}

impl DeliveryRecord {
    /// Who made a dossier of it, exported its recipient's data, or had it sent again.
    fn looks(&self) -> impl Iterator<Item = &EventRecord> {
        let is_operator = |actor: &str| actor.starts_with("operator:") || actor.starts_with("user:");
        self.events.iter().filter(move |event| is_operator(&event.actor))
    }

    /// What the proofs are for: its events, and the publications of its templates.
    fn proven(&self) -> impl Iterator<Item = &EventRecord> {
        let approvals = self.messages.iter().filter_map(|message| message.approval.as_ref()?.event.as_ref());
        self.events.iter().chain(approvals)
    }
}

impl Dossier {
    /// The events that have a proof file, each once: one change may have published the templates of several messages.
    fn proven(&self) -> Vec<(&EventRecord, &str)> {
        let events = self.deliveries.iter().flat_map(DeliveryRecord::proven);
        let proven = events.filter_map(|event| Some((event.index, (event, event.proof.as_deref()?))));
        proven.collect::<BTreeMap<_, _>>().into_values().collect()
    }
}

/// The certificate of a client.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateRecord {
    pub subject: String,
    /// In hexadecimal.
    pub serial: String,
    /// SHA-256 of its public key, in base64.
    pub spki_pin: String,
}

/// How far a time can be trusted.
#[derive(Debug, Clone, Serialize)]
pub struct ClockRecord {
    pub source: String,
    pub offset_us: i64,
}

/// The template of attempts, and the text as far as it is still known.
#[derive(Debug, Clone, Serialize)]
pub struct MessageRecord {
    /// As in `pl/otp/sms`.
    pub template: String,
    pub version: String,
    pub in_use_since: Option<String>,
    /// Nothing for a template that came from the operator's files.
    pub approval: Option<ApprovalRecord>,
    /// The attempts that used it.
    pub attempts: Vec<u32>,
    /// The source of each part, with a mask in place of the code.
    pub parts: Vec<(String, String)>,
    /// The rendered parts, with a mask in place of the code; nothing after the content was deleted.
    pub rendered: Option<Vec<(String, String)>>,
}

/// Who wrote, approved and published a template.
#[derive(Debug, Clone, Serialize)]
pub struct ApprovalRecord {
    /// The number of the change that it was a part of.
    pub change: i64,
    pub authors: Vec<String>,
    /// `None` for a change that was published in an emergency and not approved so far.
    pub approved_by: Option<String>,
    pub approved_at: Option<String>,
    pub published_by: Option<String>,
    pub published_at: Option<String>,
    /// The publication in the audit log; nothing once it was archived.
    pub event: Option<EventRecord>,
}

/// One hand-over to a provider.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRecord {
    pub number: u32,
    pub channel: String,
    pub provider: String,
    /// Masked; nothing after its retention.
    pub contact: Option<String>,
    pub started_at: String,
    pub latency_ms: u64,
    pub outcome: String,
    pub cause: Option<String>,
    pub detail: Option<String>,
    pub reference: Option<String>,
    pub segments: Option<u32>,
    /// In the order of their arrival.
    pub receipts: Vec<ReceiptRecord>,
}

/// A delivery receipt.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiptRecord {
    pub status: String,
    /// The status as the provider wrote it.
    pub code: Option<String>,
    /// The provider's time.
    pub reported_at: Option<String>,
    pub arrived_at: String,
}

/// An audit event with its proof.
#[derive(Debug, Clone, Serialize)]
pub struct EventRecord {
    pub index: u64,
    pub at: String,
    pub actor: String,
    pub kind: String,
    pub detail: Map<String, Value>,
    /// A file of `c2sp.org/tlog-proof@v1`; nothing until the event is signed.
    pub proof: Option<String>,
}

impl EventRecord {
    /// The name of its proof file.
    pub fn file_name(&self) -> String {
        format!("event-{}.tlog-proof", self.index)
    }
}

#[cfg(test)]
mod tests;
