//! What an import says when it is done.

use crate::cli::output;
use crate::domain::recipient::Locale;
use crate::flow::recipient_import::{ImportChanges, ImportReport, RowError};

/// Writes the result as JSON or as text. What needs attention goes to standard error. `erases` says what happens to recipients who
/// are not in the file; `default_locale` is the one that recipients without templates of their own get.
pub(super) fn print(report: &ImportReport, as_json: bool, erases: bool, default_locale: &Locale) -> anyhow::Result<()> {
    list("", &report.rejections, report.rejected);
    list("warning: ", &report.warnings, report.warned);
    if !report.languages_without_templates.is_empty() {
        let counts = report.languages_without_templates.iter().map(|(language, count)| format!("{language} ({count})"));
        let languages = counts.collect::<Vec<_>>().join(", ");
        output::note(format_args!(
            "warning: no templates in these languages, so that their recipients get {default_locale}: {languages}"
        ));
    }
    if as_json {
        return output::json(report);
    }
    let (verb, dry) =
        if report.dry_run { ("would import", " (dry run: nothing was stored)") } else { ("imported", "") };
    output::line(format_args!("{verb} {}, rejected {}{dry}", report.imported, report.rejected))?;
    if let Some(changes) = &report.changes {
        print_changes(changes)?;
    }
    if let Some(gone) = report.gone {
        output::line(gone_line(report, gone, erases))?;
    }
    Ok(())
}

fn gone_line(report: &ImportReport, gone: u64, erases: bool) -> String {
    let verb = if erases { "erased" } else { "blocked" };
    match (report.dry_run, report.rejected) {
        (true, _) => format!("not in the file: {gone}; with --replace-all they would be {verb}"),
        (false, 0) => format!("not in the file: {gone}, {verb} {}", report.removed),
        (false, rejected) => format!(
            "not in the file: {gone}; none of them was {verb}, because {rejected} rows were rejected and may be theirs. Correct \
             the rows and repeat the import"
        ),
    }
}

fn print_changes(changes: &ImportChanges) -> std::io::Result<()> {
    for row in &changes.rows {
        output::line(format_args!("line {} changes {}", row.line, row.columns.join(", ")))?;
    }
    let unlisted = changes.changed.saturating_sub(changes.rows.len() as u64);
    if unlisted > 0 {
        output::line(format_args!("and {unlisted} more"))?;
    }
    let columns =
        changes.columns.iter().map(|(column, count)| format!("{column} {count}")).collect::<Vec<_>>().join(", ");
    let columns = if columns.is_empty() { columns } else { format!(" ({columns})") };
    let ImportChanges { added, changed, unchanged, .. } = changes;
    output::line(format_args!("added {added}, changed {changed}{columns}, unchanged {unchanged}"))
}

fn list(prefix: &str, listed: &[RowError], count: u64) {
    for error in listed {
        output::note(format_args!("{prefix}{error}"));
    }
    let unlisted = count.saturating_sub(listed.len() as u64);
    if unlisted > 0 {
        output::note(format_args!("{prefix}and {unlisted} more"));
    }
}
