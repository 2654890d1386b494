//! The texts that plans, limits and providers are written in, when they are edited in the console: one for each.

use std::collections::BTreeMap;
use std::fmt;

use super::delivery::ProviderName;
use super::notification::Kind;

/// The longest name of a provider that is edited in the console.
const NAME_MAX: usize = 64;

/// What one text is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingPath {
    /// `[limits]`.
    Limits,
    /// The names of the providers, in the order in which they are tried.
    Order,
    /// `[plan.<kind>]`.
    Plan(Kind),
    /// One `[[provider]]`, without its name.
    Provider(ProviderName),
}

impl RoutingPath {
    /// Reads a path such as `providers/sms-a.toml`; `None` if it is not of a known form.
    pub fn parse(path: &str) -> Option<Self> {
        match path.strip_suffix(".toml")? {
            "limits" => Some(Self::Limits),
            "order" => Some(Self::Order),
            name => match name.split_once('/')? {
                ("plans", kind) => kind.parse().ok().map(Self::Plan),
                ("providers", name) => is_name(name).then(|| Self::Provider(ProviderName(name.to_owned()))),
                _ => None,
            },
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_allowed)
}

impl fmt::Display for RoutingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limits => f.write_str("limits.toml"),
            Self::Order => f.write_str("order.toml"),
            Self::Plan(kind) => write!(f, "plans/{kind}.toml"),
            Self::Provider(name) => write!(f, "providers/{name}.toml"),
        }
    }
}

/// All texts, by path.
pub type RoutingTexts = BTreeMap<String, String>;

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingProblem {
    /// The path of the text; `None` if it is about all of them together.
    pub path: Option<String>,
    /// The line, 1 for the first.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for RoutingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            f.write_str(path)?;
            if let Some(line) = self.line {
                write!(f, ", line {line}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written_and_leads_nowhere_else() {
        for path in ["limits.toml", "order.toml", "plans/otp.toml", "providers/sms-a.toml"] {
            assert_eq!(RoutingPath::parse(path).unwrap().to_string(), path);
        }
        for path in [
            "",
            "limits",
            "plans/pigeon.toml",
            "providers/.toml",
            "providers/../x.toml",
            "providers/a b.toml",
            "x/y.toml",
        ] {
            assert_eq!(RoutingPath::parse(path), None, "{path}");
        }
        assert_eq!(RoutingPath::parse(&format!("providers/{}.toml", "x".repeat(65))), None);
    }
}
