//! Compares two configurations without keeping a second copy of a secret.

use std::collections::BTreeMap;

use openssl::sha::{Sha256, sha256};
use serde_json::Value;

use super::{join, secrets};

/// What stands for a value that is not configured.
const DEFAULT: &str = "default";

/// The values of a configuration. Tables in a list are known by their names, so that one which is inserted changes no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigValues {
    values: BTreeMap<String, ConfiguredValue>,
    /// The names of the providers, in their order.
    providers: Vec<String>,
}

/// One value: a hash to compare it by, and what may be shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ConfiguredValue {
    hash: [u8; 32],
    /// As it is written, with `env:` and `file:`; `None` for a secret that is written in the file.
    shown: Option<String>,
}

impl ConfigValues {
    /// The keys that differ, as in `ingest.client[verestro].name`.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = self.values.iter().filter(|(key, value)| other.hash_of(key) != Some(value.hash));
        let added = other.values.iter().filter(|(key, _)| !self.values.contains_key(*key));
        changed.chain(added).map(|(key, _)| key.as_str())
    }

    /// The differences from `self` to `other` in words, for the keys that `is_included`: one for each provider and for each
    /// table. Secrets are named and not shown.
    pub fn changes(&self, other: &Self, is_included: impl Fn(&str) -> bool) -> Vec<String> {
        let mut of_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in self.differences(other).filter(|key| is_included(key)) {
            let (subject, name) = subject_of(key);
            of_subject.entry(subject).or_default().push(self.change(other, key, name));
        }
        let mut changes: Vec<_> =
            of_subject.into_iter().map(|(subject, keys)| self.sentence(other, &subject, &keys)).collect();
        if is_included("provider") && self.common_providers(other) != other.common_providers(self) {
            changes.push(format!("providers in another order: {}", other.providers.join(", ")));
        }
        changes
    }

    fn sentence(&self, other: &Self, subject: &str, keys: &[String]) -> String {
        let provider = subject.strip_prefix("provider ");
        let knows = |values: &Self| provider.is_none_or(|name| values.providers.iter().any(|known| known == name));
        match (knows(self), knows(other)) {
            (false, _) => format!("{subject} added"),
            (_, false) => format!("{subject} removed"),
            (true, true) if subject.is_empty() => keys.join(", "),
            (true, true) => format!("{subject}: {}", keys.join(", ")),
        }
    }

    fn change(&self, other: &Self, key: &str, name: &str) -> String {
        let shown = |values: &Self| match values.values.get(key) {
            Some(value) => value.shown.clone(),
            None => Some(DEFAULT.to_owned()),
        };
        match (shown(self), shown(other)) {
            (Some(before), Some(after)) if before != after => format!("{name} {before} -> {after}"),
            _ => format!("{name} changed"),
        }
    }

    fn common_providers<'a>(&'a self, other: &Self) -> Vec<&'a String> {
        self.providers.iter().filter(|name| other.providers.contains(name)).collect()
    }

    /// A hash of everything that is configured under `prefix`, such as `provider[sms]`.
    pub fn hash_under(&self, prefix: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        let rest = |key: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        for (key, value) in self.values.iter().filter(|(key, _)| rest(key)) {
            digest.update(&sha256(key.as_bytes()));
            digest.update(&value.hash);
        }
        digest.finish()
    }

    /// Every key with what may be shown of its value.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.shown.as_deref()))
    }

    fn hash_of(&self, key: &str) -> Option<[u8; 32]> {
        self.values.get(key).map(|value| value.hash)
    }

    /// Records a configuration as it is `written`, and with the secrets that were fetched.
    pub(super) fn record(&mut self, written: &Value, fetched: &Value) {
        let providers = written.get("provider").and_then(Value::as_array).into_iter().flatten();
        self.providers = providers.filter_map(name).map(str::to_owned).collect();
        self.add(written, fetched, "");
    }

    fn add(&mut self, written: &Value, fetched: &Value, key: &str) {
        match (written, fetched) {
            (Value::Object(table), Value::Object(fetched)) => {
                for (name, value) in table {
                    self.add(value, fetched.get(name).unwrap_or(value), &join(key, name));
                }
            }
            (Value::Array(items), Value::Array(fetched)) if items.iter().any(Value::is_object) => {
                for (at, (item, fetched)) in items.iter().zip(fetched).enumerate() {
                    let at = name(item).map_or_else(|| at.to_string(), str::to_owned);
                    self.add(item, fetched, &format!("{key}[{at}]"));
                }
            }
            (written, fetched) => {
                let hash = sha256(fetched.to_string().as_bytes());
                let value = ConfiguredValue { hash, shown: secrets::shown(key, written) };
                self.values.insert(key.to_owned(), value);
            }
        }
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// What a key is about, and its name there: `provider[sms].url` is `url` of `provider sms`.
fn subject_of(key: &str) -> (String, &str) {
    if let Some((provider, name)) = key.strip_prefix("provider[").and_then(|rest| rest.split_once(']')) {
        return (format!("provider {provider}"), name.trim_start_matches('.'));
    }
    if let Some((kind, name)) = key.strip_prefix("plan.").and_then(|rest| rest.split_once('.')) {
        return (format!("plan {kind}"), name);
    }
    key.rsplit_once('.').map_or((String::new(), key), |(table, name)| (table.to_owned(), name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(tree: &Value) -> ConfigValues {
        let mut values = ConfigValues::default();
        values.record(tree, tree);
        values
    }

    #[test]
    fn the_keys_that_differ_are_named() {
        let old = values(&json!({ "ingest": { "threads": 1 }, "log": { "level": "info" } }));
        let new = values(&json!({ "ingest": { "threads": 2, "base_path": "/x" } }));
        let named: Vec<_> = old.differences(&new).collect();
        assert_eq!(named, ["ingest.threads", "log.level", "ingest.base_path"]);
        assert_eq!(
            old.changes(&new, |_| true),
            ["ingest: threads 1 -> 2, base_path default -> /x", "log: level info -> default"]
        );
    }

    #[test]
    fn a_provider_that_is_inserted_changes_no_other() {
        let provider = |name: &str, url: &str| json!({ "name": name, "url": url });
        let old = values(&json!({ "provider": [provider("sms", "a"), provider("app", "b"), provider("mail", "c")] }));
        let new = values(
            &json!({ "provider": [provider("dead", "x"), provider("app", "b2"), provider("sms", "a")], "ops": { "listen": "" } }),
        );
        assert_eq!(
            old.changes(&new, |_| true),
            [
                "ops: listen default -> \"\"",
                "provider app: url b -> b2",
                "provider dead added",
                "provider mail removed",
                "providers in another order: dead, app, sms"
            ]
        );
        assert!(old.changes(&old, |_| true).is_empty());
        assert_eq!(old.changes(&new, |key| key.starts_with("ops")), ["ops: listen default -> \"\""]);
    }

    #[test]
    fn a_plan_is_compared_as_a_whole_and_a_limit_with_its_unit() {
        let plan = |steps: Value, hedge: &str| json!({ "plan": { "otp": { "steps": steps, "hedge_after": hedge } } });
        let old = values(&plan(json!(["push", "sms"]), "20s"));
        let new = values(&plan(json!([["push", "sms"], "email"]), "15s"));
        assert_eq!(
            old.changes(&new, |_| true),
            ["plan otp: hedge_after 20s -> 15s, steps push, sms -> [push, sms], email"]
        );
    }

    #[test]
    fn a_secret_is_named_and_never_shown_wherever_it_is_kept() {
        let provider = |token: &str, url: &str| json!({ "provider": [{ "name": "sms", "headers": { "authorization": token }, "url": url }] });
        let (url, plain) = ("https://u:pass@sms.example/send?key=abc", "https://sms.example/send");
        let old = values(&provider("Bearer one", url));
        let changes = old.changes(&values(&provider("Bearer two", plain)), |_| true);
        assert_eq!(
            changes,
            [
                "provider sms: headers.authorization changed, url https://***@sms.example/send?*** -> https://sms.example/send"
            ]
        );

        let mut before = ConfigValues::default();
        before.record(&provider("file:token", plain), &provider("one", plain));
        let mut after = ConfigValues::default();
        after.record(&provider("file:token", plain), &provider("two", plain));
        assert_eq!(before.changes(&after, |_| true), ["provider sms: headers.authorization changed"]);
        assert_ne!(before.hash_under("provider[sms]"), after.hash_under("provider[sms]"));
        assert_eq!(before.hash_under("provider[sm]"), after.hash_under("provider[sm]"));
        let all = format!("{before:?} {old:?}");
        assert!(!all.contains("Bearer") && !all.contains("pass@") && !all.contains("key=abc"), "{all}");
    }
}
