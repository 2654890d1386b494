//! `otpost template history`: which template versions were active since when, and their content.
//!
//! It reads the database, so it shows the content of files that have been removed, too.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::cli::{ConfigFile, output, template_output};
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};
use crate::flow::deliveries::timeline::line::TemplateName;
use crate::store::{KnownTemplates, Store};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print this template version, or the only one that begins with this text
    #[arg(value_name = "VERSION", conflicts_with_all = ["kind", "locale", "channel"])]
    template_version: Option<String>,
    /// Only this kind of notification, such as otp or card_locked
    #[arg(long)]
    kind: Option<Kind>,
    /// Only this locale, such as pl
    #[arg(long, value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// Only this channel: sms, push or email
    #[arg(long)]
    channel: Option<Channel>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An activation, and the parts that differ from the version before.
struct HistoryRow {
    activation: TemplateActivation,
    changed: Vec<String>,
}

/// Prints all activations, or one template version.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.config.read_store().await?;
    let done = match &args.template_version {
        Some(prefix) => one(&store, prefix, args.json).await,
        None => all(&store, args).await,
    };
    store.close().await?;
    done.map(|()| ExitCode::SUCCESS)
}

async fn one(store: &Store, prefix: &str, as_json: bool) -> anyhow::Result<()> {
    let found = store.template_versions().find(prefix).await?;
    let [snapshot] = found.as_slice() else {
        let why = if found.is_empty() { "no template version begins" } else { "several template versions begin" };
        bail!("{why} with {prefix}");
    };
    if as_json {
        let mut whole = serde_json::to_value(TemplateName::from(snapshot))?;
        whole["parts"] = json!(snapshot.parts);
        return output::json(&whole);
    }
    output::line(format_args!("template version {}  {}", snapshot.template_version, snapshot.key))?;
    Ok(template_output::print(snapshot.parts.iter().map(|(part, text)| (part.as_str(), text.clone())))?)
}

async fn all(store: &Store, args: &Args) -> anyhow::Result<()> {
    let activations = store.template_versions().activations().await?;
    let versions: Vec<_> = activations.iter().filter_map(|activation| activation.template_version).collect();
    let known = store.template_versions().snapshots(&versions).await?;
    let mut rows = compared(activations, &known);
    rows.retain(|row| args.matches(&row.activation.key));
    if args.json {
        return output::json(&json!({ "activations": rows.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if rows.is_empty() {
        return Ok(output::line("no templates have been active")?);
    }
    let cells: Vec<_> = rows.iter().map(cells).collect();
    Ok(output::line(output::table(&["SINCE", "TEMPLATE", "VERSION", "CHANGED"], &cells).trim_end())?)
}

impl Args {
    fn matches(&self, key: &TemplateKey) -> bool {
        let is_same = |locale: &Locale| locale.as_str().eq_ignore_ascii_case(key.locale.as_str());
        self.kind.is_none_or(|kind| kind == key.kind)
            && self.channel.is_none_or(|channel| channel == key.channel)
            && self.locale.as_ref().is_none_or(is_same)
    }
}

// Takes and returns the newest activation first.
fn compared(activations: Vec<TemplateActivation>, known: &KnownTemplates) -> Vec<HistoryRow> {
    let snapshot = |version: Option<TemplateVersion>| version.and_then(|version| known.get(&version));
    let mut before: HashMap<TemplateKey, Option<TemplateVersion>> = HashMap::new();
    let mut rows: Vec<_> = activations
        .into_iter()
        .rev()
        .map(|activation| {
            let earlier = before.insert(activation.key.clone(), activation.template_version).flatten();
            let changed = changed(snapshot(earlier), snapshot(activation.template_version));
            HistoryRow { activation, changed }
        })
        .collect();
    rows.reverse();
    rows
}

fn changed(before: Option<&TemplateSnapshot>, now: Option<&TemplateSnapshot>) -> Vec<String> {
    match (before, now) {
        (_, None) => vec!["removed".to_owned()],
        (None, Some(_)) => vec!["new".to_owned()],
        (Some(before), Some(now)) => {
            let mut parts: Vec<_> = before.parts.keys().chain(now.parts.keys()).collect();
            parts.sort();
            parts.dedup();
            parts.into_iter().filter(|part| before.parts.get(*part) != now.parts.get(*part)).cloned().collect()
        }
    }
}

fn cells(row: &HistoryRow) -> Vec<String> {
    let TemplateActivation { at, key, template_version, .. } = &row.activation;
    let version = template_version.map_or_else(|| "-".to_owned(), |version| version.short());
    vec![at.to_string(), key.to_string(), version, row.changed.join(" ")]
}

fn as_json(row: &HistoryRow) -> Value {
    let TemplateActivation { seq, at, key, template_version } = &row.activation;
    json!({
        "seq": seq,
        "at": at.to_string(),
        "locale": key.locale,
        "kind": key.kind.name(),
        "channel": key.channel.name(),
        "template_version": template_version.map(|version| version.to_string()),
        "changed": row.changed,
    })
}
