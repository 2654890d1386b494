//! `otpost template diff`: what differs between the texts in the folder and those in force, or those otpost came with.
//! It compares sources, so that a text that cannot be used is compared too.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::cli::{ConfigFile, Usage, open_store, output, usage};
use crate::config::Config;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateKey, TemplateSnapshot};
use crate::render::{Folder, Shipped, Source, TemplateFile};

/// Lines around a change that are shown with it.
const AROUND: usize = 3;

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 nothing differs, 1 something does, 2 it could not be compared.")]
pub(crate) struct Args {
    /// Compare with the texts otpost came with, and not with those in force
    #[arg(long)]
    shipped: bool,
    /// Only this language, such as pl
    #[arg(long, value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// Only this kind of news, such as otp or card_locked
    #[arg(long)]
    kind: Option<Kind>,
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Sources by their places in a folder: `pl/otp/sms.hbs`.
type TemplateSource = BTreeMap<String, String>;

/// One file that differs.
struct TemplateDiff {
    path: String,
    change: &'static str,
    lines: String,
}

/// Compares, the folder being what is new.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // 1 is for what differs.
    let differences = compare(args).await.map_err(|error| Usage(format!("{error:#}")))?;
    if args.json {
        let against = if args.shipped { "shipped" } else { "in_force" };
        let files: Vec<_> = differences.iter().map(as_json).collect();
        output::json(&json!({ "against": against, "files": files }))?;
    } else {
        let paint = std::io::stdout().is_terminal();
        for line in differences.iter().flat_map(|difference| difference.lines.lines()) {
            output::line(painted(line, paint))?;
        }
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

async fn compare(args: &Args) -> anyhow::Result<Vec<TemplateDiff>> {
    let config = Config::load(&args.file.config).map_err(usage)?;
    let here = args.chosen(Folder::at(&config.templates.dir).files()?);
    let there = if args.shipped { args.chosen(Shipped.files()?) } else { args.in_force(&config).await? };
    let mut paths: Vec<_> = here.keys().chain(there.keys()).collect();
    paths.sort();
    paths.dedup();
    Ok(paths.into_iter().filter_map(|path| difference(path, there.get(path), here.get(path))).collect())
}

impl Args {
    fn wants(&self, locale: &Locale, kind: Kind) -> bool {
        let is_asked = |asked: &Locale| asked.as_str().eq_ignore_ascii_case(locale.as_str());
        self.kind.is_none_or(|asked| asked == kind) && self.locale.as_ref().is_none_or(is_asked)
    }

    fn chosen(&self, files: impl IntoIterator<Item = TemplateFile>) -> TemplateSource {
        let chosen = files.into_iter().filter(|file| self.wants(file.locale(), file.kind()));
        chosen.map(|file| (file.path(), file.source().to_owned())).collect()
    }

    async fn in_force(&self, config: &Config) -> anyhow::Result<TemplateSource> {
        let store = open_store::open_configured(config).await?;
        let all = store.words_in_force().await;
        store.close().await?;
        let all = all?;
        anyhow::ensure!(!all.is_empty(), "no texts have been in force yet: otpost serve puts them in force");
        let mut texts = TemplateSource::new();
        for TemplateSnapshot { topic: TemplateKey { locale, kind, .. }, parts, .. } in all {
            if self.wants(&locale, kind) {
                let sources = parts.into_iter().filter(|(part, _)| TemplateSnapshot::is_text(part));
                texts.extend(sources.map(|(part, source)| (format!("{locale}/{kind}/{part}"), source)));
            }
        }
        Ok(texts)
    }
}

fn difference(path: &str, old: Option<&String>, new: Option<&String>) -> Option<TemplateDiff> {
    if old == new {
        return None;
    }
    let change = match (old, new) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    let name = |side: Option<&String>, prefix: &str| match side {
        Some(_) => format!("{prefix}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let texts = [old, new].map(|side| side.map_or("", String::as_str));
    let lines = TextDiff::from_lines(texts[0], texts[1])
        .unified_diff()
        .context_radius(AROUND)
        .header(&name(old, "a"), &name(new, "b"))
        .to_string();
    Some(TemplateDiff { path: path.to_owned(), change, lines })
}

fn painted(line: &str, paint: bool) -> String {
    let colour = match line.as_bytes().first() {
        Some(b'+') => "32",
        Some(b'-') => "31",
        Some(b'@') => "36",
        _ => return line.to_owned(),
    };
    if paint { format!("\x1b[{colour}m{line}\x1b[0m") } else { line.to_owned() }
}

fn as_json(difference: &TemplateDiff) -> Value {
    let TemplateDiff { path, change, lines } = difference;
    json!({ "path": path, "change": change, "diff": lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_as_diff_tells_it() {
        let (old, new) = ("one\ntwo\n".to_owned(), "one\n2\n".to_owned());

        let changed = difference("pl/otp/sms.hbs", Some(&old), Some(&new)).unwrap();
        let removed = difference("pl/otp/sms.hbs", Some(&old), None).unwrap();

        let expected = "--- a/pl/otp/sms.hbs\n+++ b/pl/otp/sms.hbs\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
        assert_eq!((changed.change, changed.lines.as_str()), ("changed", expected));
        assert!(removed.change == "removed" && removed.lines.contains("+++ /dev/null"), "{}", removed.lines);
        assert!(difference("pl/otp/sms.hbs", Some(&old), Some(&old)).is_none());
        assert_eq!((painted("+2", true), painted("+2", false)), ("\x1b[32m+2\x1b[0m".to_owned(), "+2".to_owned()));
    }
}
