//! Who an SMS comes from: one name for all, or another one for numbers of some countries. Some countries take names that were
//! registered there only, and others no names at all.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::country_prefix::CountryPrefix;
use crate::domain::outbound_message::OutboundMessage;

/// The key of the name for all other numbers.
const DEFAULT: &str = "default";

const EXPECTED: &str = "expected a name or number, or a table with default and country prefixes such as \"+48\"";

/// `sender` of a `[[provider]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderNames {
    usual: String,
    /// The longest prefix first.
    by_country: Vec<(CountryPrefix, String)>,
}

impl SenderNames {
    /// The name for the recipient of `message`.
    pub(super) fn of(&self, message: &OutboundMessage) -> &str {
        let found = self.by_country.iter().find(|(prefix, _)| prefix.matches(&message.to));
        found.map_or(&self.usual, |(_, name)| name)
    }
}

impl<'de> Deserialize<'de> for SenderNames {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(Value::deserialize(from)?).ok_or_else(|| serde::de::Error::custom(EXPECTED))
    }
}

fn read(written: Value) -> Option<SenderNames> {
    let mut table = match written {
        Value::String(usual) => return Some(SenderNames { usual, by_country: Vec::new() }),
        Value::Object(table) => table,
        _ => return None,
    };
    let Some(Value::String(usual)) = table.remove(DEFAULT) else { return None };
    let name =
        |(prefix, name): (String, Value)| Some((prefix.parse::<CountryPrefix>().ok()?, name.as_str()?.to_owned()));
    let mut by_country: Vec<_> = table.into_iter().map(name).collect::<Option<_>>()?;
    by_country.sort_unstable_by_key(|(prefix, _)| std::cmp::Reverse(prefix.as_str().len()));
    Some(SenderNames { usual, by_country })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_servers;
    use super::*;
    use crate::domain::contact::{Channel, Contact};

    #[test]
    fn the_longest_prefix_of_a_number_decides() {
        let senders: SenderNames = serde_json::from_value(json!({
            "default": "BANK", "+1": "+15005550006", "+44": "BANKUK", "+447": "47001",
        }))
        .unwrap();
        for (number, expected) in [
            ("+48600100200", "BANK"),
            ("+12025550123", "+15005550006"),
            ("+442071838750", "BANKUK"),
            ("+447911123456", "47001"),
        ] {
            let to = Contact::parse(Channel::Sms, number).unwrap();
            assert_eq!(senders.of(&OutboundMessage { to, ..test_servers::sms("0042") }), expected, "{number}");
        }
    }

    #[test]
    fn one_name_is_for_all_and_anything_else_is_refused() {
        let one: SenderNames = serde_json::from_value(json!("BANK")).unwrap();
        assert_eq!(one.of(&test_servers::sms("0042")), "BANK");
        for wrong in [
            json!(7),
            json!({}),
            json!({ "+48": "BANK" }),
            json!({ "default": "A", "48": "B" }),
            json!({ "default": 1 }),
        ] {
            let error = serde_json::from_value::<SenderNames>(wrong.clone()).unwrap_err().to_string();
            assert_eq!(error, EXPECTED, "{wrong}");
        }
    }
}
