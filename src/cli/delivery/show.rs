//! `otpost delivery show`: one delivery and its history in chronological order.

use std::process::ExitCode;

use uuid::Uuid;

use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::remote::{RemoteError, ServerArgs};
use crate::cli::{Usage, output, template_output};
use crate::flow::deliveries::history::{DeliveryHistory, SentTemplate};
use crate::flow::deliveries::timeline::line::TimelineLine;
use crate::flow::deliveries::timeline::span;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost delivery show 01a219da-f7fd-714e-9a0b-2f6f2b7e9d11 --text")]
pub(crate) struct Args {
    /// Id of the delivery or of its notification
    id: Uuid,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print the template of each attempt and, while the delivery is open, the rendered text; codes are masked
    #[arg(long)]
    text: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let history = read(args).await?;
    if args.json {
        output::json(&history)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in head(&history) {
        output::line(format_args!("{name:<18}{value}"))?;
    }
    for archive in &history.archives {
        let text = format!("{}: events until {} are in {}", archive.archived_at, archive.events_until, archive.bundle);
        output::line(format_args!("{:<18}{text}", "archived"))?;
    }
    output::line("")?;
    let rows: Vec<_> = history.timeline.iter().map(TimelineLine::row).collect();
    output::line(output::table(&["AFTER", "EVENT", "DETAIL"], &rows).trim_end())?;
    history.templates.iter().flatten().try_for_each(print)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(args: &Args) -> anyhow::Result<DeliveryHistory> {
    let unknown = || Usage(format!("no delivery or notification has the id {}", args.id));
    if let Some(remote) = args.server.remote()? {
        let (id, query) = (args.id.to_string(), serde_json::json!({ "text": args.text }));
        return remote.get(&["deliveries", &id], &query).await.map_err(|error| match error {
            RemoteError::NotFound { .. } => unknown().into(),
            error => error.explained(),
        });
    }
    let config = args.config.load()?;
    let store = read_store(&config).await?;
    let history = DeliveryHistory::read(&store, args.id, args.text.then_some(&config.templates)).await;
    store.close().await?;
    Ok(history?.ok_or_else(unknown)?)
}

fn head(history: &DeliveryHistory) -> Vec<(&'static str, String)> {
    let line = &history.delivery;
    let after = |at: &str| match (at.parse::<jiff::Timestamp>(), line.received_at.parse::<jiff::Timestamp>()) {
        (Ok(at), Ok(received)) => span(at.into(), received.into()),
        _ => String::new(),
    };
    let mut head = vec![
        ("delivery", line.id.to_string()),
        ("notification", line.notification.to_string()),
        ("kind", line.kind.clone()),
        ("state", line.state()),
        ("client", line.client.clone()),
    ];
    let mut add = |name, value: Option<String>| head.extend(value.map(|value| (name, value)));
    add("idempotency key", line.idempotency_key.clone());
    add("recipient", line.recipient.map(|recipient| recipient.to_string()));
    add("received", Some(line.received_at.clone()));
    add("expires", Some(format!("{}  {}", line.expires_at, after(&line.expires_at))));
    add("ended", line.ended_at.as_ref().map(|ended| format!("{ended}  {}", after(ended))));
    add("warnings", line.warnings.clone());
    let others: Vec<_> = history.other_deliveries.iter().map(Uuid::to_string).collect();
    add("other deliveries", (!others.is_empty()).then(|| others.join(" ")));
    head
}

fn print(text: &SentTemplate) -> std::io::Result<()> {
    let attempts: Vec<_> = text.attempts.iter().map(u32::to_string).collect();
    let (short, key) = (text.template.short(), text.template.key());
    output::line(format_args!("\ntemplate {short}  {key}  (attempt {})", attempts.join(", ")))?;
    template_output::print(text.parts.iter().map(|(part, source)| (part.as_str(), source.clone())))?;
    match (&text.rendered, &text.problem) {
        (Some(parts), _) => {
            let rendered = RENDERED.iter().filter_map(|(part, name)| Some((*name, parts.get(*part)?.clone())));
            template_output::print(rendered)?;
        }
        (None, Some(why)) => output::note(format_args!("this template is no longer valid: {why}")),
        (None, None) => output::note("the delivery has ended; its content was deleted"),
    }
    Ok(())
}

/// The parts of a rendered message in the order in which a recipient reads them.
const RENDERED: [(&str, &str); 5] = [
    ("title", "title, rendered"),
    ("body", "body, rendered"),
    ("subject", "subject, rendered"),
    ("text", "text, rendered"),
    ("html", "html, rendered"),
];
