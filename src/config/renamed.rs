//! Configuration keys that were renamed. An old key is refused with the new name; it is never read silently.

use serde_json::Value;

use super::{display_key, variable_of};

/// Old and new paths. `*` is any name, `[]` is every item of an array.
pub(super) const RENAMED: [(&str, &str); 13] = [
    ("profile", "environment"),
    ("people", "recipients"),
    ("guard", "limits"),
    ("guard.per_person", "limits.per_recipient"),
    ("guard.hold", "limits.enforce"),
    ("guard.hold_at_cap", "limits.otp_waits_at_cap"),
    ("retention.addresses_days", "retention.contacts_days"),
    ("ingest.client[].spki", "ingest.client[].spki_pins"),
    ("ingest.trusted_proxy.spki", "ingest.trusted_proxy.spki_pins"),
    ("plan.*.quiet", "plan.*.quiet_hours"),
    ("provider[].in_flight", "provider[].max_in_flight"),
    ("provider[].errors.bad_address", "provider[].errors.invalid_number"),
    ("provider[].errors.refused", "provider[].errors.rejected"),
];

/// One sentence for each old key that `tree`, a configuration file, contains.
pub(super) fn in_file(tree: &Value) -> Vec<String> {
    let sentence = |Occurrence { old, new, is_table }| {
        if is_table {
            return format!("[{old}] was renamed to [{new}]");
        }
        format!("{} was renamed to {}", display_key(tree, &old), shortened(&old, &new))
    };
    occurrences(tree).into_iter().map(sentence).collect()
}

/// The same for `tree`, the overrides from the environment.
pub(super) fn in_environment(tree: &Value) -> Vec<String> {
    let sentence = |Occurrence { old, new, is_table }| {
        let rest = if is_table { "__*" } else { "" };
        format!("{}{rest} was renamed to {}{rest}", variable_of(&old), variable_of(&new))
    };
    occurrences(tree).into_iter().map(sentence).collect()
}

struct Occurrence {
    old: String,
    new: String,
    is_table: bool,
}

fn occurrences(tree: &Value) -> Vec<Occurrence> {
    let mut found = Vec::new();
    for (old, new) in RENAMED {
        let pattern: Vec<&str> = old.split('.').collect();
        find(tree, &pattern, "", &mut |path, value| {
            let new = if parent(old) == parent(new) { sibling(path, new) } else { new.to_owned() };
            found.push(Occurrence { old: path.to_owned(), new, is_table: value.is_object() });
        });
    }
    found
}

fn find(tree: &Value, pattern: &[&str], path: &str, report: &mut dyn FnMut(&str, &Value)) {
    let Some((segment, rest)) = pattern.split_first() else { return report(path, tree) };
    let Value::Object(table) = tree else { return };
    let (name, in_array) = segment.strip_suffix("[]").map_or((*segment, false), |name| (name, true));
    for (key, value) in table.iter().filter(|(key, _)| name == "*" || key.as_str() == name) {
        let path = super::join(path, key);
        match value {
            Value::Array(items) if in_array => {
                items.iter().enumerate().for_each(|(at, item)| find(item, rest, &format!("{path}[{at}]"), report));
            }
            _ => find(value, rest, &path, report),
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// The path beside `path` that ends like `new`.
fn sibling(path: &str, new: &str) -> String {
    let name = new.rsplit('.').next().unwrap_or(new);
    super::join(parent(path), name)
}

// An item of an array has a long path, so only the part that follows the item is repeated.
fn shortened<'a>(old: &str, new: &'a str) -> &'a str {
    match old.rfind("].") {
        Some(end) => &new[end + 2..],
        None => new,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A tree that holds `value` at `pattern`.
    fn tree(pattern: &str, value: Value) -> Value {
        pattern.rsplit('.').fold(value, |inner, segment| match segment.strip_suffix("[]") {
            Some(name) => json!({ name: [inner] }),
            None => json!({ segment.replace('*', "card_locked"): inner }),
        })
    }

    #[test]
    fn every_old_key_is_refused_with_the_new_name() {
        for (old, new) in RENAMED {
            let sentences = in_file(&tree(old, json!("x")));
            let name = new.rsplit('.').next().unwrap();
            assert!(sentences.last().unwrap().ends_with(name), "{old}: {sentences:?}");
            assert!(sentences.iter().all(|sentence| sentence.contains(" was renamed to ")), "{sentences:?}");
            assert!(in_file(&tree(new, json!("x"))).is_empty(), "{new} is a key of today");
        }
    }

    #[test]
    fn tables_keys_and_items_are_named_the_way_they_are_written() {
        let file = json!({
            "people": { "otp": [] },
            "guard": { "per_person": 3 },
            "ingest": { "client": [{ "spki": [] }] },
            "plan": { "card_locked": { "quiet": "22:00-07:00" } },
            "provider": [{ "name": "sms-primary", "errors": { "refused": [] } }],
        });
        assert_eq!(
            in_file(&file),
            [
                "[people] was renamed to [recipients]",
                "[guard] was renamed to [limits]",
                "guard.per_person was renamed to limits.per_recipient",
                "ingest.client[0].spki was renamed to spki_pins",
                "plan.card_locked.quiet was renamed to plan.card_locked.quiet_hours",
                "provider sms-primary: errors.refused was renamed to errors.rejected",
            ]
        );
    }

    #[test]
    fn variables_of_the_environment_are_named_as_variables() {
        let variables = json!({ "people": { "otp": "user" }, "profile": "dev" });
        assert_eq!(
            in_environment(&variables),
            [
                "OTPOST__PROFILE was renamed to OTPOST__ENVIRONMENT",
                "OTPOST__PEOPLE__* was renamed to OTPOST__RECIPIENTS__*",
            ]
        );
    }
}
