//! `otpost recipient export`: everything that is stored of a recipient, who has a right to it (GDPR, article 15).

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{IdentifierArgs, choose};
use crate::cli::config_file::ConfigFile;
use crate::cli::delivery::complete;
use crate::cli::{Usage, output};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::Recipient;
use crate::report::new_file::NewFile;
use crate::store::reports::{DeliveryDetail, DeliveryFilter};
use crate::store::{Store, operators_event};

/// Deliveries that are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  otpost recipient export storage_customer 1337 --out recipient.json

The file holds personal data in clear: hand it to the recipient, and delete it. Codes are never in it. Identifiers are stored as
hashes only, and are not in it either.")]
pub(crate) struct Args {
    #[command(flatten)]
    identifier: IdentifierArgs,
    /// The recipient to export, if several have the identifier
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let identifier = args.identifier.parse()?;
    if args.out.exists() {
        return Err(Usage(format!("{} exists; choose another name", args.out.display())).into());
    }
    let store = args.config.open_store().await?;
    let recipients = store.recipients().find(&identifier).await?;
    let recipient = choose(&args.identifier, args.id, &recipients)?;
    let deliveries = deliveries(&store, recipient).await?;
    let count = deliveries.len();
    let data = json!({
        "exported_at": SystemClock.now(),
        "recipient": about(recipient),
        "deliveries": deliveries,
    });
    // Who exported the data is recorded before anybody has it.
    let event = operators_event(AuditKind::RecipientExported, SystemClock.now());
    store.audit_events().record(&[event.with("recipient", recipient.id.to_string())]).await?;
    store.close().await?;
    let text = serde_json::to_string_pretty(&data)? + "\n";
    NewFile::create(&args.out, false)?.write_whole(text.as_bytes())?;
    output::line(format_args!("wrote {} with {count} deliveries", args.out.display()))?;
    output::note("it holds personal data in clear: hand it to the recipient, and delete it");
    Ok(ExitCode::SUCCESS)
}

async fn deliveries(store: &Store, recipient: &Recipient) -> anyhow::Result<Vec<Value>> {
    let mut filter = DeliveryFilter { recipient: Some(recipient.id), ..DeliveryFilter::newest(PAGE) };
    let mut values = Vec::new();
    loop {
        let page = store.reports().deliveries(&filter).await?;
        complete(&page)?;
        for line in &page.lines {
            if let Some(detail) = store.reports().delivery(line.id).await? {
                values.push(delivery(&detail)?);
            }
        }
        filter.before = page.next;
        if filter.before.is_none() {
            return Ok(values);
        }
    }
}

fn delivery(detail: &DeliveryDetail) -> anyhow::Result<Value> {
    let line = &detail.line;
    let attempt = |attempt: &crate::domain::delivery::Attempt| {
        json!({
            "channel": attempt.channel,
            "provider": attempt.provider.0,
            "masked_contact": attempt.address,
            "started_at": attempt.started_at,
            "template_version": attempt.template_version.map(|version| version.to_string()),
        })
    };
    Ok(json!({
        "id": line.id,
        "kind": line.kind,
        "state": line.state,
        "end_reason": line.end_reason,
        "received_from": line.client,
        "received_at": line.received_at,
        "ended_at": line.ended_at,
        "attempts": detail.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "events": serde_json::to_value(&detail.events)?,
    }))
}

fn about(recipient: &Recipient) -> Value {
    let contacts =
        recipient.contacts.iter().map(|contact| json!({ "channel": contact.channel(), "contact": contact.expose() }));
    json!({
        "id": recipient.id,
        "locale": recipient.locale,
        "status": recipient.status,
        "channels": recipient.preferences.channels,
        "time_zone": recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::name),
        "contacts": contacts.collect::<Vec<_>>(),
    })
}
