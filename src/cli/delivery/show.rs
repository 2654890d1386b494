//! `otpost delivery show`: one delivery and its history in chronological order.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::{Usage, output, template_output};
use crate::domain::template_version::TemplateSnapshot;
use crate::flow::deliveries::message_text::{self, AttemptText, Rendering};
use crate::flow::deliveries::timeline::{self, TimelineEntry, span};
use crate::flow::deliveries::{as_json, state};
use crate::store::audit_archives::AuditArchive;
use crate::store::reports::{DeliveryDetail, DeliveryLine};

/// Receipts come after the end of a delivery; after this time providers give up.
const RECEIPTS_WITHIN: Duration = Duration::from_hours(72);

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost delivery show 01a219da-f7fd-714e-9a0b-2f6f2b7e9d11 --text")]
pub(crate) struct Args {
    /// Id of the delivery or of its notification
    id: Uuid,
    #[command(flatten)]
    config: ConfigFile,
    /// Print the template of each attempt and, while the delivery is open, the rendered text; codes are masked
    #[arg(long)]
    text: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = read_store(&config).await?;
    let Some(detail) = store.reports().delivery(args.id).await? else {
        return Err(Usage(format!("no delivery or notification has the id {}", args.id)).into());
    };
    let versions: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.template_version).collect();
    let templates = store.template_versions().snapshots(&versions).await?;
    let texts =
        if args.text { message_text::of(&store, &config.templates, &detail, &templates).await? } else { Vec::new() };
    let archives = store.audit_archives().archives().await?;
    store.close().await?;
    let archived = archived(&archives, &detail.line);
    let entries = timeline::of(&detail, &templates);
    if args.json {
        let mut whole = as_json(&detail.line);
        if args.text {
            whole["templates"] = texts.iter().map(AttemptText::as_json).collect();
        }
        whole["other_deliveries"] = json!(detail.others);
        whole["archives"] = archived.iter().copied().map(as_archive).collect();
        whole["timeline"] = entries.iter().map(TimelineEntry::as_json).collect();
        output::json(&whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in head(&detail) {
        output::line(format_args!("{name:<18}{value}"))?;
    }
    for archive in archived {
        let text = format!("{}: events until {} are in {}", archive.at, archive.to, archive.bundle);
        output::line(format_args!("{:<18}{text}", "archived"))?;
    }
    output::line("")?;
    let rows: Vec<_> = entries.iter().map(TimelineEntry::row).collect();
    output::line(output::table(&["AFTER", "EVENT", "DETAIL"], &rows).trim_end())?;
    texts.iter().try_for_each(print)?;
    Ok(ExitCode::SUCCESS)
}

fn as_archive(archive: &AuditArchive) -> Value {
    json!({ "bundle": archive.bundle, "archived_at": archive.at.to_string(), "events_until": archive.to.to_string() })
}

/// The archives that may have events of this delivery: those of the time between its first and its last event.
fn archived<'a>(archives: &'a [AuditArchive], line: &DeliveryLine) -> Vec<&'a AuditArchive> {
    let is_over =
        |archive: &AuditArchive| line.ended_at.is_some_and(|ended| archive.from > ended.after(RECEIPTS_WITHIN));
    archives.iter().filter(|archive| line.received_at <= archive.to && !is_over(archive)).collect()
}

fn head(detail: &DeliveryDetail) -> Vec<(&'static str, String)> {
    let DeliveryLine { received_at, expires_at, ended_at, .. } = &detail.line;
    let line = &detail.line;
    let mut head = vec![
        ("delivery", line.id.to_string()),
        ("notification", line.notification.to_string()),
        ("kind", line.kind.clone()),
        ("state", state(line)),
        ("client", line.client.clone()),
    ];
    let mut add = |name, value: Option<String>| head.extend(value.map(|value| (name, value)));
    add("idempotency key", line.idempotency_key.clone());
    add("recipient", line.recipient.map(|recipient| recipient.to_string()));
    add("received", Some(received_at.to_string()));
    add("expires", Some(format!("{expires_at}  {}", span(*expires_at, *received_at))));
    add("ended", ended_at.map(|ended| format!("{ended}  {}", span(ended, *received_at))));
    add("warnings", line.warnings.clone());
    let others: Vec<_> = detail.others.iter().map(Uuid::to_string).collect();
    add("other deliveries", (!others.is_empty()).then(|| others.join(" ")));
    head
}

fn print(text: &AttemptText<'_>) -> std::io::Result<()> {
    let TemplateSnapshot { template_version, key, .. } = text.template();
    let attempts: Vec<_> = text.attempts().iter().map(u32::to_string).collect();
    output::line(format_args!("\ntemplate {}  {key}  (attempt {})", template_version.short(), attempts.join(", ")))?;
    template_output::print(text.sources())?;
    match text.rendering() {
        Rendering::Parts(parts) => {
            template_output::print(parts.iter().map(|(part, text)| (*part, text.clone())).map(as_rendered))?;
        }
        Rendering::NoContent => output::note("the delivery has ended; its content was deleted"),
        Rendering::Invalid(why) => output::note(format_args!("this template is no longer valid: {why}")),
    }
    Ok(())
}

fn as_rendered((part, text): (&'static str, String)) -> (&'static str, String) {
    let name = match part {
        "title" => "title, rendered",
        "body" => "body, rendered",
        "subject" => "subject, rendered",
        "html" => "html, rendered",
        _ => "text, rendered",
    };
    (name, text)
}
