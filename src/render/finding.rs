//! What is wrong with the texts, one finding a place, in words for whoever wrote them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::guard::Fault;

/// One thing that is wrong with a text, or should be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, or the folder where one is missing.
    pub place: PathBuf,
    /// The rule it breaks, such as `payee-shown`; the same name in the list of rules.
    pub rule: &'static str,
    /// Whether a text with it is not taken; otherwise it is worth a look.
    pub refused: bool,
    /// Where in the file, and what to do.
    pub fault: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place.display())?;
        if let Some((line, column)) = self.fault.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {} ({})", self.fault.what, self.rule)
    }
}
