//! The results of a check, and their output.

use std::fmt::Display;

use serde::Serialize;
use serde_json::json;

use crate::cli::output;
use crate::cli::output::counted;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Severity {
    Ok,
    Warning,
    Error,
}

impl Severity {
    const fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Warning => "\x1b[1;33m",
            Self::Error => "\x1b[1;31m",
        }
    }
}

#[derive(Debug, Serialize)]
struct CheckResult {
    level: Severity,
    subject: String,
    text: String,
}

const LEVEL_WIDTH: usize = 8;

/// A text column that is narrower than this is not worth having.
const TEXT_MIN: usize = 20;

/// Columns for a text behind subjects of `width` columns.
fn room(width: usize) -> usize {
    output::line_limit().saturating_sub(LEVEL_WIDTH + width + 3).max(TEXT_MIN)
}

/// All results, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct CheckReport(Vec<CheckResult>);

impl CheckReport {
    pub(super) fn ok(&mut self, subject: &str, text: impl Display) {
        self.add(Severity::Ok, subject, text);
    }

    pub(super) fn warning(&mut self, subject: &str, text: impl Display) {
        self.add(Severity::Warning, subject, text);
    }

    pub(super) fn error(&mut self, subject: &str, text: impl Display) {
        self.add(Severity::Error, subject, text);
    }

    pub(super) fn add(&mut self, level: Severity, subject: &str, text: impl Display) {
        self.0.push(CheckResult { level, subject: subject.to_owned(), text: text.to_string() });
    }

    /// The number of errors.
    pub(super) fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Whether an error already contains `text`.
    pub(super) fn has_error_about(&self, text: &str) -> bool {
        self.0.iter().any(|result| result.level == Severity::Error && result.text.contains(text))
    }

    /// Whether a result contains both texts.
    pub(super) fn mentions(&self, one: &str, other: &str) -> bool {
        self.0.iter().any(|result| result.text.contains(one) && result.text.contains(other))
    }

    pub(super) fn show(&self, json: bool) -> anyhow::Result<()> {
        let (errors, warnings) = (self.errors(), self.count(Severity::Warning));
        if json {
            let report = json!({ "ok": errors == 0, "errors": errors, "warnings": warnings, "findings": self.0 });
            return output::json(&report);
        }
        let paint = output::colours();
        let width = self.0.iter().map(|result| result.subject.chars().count()).max().unwrap_or(0);
        for CheckResult { level, subject, text } in &self.0 {
            let (on, off) = if paint { (level.colour(), "\x1b[0m") } else { ("", "") };
            let indent = LEVEL_WIDTH + width + 3;
            let lines = output::wrap(text.split(' '), room(width));
            let text = lines.join(&format!("\n{:indent$}", ""));
            output::line(format_args!("{on}{:<LEVEL_WIDTH$}{off} {subject:<width$}  {text}", <&str>::from(level)))?;
        }
        output::line("")?;
        output::line(format_args!("{}, {}", counted(errors, "error"), counted(warnings, "warning")))?;
        Ok(())
    }

    fn count(&self, level: Severity) -> usize {
        self.0.iter().filter(|result| result.level == level).count()
    }
}
