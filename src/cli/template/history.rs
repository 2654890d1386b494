//! `otpost template history`: which words were in force since when, and what they were. It reads the database, so that a
//! file that is gone is no loss.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::cli::{ConfigFile, open_store, output, template_output};
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};
use crate::store::Store;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the words of this name, or of the only one that begins so
    #[arg(value_name = "WORDING", conflicts_with_all = ["kind", "locale", "channel"])]
    template_version: Option<String>,
    /// Only this kind of news, such as otp or card_locked
    #[arg(long)]
    kind: Option<Kind>,
    /// Only this language, such as pl
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

/// A change, and what was different from before.
struct HistoryRow {
    change: TemplateActivation,
    differs: Vec<String>,
}

/// Shows the changes, or the words of one name.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = open_store::open(&args.config.config).await?;
    let done = match &args.template_version {
        Some(beginning) => one(&store, beginning, args.json).await,
        None => all(&store, args).await,
    };
    store.close().await?;
    done.map(|()| ExitCode::SUCCESS)
}

async fn one(store: &Store, beginning: &str, as_json: bool) -> anyhow::Result<()> {
    let found = store.words_named(beginning).await?;
    let [words] = found.as_slice() else {
        let why = if found.is_empty() { "no words have a name that begins" } else { "several names begin" };
        bail!("{why} with {beginning}");
    };
    if as_json {
        let mut whole = template_output::as_json(words);
        whole["parts"] = json!(words.parts);
        return output::json(&whole);
    }
    output::line(format_args!("words {}  {}", words.template_version, words.topic))?;
    Ok(template_output::print(words.parts.iter().map(|(part, text)| (part.as_str(), text.clone())))?)
}

async fn all(store: &Store, args: &Args) -> anyhow::Result<()> {
    let changes = store.words_changes().await?;
    let names: Vec<_> = changes.iter().filter_map(|change| change.template_version).collect();
    let known = store.words(&names).await?;
    let mut lines = compared(changes, &known);
    lines.retain(|line| args.wants(&line.change.topic));
    if args.json {
        return output::json(&json!({ "changes": lines.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if lines.is_empty() {
        return Ok(output::line("no words have been in force")?);
    }
    let rows: Vec<_> = lines.iter().map(row).collect();
    Ok(output::line(output::table(&["SINCE", "TEXT", "WORDING", "CHANGED"], &rows).trim_end())?)
}

impl Args {
    fn wants(&self, topic: &TemplateKey) -> bool {
        let is_asked = |locale: &Locale| locale.as_str().eq_ignore_ascii_case(topic.locale.as_str());
        self.kind.is_none_or(|kind| kind == topic.kind)
            && self.channel.is_none_or(|channel| channel == topic.channel)
            && self.locale.as_ref().is_none_or(is_asked)
    }
}

// `changes` and what is returned: the newest first.
fn compared(changes: Vec<TemplateActivation>, known: &HashMap<TemplateVersion, TemplateSnapshot>) -> Vec<HistoryRow> {
    let mut before: HashMap<TemplateKey, Option<TemplateVersion>> = HashMap::new();
    let mut lines: Vec<_> = changes
        .into_iter()
        .rev()
        .map(|change| {
            let earlier = before.insert(change.topic.clone(), change.template_version).flatten();
            let words = |template_version: Option<TemplateVersion>| {
                template_version.and_then(|template_version| known.get(&template_version))
            };
            HistoryRow { differs: differs(words(earlier), words(change.template_version)), change }
        })
        .collect();
    lines.reverse();
    lines
}

fn differs(before: Option<&TemplateSnapshot>, now: Option<&TemplateSnapshot>) -> Vec<String> {
    match (before, now) {
        (_, None) => vec!["gone".to_owned()],
        (None, Some(_)) => vec!["new".to_owned()],
        (Some(before), Some(now)) => {
            let mut parts: Vec<_> = before.parts.keys().chain(now.parts.keys()).collect();
            parts.sort();
            parts.dedup();
            parts.into_iter().filter(|part| before.parts.get(*part) != now.parts.get(*part)).cloned().collect()
        }
    }
}

fn row(line: &HistoryRow) -> Vec<String> {
    let TemplateActivation { at, topic, template_version, .. } = &line.change;
    let name = template_version.map_or_else(|| "-".to_owned(), |template_version| template_version.short());
    vec![at.to_string(), topic.to_string(), name, line.differs.join(" ")]
}

fn as_json(line: &HistoryRow) -> Value {
    let TemplateActivation { seq, at, topic, template_version } = &line.change;
    json!({
        "seq": seq,
        "at": at.to_string(),
        "locale": topic.locale,
        "kind": topic.kind.name(),
        "channel": topic.channel.name(),
        "wording": template_version.map(|template_version| template_version.to_string()),
        "changed": line.differs,
    })
}
