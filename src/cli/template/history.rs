//! `otpost template history`: which words were in force since when, and what they were. It reads the database, so that a
//! file that is gone is no loss.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::cli::{ConfigFile, beside, show, words};
use crate::domain::address::Channel;
use crate::domain::notification::Kind;
use crate::domain::person::Locale;
use crate::domain::wording::{Topic, Wording, Words, WordsChange};
use crate::store::Store;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print the words of this name, or of the only one that begins so
    #[arg(value_name = "WORDING", conflicts_with_all = ["kind", "locale", "channel"])]
    wording: Option<String>,
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
struct Line {
    change: WordsChange,
    differs: Vec<String>,
}

/// Shows the changes, or the words of one name.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = beside::open(&args.config.config).await?;
    let done = match &args.wording {
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
        let mut whole = words::as_json(words);
        whole["parts"] = json!(words.parts);
        return show::json(&whole);
    }
    show::line(format_args!("words {}  {}", words.wording, words.topic))?;
    Ok(words::print(words.parts.iter().map(|(part, text)| (part.as_str(), text.clone())))?)
}

async fn all(store: &Store, args: &Args) -> anyhow::Result<()> {
    let changes = store.words_changes().await?;
    let names: Vec<_> = changes.iter().filter_map(|change| change.wording).collect();
    let known = store.words(&names).await?;
    let mut lines = compared(changes, &known);
    lines.retain(|line| args.wants(&line.change.topic));
    if args.json {
        return show::json(&json!({ "changes": lines.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if lines.is_empty() {
        return Ok(show::line("no words have been in force")?);
    }
    let rows: Vec<_> = lines.iter().map(row).collect();
    Ok(show::line(show::table(&["SINCE", "TEXT", "WORDING", "CHANGED"], &rows).trim_end())?)
}

impl Args {
    fn wants(&self, topic: &Topic) -> bool {
        let is_asked = |locale: &Locale| locale.as_str().eq_ignore_ascii_case(topic.locale.as_str());
        self.kind.is_none_or(|kind| kind == topic.kind)
            && self.channel.is_none_or(|channel| channel == topic.channel)
            && self.locale.as_ref().is_none_or(is_asked)
    }
}

// `changes` and what is returned: the newest first.
fn compared(changes: Vec<WordsChange>, known: &HashMap<Wording, Words>) -> Vec<Line> {
    let mut before: HashMap<Topic, Option<Wording>> = HashMap::new();
    let mut lines: Vec<_> = changes
        .into_iter()
        .rev()
        .map(|change| {
            let earlier = before.insert(change.topic.clone(), change.wording).flatten();
            let words = |wording: Option<Wording>| wording.and_then(|wording| known.get(&wording));
            Line { differs: differs(words(earlier), words(change.wording)), change }
        })
        .collect();
    lines.reverse();
    lines
}

fn differs(before: Option<&Words>, now: Option<&Words>) -> Vec<String> {
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

fn row(line: &Line) -> Vec<String> {
    let WordsChange { at, topic, wording, .. } = &line.change;
    let name = wording.map_or_else(|| "-".to_owned(), |wording| wording.short());
    vec![at.to_string(), topic.to_string(), name, line.differs.join(" ")]
}

fn as_json(line: &Line) -> Value {
    let WordsChange { seq, at, topic, wording } = &line.change;
    json!({
        "seq": seq,
        "at": at.to_string(),
        "locale": topic.locale,
        "kind": topic.kind.name(),
        "channel": topic.channel.name(),
        "wording": wording.map(|wording| wording.to_string()),
        "changed": line.differs,
    })
}
