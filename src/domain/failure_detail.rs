//! What a failed attempt looked like, for operators: `HTTP 400, code 17: {"error":"unknown key"}`.
//!
//! Whoever makes one has removed everything of the message, the contact and the credentials before.

use std::fmt;

/// One short line about a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureDetail(String);

impl FailureDetail {
    /// The longest detail that is kept, in characters; a longer one is cut.
    pub const MAX: usize = 320;

    /// One line of `text`. `None` when it is blank.
    pub fn new(text: &str) -> Option<Self> {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let line: String = words.collect::<Vec<_>>().join(" ").chars().take(Self::MAX).collect();
        (!line.is_empty()).then_some(Self(line))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FailureDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_one_short_line() {
        let detail = |text: &str| FailureDetail::new(text).map(|detail| detail.to_string());
        assert_eq!(detail(" HTTP 503:\r\n\tbusy\u{0} ").as_deref(), Some("HTTP 503: busy"));
        assert_eq!(detail(" \n"), None);
        assert_eq!(detail(&"ż".repeat(400)).unwrap().chars().count(), FailureDetail::MAX);
    }
}
