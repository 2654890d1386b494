//! What validation reports: a violation of a rule at a position, and a diagnostic that adds the file.

use std::fmt;
use std::path::PathBuf;

/// A rule that a source violates, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    /// Line and column, both counted from one; `None` for the whole file.
    pub(crate) at: Option<(usize, usize)>,
    pub(crate) message: String,
}

impl Violation {
    /// A violation by the whole file.
    pub(crate) fn of_file(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, at: None, message: message.into() }
    }

    /// A violation `offset` bytes into `source`.
    pub(crate) fn at(source: &str, offset: usize, rule: &'static str, message: impl Into<String>) -> Self {
        let before = source.get(..offset).unwrap_or(source).trim_start_matches('\u{feff}');
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { rule, at: Some((line, column)), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// One result of validation: an error or a warning about a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, or the folder when a file is missing.
    pub path: PathBuf,
    /// The rule, such as `merchant-shown`, by its name in [`RULES`](crate::render::RULES).
    pub rule: &'static str,
    /// Whether templates with it are rejected. Otherwise it is a warning.
    pub is_error: bool,
    /// Line and column, both counted from one; `None` for the whole file.
    pub at: Option<(usize, usize)>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Diagnostic {
    /// An error: a violation and its file.
    pub(crate) fn in_file(path: impl Into<PathBuf>, violation: Violation) -> Self {
        let Violation { rule, at, message } = violation;
        Self { path: path.into(), rule, is_error: true, at, message }
    }

    /// An error about a whole file or folder.
    pub(crate) fn about(path: impl Into<PathBuf>, rule: &'static str, message: impl Into<String>) -> Self {
        Self::in_file(path, Violation::of_file(rule, message))
    }

    /// The same as a warning.
    pub(crate) fn into_warning(self) -> Self {
        Self { is_error: false, ..self }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {} ({})", self.message, self.rule)
    }
}

/// The message of an error with all of its diagnostics, one per line.
pub(crate) fn listed(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<_> = diagnostics.iter().map(|diagnostic| format!("\n  {diagnostic}")).collect();
    let plural = if diagnostics.len() == 1 { "" } else { "s" };
    format!("{} template error{plural}:{}", diagnostics.len(), lines.concat())
}
