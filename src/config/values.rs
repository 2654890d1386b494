//! Compares two configurations without keeping a second copy of a secret.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::join;

/// The values of a configuration as hashes. Tables in a list are known by their names, so that one which is inserted
/// changes no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigValues {
    values: BTreeMap<String, [u8; 32]>,
    /// The names of the providers, in their order.
    providers: Vec<String>,
}

impl ConfigValues {
    /// The keys that differ, as in `ingest.client[verestro].name`.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = self.values.iter().filter(|(key, value)| other.values.get(*key) != Some(value));
        let added = other.values.iter().filter(|(key, _)| !self.values.contains_key(*key));
        changed.chain(added).map(|(key, _)| key.as_str())
    }

    /// The differences from `self` to `other` in words, without the keys that `is_excluded`: one for each provider, and
    /// one for each other key.
    pub fn changes(&self, other: &Self, is_excluded: impl Fn(&str) -> bool) -> Vec<String> {
        let mut changes = BTreeSet::new();
        let mut keys_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in self.differences(other).filter(|key| !is_excluded(key)) {
            match key.strip_prefix("provider[").and_then(|rest| rest.split_once(']')) {
                Some((name, key)) => keys_of.entry(name).or_default().push(key.trim_start_matches('.')),
                None => {
                    changes.insert(format!("{key} was changed"));
                }
            }
        }
        for (name, keys) in keys_of {
            let knows = |values: &Self| values.providers.iter().any(|known| known == name);
            changes.insert(match (knows(self), knows(other)) {
                (false, _) => format!("provider {name} was added"),
                (_, false) => format!("provider {name} was removed"),
                _ => format!("provider {name}: {} changed", keys.join(", ")),
            });
        }
        let common = |one: &Self, two: &Self| -> Vec<String> {
            one.providers.iter().filter(|name| two.providers.contains(name)).cloned().collect()
        };
        if common(self, other) != common(other, self) {
            changes.insert("the order of the providers was changed".to_owned());
        }
        changes.into_iter().collect()
    }

    pub(super) fn record(&mut self, tree: &Value) {
        let providers = tree.get("provider").and_then(Value::as_array).into_iter().flatten();
        self.providers = providers.filter_map(name).map(str::to_owned).collect();
        self.add(tree, "");
    }

    fn add(&mut self, tree: &Value, key: &str) {
        match tree {
            Value::Object(table) => table.iter().for_each(|(name, value)| self.add(value, &join(key, name))),
            Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| {
                let at = name(item).map_or_else(|| at.to_string(), str::to_owned);
                self.add(item, &format!("{key}[{at}]"));
            }),
            leaf => drop(self.values.insert(key.to_owned(), openssl::sha::sha256(leaf.to_string().as_bytes()))),
        }
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(tree: &Value) -> ConfigValues {
        let mut values = ConfigValues::default();
        values.record(tree);
        values
    }

    #[test]
    fn the_keys_that_differ_are_named() {
        let old = values(&json!({ "ingest": { "threads": 1 }, "log": { "level": "info" } }));
        let new = values(&json!({ "ingest": { "threads": 2, "base_path": "/x" } }));
        let named: Vec<_> = old.differences(&new).collect();
        assert_eq!(named, ["ingest.threads", "log.level", "ingest.base_path"]);
    }

    #[test]
    fn a_provider_that_is_inserted_changes_no_other() {
        let provider = |name: &str, url: &str| json!({ "name": name, "url": url });
        let old = values(&json!({ "provider": [provider("sms", "a"), provider("app", "b"), provider("mail", "c")] }));
        let new = values(
            &json!({ "provider": [provider("dead", "x"), provider("app", "b2"), provider("sms", "a")], "ops": { "listen": "" } }),
        );
        assert_eq!(
            old.changes(&new, |_| false),
            [
                "ops.listen was changed",
                "provider app: url changed",
                "provider dead was added",
                "provider mail was removed",
                "the order of the providers was changed"
            ]
        );
        assert!(old.changes(&old, |_| false).is_empty());
        assert_eq!(
            old.changes(&new, |key| key.starts_with("provider")),
            ["ops.listen was changed", "the order of the providers was changed"]
        );
    }
}
