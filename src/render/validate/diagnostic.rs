//! What is wrong with the texts, one finding a place, in words for whoever wrote them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::render::template::syntax_limits::{Location, Violation};

/// One thing that is wrong with a text, or should be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, or the folder where one is missing.
    pub place: PathBuf,
    /// The rule it breaks, such as `payee-shown`; the same name in the list of rules.
    pub rule: &'static str,
    /// Whether a text with it is not taken; otherwise it is worth a look.
    pub refused: bool,
    /// Where in the file, and what to do.
    pub fault: Location,
}

impl Diagnostic {
    /// A breach, in its file.
    pub(crate) fn in_file(place: impl Into<PathBuf>, breach: Violation) -> Self {
        let Violation { rule, fault } = breach;
        Self { place: place.into(), rule, refused: true, fault }
    }

    /// Something about a whole file or folder.
    pub(crate) fn about(place: impl Into<PathBuf>, rule: &'static str, what: impl Into<String>) -> Self {
        Self::in_file(place, Violation::everywhere(rule, what))
    }

    /// The same, to be looked at and not refused.
    pub(crate) fn tolerated(self) -> Self {
        Self { refused: false, ..self }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place.display())?;
        if let Some((line, column)) = self.fault.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {} ({})", self.fault.what, self.rule)
    }
}

/// Everything that is refused, as the last word about it: how much, and each on a line of its own.
pub(crate) fn listed(findings: &[Diagnostic]) -> String {
    let lines: Vec<_> = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    match findings.len() {
        1 => format!("the texts are refused for one reason:{}", lines.concat()),
        count => format!("the texts are refused for {count} reasons:{}", lines.concat()),
    }
}
