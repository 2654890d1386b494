//! `otpost delivery show`: one delivery, and everything that happened to it in order of time.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;
use uuid::Uuid;

use super::message_text;
use super::message_text::AttemptText;
use super::timeline::{self, TimelineEntry, span};
use super::{as_json, state};
use crate::cli::{ConfigFile, open_store, output, usage};
use crate::config::Config;
use crate::store::reports::{DeliveryDetail, DeliveryLine};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The delivery's id, or its notification's
    id: Uuid,
    #[command(flatten)]
    config: ConfigFile,
    /// Print the texts of each attempt, codes masked: as templates, and as they read while the delivery is open
    #[arg(long)]
    words: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config).map_err(usage)?;
    let store = open_store::open_configured(&config).await?;
    let Some(detail) = store.delivery(args.id).await? else {
        bail!("no delivery or notification has the id {}", args.id)
    };
    let names: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.template_version).collect();
    let known = store.words(&names).await?;
    let spoken =
        if args.words { message_text::of(&store, &config.templates, &detail, &known).await? } else { Vec::new() };
    store.close().await?;
    let entries = timeline::of(&detail, &known);
    if args.json {
        let mut whole = as_json(&detail.line);
        if args.words {
            whole["words"] = spoken.iter().map(AttemptText::as_json).collect();
        }
        whole["others"] = json!(detail.others);
        whole["timeline"] = entries.iter().map(TimelineEntry::as_json).collect();
        output::json(&whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in head(&detail) {
        output::line(format_args!("{name:<14}{value}"))?;
    }
    output::line("")?;
    let rows: Vec<_> = entries.iter().map(TimelineEntry::row).collect();
    output::line(output::table(&["AFTER", "WHAT", "DETAIL"], &rows).trim_end())?;
    spoken.iter().try_for_each(AttemptText::print)?;
    Ok(ExitCode::SUCCESS)
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
    let mut say = |name, value: Option<String>| head.extend(value.map(|value| (name, value)));
    say("key", line.idempotency_key.clone());
    say("recipient", line.recipient.map(|recipient| recipient.to_string()));
    say("received", Some(received_at.to_string()));
    say("expires", Some(format!("{expires_at}  {}", span(*expires_at, *received_at))));
    say("ended", ended_at.map(|ended| format!("{ended}  {}", span(ended, *received_at))));
    say("warnings", line.warnings.clone());
    let others: Vec<_> = detail.others.iter().map(Uuid::to_string).collect();
    say("others told", (!others.is_empty()).then(|| others.join(" ")));
    head
}
