//! What a check found, line by line, and how it is shown.

use std::fmt::Display;
use std::io::IsTerminal;

use serde::Serialize;
use serde_json::json;

use crate::cli::output;
use crate::cli::output::counted;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// As it should be.
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It will not work.
    Error,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

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

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct CheckReport(Vec<CheckResult>);

impl CheckReport {
    /// Notes something as it should be.
    pub(super) fn ok(&mut self, subject: &str, text: impl Display) {
        self.note(Severity::Ok, subject, text);
    }

    /// Notes something that works and should be known.
    pub(super) fn warning(&mut self, subject: &str, text: impl Display) {
        self.note(Severity::Warning, subject, text);
    }

    /// Notes something that will not work.
    pub(super) fn error(&mut self, subject: &str, text: impl Display) {
        self.note(Severity::Error, subject, text);
    }

    /// Notes something, however bad.
    pub(super) fn note(&mut self, level: Severity, subject: &str, text: impl Display) {
        self.0.push(CheckResult { level, subject: subject.to_owned(), text: text.to_string() });
    }

    /// How many things will not work.
    pub(super) fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Whether some error already says `text`.
    pub(super) fn complained_about(&self, text: &str) -> bool {
        self.0.iter().any(|finding| finding.level == Severity::Error && finding.text.contains(text))
    }

    /// Writes them all to standard output.
    pub(super) fn show(&self, json: bool) -> anyhow::Result<()> {
        let (errors, warnings) = (self.errors(), self.count(Severity::Warning));
        if json {
            let whole = json!({ "ok": errors == 0, "errors": errors, "warnings": warnings, "findings": self.0 });
            return output::json(&whole);
        }
        let paint = std::io::stdout().is_terminal();
        let width = self.0.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
        for CheckResult { level, subject, text } in &self.0 {
            let (on, off) = if paint { (level.colour(), "\x1b[0m") } else { ("", "") };
            output::line(format_args!("{on}{:<8}{off} {subject:<width$}  {text}", level.name()))?;
        }
        output::line("")?;
        output::line(format_args!("{}, {}", counted(errors, "error"), counted(warnings, "warning")))?;
        Ok(())
    }

    fn count(&self, level: Severity) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}
