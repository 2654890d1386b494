//! `otpost template diff`: compares the template folder with the active or the shipped templates.
//!
//! It compares sources, so a template with errors is compared as well.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::cli::config_file::read_store;
use crate::cli::{ConfigFile, Usage, output};
use crate::config::Config;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateKey, TemplateSnapshot};
use crate::render::{TemplateSet, shipped};

/// The unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no difference, 1 differences, 2 the comparison failed.")]
pub(crate) struct Args {
    /// Compare with the shipped templates instead of the active ones. Includes locale.toml
    #[arg(long)]
    shipped: bool,
    /// Only this locale, such as pl
    #[arg(long, value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// Only this kind of notification, such as otp or card_locked
    #[arg(long)]
    kind: Option<Kind>,
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// SourcesByPath by their paths in a template folder: `pl/otp/sms.hbs`.
type SourcesByPath = BTreeMap<String, String>;

/// One file that differs.
struct TemplateDiff {
    path: String,
    change: &'static str,
    lines: String,
}

/// Prints the differences, with the folder as the new side.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Exit code 1 is for differences.
    let differences = compare(args).await.map_err(|error| Usage(format!("{error:#}")))?;
    if args.json {
        let against = if args.shipped { "shipped" } else { "active" };
        let files: Vec<_> = differences.iter().map(as_json).collect();
        output::json(&json!({ "against": against, "files": files }))?;
    } else {
        let paint = output::colours();
        for line in differences.iter().flat_map(|difference| difference.lines.lines()) {
            output::line(painted(line, paint))?;
        }
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

async fn compare(args: &Args) -> anyhow::Result<Vec<TemplateDiff>> {
    let config = args.file.load()?;
    let folder = args.filtered(&TemplateSet::load(&config.templates.dir)?);
    let old = if args.shipped { args.filtered(&shipped()) } else { args.active(&config).await? };
    let mut paths: Vec<_> = folder.keys().chain(old.keys()).collect();
    paths.sort();
    paths.dedup();
    Ok(paths.into_iter().filter_map(|path| difference(path, old.get(path), folder.get(path))).collect())
}

impl Args {
    fn matches(&self, locale: &Locale, kind: Option<Kind>) -> bool {
        let is_same = |wanted: &Locale| wanted.as_str().eq_ignore_ascii_case(locale.as_str());
        self.kind.is_none_or(|wanted| Some(wanted) == kind) && self.locale.as_ref().is_none_or(is_same)
    }

    // The active locale files are not stored as files, so they are compared with the shipped ones only.
    fn filtered(&self, set: &TemplateSet) -> SourcesByPath {
        let is_compared = |kind: Option<Kind>| self.shipped || kind.is_some();
        let filtered = set.sources().filter(|(_, locale, kind, _)| is_compared(*kind) && self.matches(locale, *kind));
        filtered.map(|(path, .., source)| (path, source.to_owned())).collect()
    }

    async fn active(&self, config: &Config) -> anyhow::Result<SourcesByPath> {
        let store = read_store(config).await?;
        let all = store.template_versions().active().await;
        store.close().await?;
        let all = all?;
        anyhow::ensure!(!all.is_empty(), "no templates have been active yet; otpost serve activates them");
        let mut sources = SourcesByPath::new();
        for TemplateSnapshot { key: TemplateKey { locale, kind, .. }, parts, .. } in all {
            if self.matches(&locale, Some(kind)) {
                let templates = parts.into_iter().filter(|(part, _)| TemplateSnapshot::is_text(part));
                sources.extend(templates.map(|(part, source)| (format!("{locale}/{kind}/{part}"), source)));
            }
        }
        Ok(sources)
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
    let [old_text, new_text] = [old, new].map(|side| side.map_or("", String::as_str));
    let lines = TextDiff::from_lines(old_text, new_text)
        .unified_diff()
        .context_radius(CONTEXT)
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
    fn a_difference_has_the_format_of_diff() {
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
