//! What stands in the document and in which order, without a word on how it looks.

use super::{
    ApprovalRecord, AttemptRecord, DeliveryRecord, Dossier, DossierQuestion, DossierWords, EventRecord, MessageRecord,
};
use super::{ReceiptRecord, SignedLog};

/// A piece of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DocumentBlock {
    Title(String),
    /// A heading of level 1 to 3. Level 1 begins a page.
    Heading(u8, String),
    Paragraph(String),
    /// The sentence that the section is about.
    Lead(String),
    /// Smaller: an explanation.
    Note(String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// A head and rows, with the width of each column in hundredths.
    Grid {
        head: Vec<String>,
        rows: Vec<Vec<String>>,
        widths: Vec<u8>,
    },
    /// A text as it is, below its name.
    Quote(String, String),
    /// The headings of level 1.
    Contents(String),
}

/// The widths of the columns of events, in hundredths.
const EVENT_WIDTHS: [u8; 5] = [9, 23, 20, 16, 32];

use DocumentBlock::{Contents, Fields, Grid, Heading, Lead, Note, Paragraph, Quote, Title};

/// The document.
pub(super) fn of(dossier: &Dossier, words: &DossierWords) -> Vec<DocumentBlock> {
    let mut blocks = vec![Title(words.get("title").to_owned()), Paragraph(words.get("subtitle").to_owned())];
    blocks.push(Note(match &dossier.asked {
        DossierQuestion::Notification(id) => words.fill("asked_notification", &[("id", id)]),
        DossierQuestion::Recipient { from, to } => {
            words.fill("asked_recipient", &[("from", &moment(from)), ("to", &moment(to))])
        }
    }));
    blocks.push(Note(words.fill("made", &[("time", &moment(&dossier.made_at)), ("operator", &dossier.made_by)])));
    let is_single = dossier.deliveries.len() == 1;
    if dossier.deliveries.is_empty() {
        blocks.push(Lead(words.get("none").to_owned()));
    }
    if !is_single {
        blocks.push(Contents(words.get("contents").to_owned()));
    }
    for (number, delivery) in (1..).zip(&dossier.deliveries) {
        blocks.push(Heading(1, heading(delivery, (number, dossier.deliveries.len()), words)));
        delivery_blocks(&mut blocks, delivery, words);
    }
    blocks.push(Heading(1, words.get("heading.proof").to_owned()));
    proof(&mut blocks, dossier.log.as_ref(), words);
    blocks.push(Heading(2, words.get("heading.limits").to_owned()));
    let limits = ["limit.network", "limit.accepted", "limit.code", "limit.masked", "limit.log", "note.kept"];
    blocks.extend(limits.map(|limit| Paragraph(words.get(limit).to_owned())));
    blocks
}

fn heading(delivery: &DeliveryRecord, (number, count): (usize, usize), words: &DossierWords) -> String {
    let kind = words.get(&format!("kind.{}", delivery.kind)).to_owned();
    let whole = format!("{kind} · {}", words.isolated(&moment(&delivery.accepted_at)));
    if count == 1 {
        return whole;
    }
    let place = words.fill("delivery", &[("number", &number.to_string()), ("count", &count.to_string())]);
    format!("{place}: {whole}")
}

fn delivery_blocks(blocks: &mut Vec<DocumentBlock>, delivery: &DeliveryRecord, words: &DossierWords) {
    blocks.push(Lead(words.get(&format!("result.{}", delivery.state)).to_owned()));
    blocks.push(Heading(2, words.get("heading.notification").to_owned()));
    blocks.push(Fields(notification(delivery, words)));
    if !delivery.client.is_empty() {
        blocks.push(Note(words.fill("note.client", &[("client", &delivery.client)])));
    }
    blocks.push(Heading(2, words.get("heading.message").to_owned()));
    if delivery.messages.is_empty() {
        blocks.push(Paragraph(words.get("note.never_rendered").to_owned()));
    }
    delivery.messages.iter().for_each(|message| message_blocks(blocks, message, words));
    blocks.push(Heading(2, words.get("heading.attempts").to_owned()));
    if delivery.attempts.is_empty() {
        blocks.push(Paragraph(words.get("note.no_attempts").to_owned()));
    }
    for attempt in &delivery.attempts {
        let number = attempt.number.to_string();
        blocks.push(Heading(3, words.fill("heading.attempt", &[("number", &number)])));
        blocks.push(Fields(attempt_fields(attempt, words)));
    }
    blocks.push(Heading(2, words.get("heading.events").to_owned()));
    let head = ["index", "time", "who", "event", "details"].map(|name| label(name, words));
    let rows = delivery.events.iter().map(|event| event_row(event, words)).collect();
    blocks.push(Grid { head: head.into(), rows, widths: EVENT_WIDTHS.to_vec() });
    look_blocks(blocks, delivery, words);
}

fn look_blocks(blocks: &mut Vec<DocumentBlock>, delivery: &DeliveryRecord, words: &DossierWords) {
    blocks.push(Heading(2, words.get("heading.looks").to_owned()));
    let rows: Vec<_> = delivery.looks().map(|event| event_row(event, words)).collect();
    if rows.is_empty() {
        blocks.push(Paragraph(words.get("note.no_looks").to_owned()));
    } else {
        let head = ["index", "time", "who", "event", "details"].map(|name| label(name, words));
        blocks.push(Grid { head: head.into(), rows, widths: EVENT_WIDTHS.to_vec() });
    }
    blocks.push(Note(words.get("note.looks").to_owned()));
}

fn notification(delivery: &DeliveryRecord, words: &DossierWords) -> Vec<(String, String)> {
    let mut fields = Named::new(words);
    fields.add("kind", words.get(&format!("kind.{}", delivery.kind)));
    fields.add("state", words.get(&format!("state.{}", delivery.state)));
    fields.add_some("reason", delivery.end_reason.as_deref());
    fields.add("accepted", &moment(&delivery.accepted_at));
    fields.add("client", &delivery.client);
    if let Some(certificate) = &delivery.certificate {
        fields.add("certificate", &certificate.subject);
        fields.add("serial", &certificate.serial);
        fields.add("pin", &certificate.spki_pin);
    }
    fields.add("deadline", &moment(&delivery.deadline));
    fields.add_some("ended", delivery.ended_at.as_deref().map(moment).as_deref());
    fields.add_some("recipient", delivery.recipient.as_deref());
    let clock = delivery.clock.as_ref().map(|clock| {
        let (thousandths, sign) = (clock.offset_us.unsigned_abs(), if clock.offset_us < 0 { "-" } else { "" });
        let offset = format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        words.fill("note.clock", &[("source", &clock.source), ("offset", &offset)])
    });
    fields.add("clock", clock.as_deref().unwrap_or(words.get("note.not_signed")));
    fields.add("notification", &delivery.notification);
    fields.add("delivery", &delivery.delivery);
    fields.add("retained", &moment(&delivery.retained_until));
    fields.rows
}

fn message_blocks(blocks: &mut Vec<DocumentBlock>, message: &MessageRecord, words: &DossierWords) {
    let mut fields = Named::new(words);
    let attempts: Vec<_> = message.attempts.iter().map(u32::to_string).collect();
    fields.add("template", &message.template);
    fields.add("version", &message.version);
    fields.add_some("in_use", message.in_use_since.as_deref().map(moment).as_deref());
    approval_fields(&mut fields, message.approval.as_ref(), words);
    fields.rows.push((words.get("heading.attempts").to_owned(), attempts.join(", ")));
    blocks.push(Fields(fields.rows));
    let (parts, note) = match &message.rendered {
        Some(rendered) => (rendered, "note.content_kept"),
        None => (&message.parts, "note.content_gone"),
    };
    blocks.push(Note(words.get(note).to_owned()));
    blocks.extend(parts.iter().map(|(name, text)| Quote(name.clone(), text.trim_end().to_owned())));
}

fn approval_fields(fields: &mut Named<'_>, approval: Option<&ApprovalRecord>, words: &DossierWords) {
    let Some(approval) = approval else {
        fields.add("approved", words.get("note.from_files"));
        return;
    };
    let at = |name: &str, time: Option<&String>| match time {
        Some(time) => format!("{name} ({})", moment(time)),
        None => name.to_owned(),
    };
    fields.add("authors", &approval.authors.join(", "));
    let approved = approval.approved_by.as_ref().map(|name| at(name, approval.approved_at.as_ref()));
    fields.add("approved", approved.as_deref().unwrap_or(words.get("note.not_approved")));
    let published = approval.published_by.as_ref().map(|name| at(name, approval.published_at.as_ref()));
    fields.add_some("published", published.as_deref());
    fields.add_some("event", approval.event.as_ref().map(|event| event.index.to_string()).as_deref());
}

fn attempt_fields(attempt: &AttemptRecord, words: &DossierWords) -> Vec<(String, String)> {
    let mut fields = Named::new(words);
    fields.add("provider", &format!("{} ({})", attempt.provider, attempt.channel));
    fields.add("contact", attempt.contact.as_deref().unwrap_or(words.get("note.contact_removed")));
    fields.add("started", &moment(&attempt.started_at));
    fields.add("latency", &format!("{} ms", attempt.latency_ms));
    fields.add("outcome", words.get(&format!("outcome.{}", attempt.outcome)));
    fields.add_some("cause", attempt.cause.as_deref());
    fields.add_some("detail", attempt.detail.as_deref());
    fields.add_some("reference", attempt.reference.as_deref());
    fields.add_some("segments", attempt.segments.map(|segments| segments.to_string()).as_deref());
    if attempt.receipts.is_empty() {
        fields.add("receipt", words.get("note.no_receipt"));
    }
    for ReceiptRecord { status, code, reported_at, arrived_at } in &attempt.receipts {
        fields.add("receipt", words.get(&format!("receipt.{status}")));
        fields.add_some("receipt_code", code.as_deref());
        fields.add_some("reported", reported_at.as_deref().map(moment).as_deref());
        fields.add("received", &moment(arrived_at));
    }
    fields.rows
}

fn event_row(event: &EventRecord, words: &DossierWords) -> Vec<String> {
    let details = event.detail.iter().map(|(name, value)| {
        format!("{}: {}", name.replace('_', " "), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    let mut details: Vec<_> = details.collect();
    if event.proof.is_none() {
        details.push(words.get("note.not_signed").to_owned());
    }
    vec![
        event.index.to_string(),
        moment(&event.at),
        event.actor.replacen(':', ": ", 1),
        event.kind.replace('_', " "),
        details.join("; "),
    ]
}

fn proof(blocks: &mut Vec<DocumentBlock>, log: Option<&SignedLog>, words: &DossierWords) {
    let Some(log) = log else {
        blocks.push(Paragraph(words.get("note.not_signed").to_owned()));
        return;
    };
    let mut fields = Named::new(words);
    fields.add("log", &log.name);
    fields.add("size", &log.size.to_string());
    fields.add("signed", &moment(&log.signed_at));
    fields.add("root", &log.root);
    fields.add("key", &log.key);
    blocks.push(Fields(fields.rows));
    blocks.push(Quote(label("checkpoint", words), log.checkpoint.trim_end().to_owned()));
    blocks.push(Paragraph(words.get("note.how").to_owned()));
}

/// Fields with the labels of a language.
struct Named<'a> {
    words: &'a DossierWords,
    rows: Vec<(String, String)>,
}

impl<'a> Named<'a> {
    fn new(words: &'a DossierWords) -> Self {
        Self { words, rows: Vec::new() }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.rows.push((label(name, self.words), value.to_owned()));
    }

    fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

fn label(name: &str, words: &DossierWords) -> String {
    words.get(&format!("label.{name}")).to_owned()
}

/// `2026-11-27T13:22:06.123Z` as people read it. The document says that times are in UTC.
pub(super) fn moment(time: &str) -> String {
    time.replacen('T', " ", 1).trim_end_matches('Z').to_owned()
}
