//! Plans, limits and providers as texts of the console: what the file says as texts, and the configuration that texts make.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Config, Unusable, renamed, secrets};
use crate::domain::delivery::ProviderName;
use crate::domain::notification::Kind;
use crate::domain::routing_text::{RoutingPath, RoutingProblem, RoutingTexts};

impl Config {
    /// The plans, limits and providers as they are written, with the environment variables that override them.
    pub fn routing_texts(&self) -> RoutingTexts {
        let tree = &self.source.tree.0;
        let table = |key: &str| tree.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut texts = RoutingTexts::from([(RoutingPath::Limits.to_string(), toml_of(&table("limits")))]);
        for (kind, plan) in table("plan") {
            if let (Ok(kind), Some(plan)) = (kind.parse::<Kind>(), plan.as_object()) {
                texts.insert(RoutingPath::Plan(kind).to_string(), toml_of(plan));
            }
        }
        let mut order = Vec::new();
        for provider in tree.get("provider").and_then(Value::as_array).into_iter().flatten() {
            let mut provider = provider.as_object().cloned().unwrap_or_default();
            let Some(Value::String(name)) = provider.remove("name") else { continue };
            texts.insert(RoutingPath::Provider(ProviderName(name.clone())).to_string(), toml_of(&provider));
            order.push(name);
        }
        let order = Map::from_iter([("providers".to_owned(), order.into())]);
        texts.insert(RoutingPath::Order.to_string(), toml_of(&order));
        texts
    }

    /// The same configuration with the plans, limits and providers of `texts`.
    pub fn with_routing(&self, texts: &RoutingTexts) -> Result<Self, Vec<RoutingProblem>> {
        let tree = overlaid(&self.source.tree.0, texts)?;
        let renamed = renamed::in_file(&tree);
        if !renamed.is_empty() {
            return Err(renamed.iter().map(|sentence| located(sentence, texts)).collect());
        }
        let read = Self::read(tree.clone(), &self.source.folder, self.source.missing);
        let explained =
            |Unusable { key, reason }| vec![located(&format!("{}: {reason}", super::display_key(&tree, &key)), texts)];
        let mut config = read.map_err(explained)?;
        config.source.overrides = self.source.overrides.clone();
        config.secret_files.configuration.clone_from(&self.secret_files.configuration);
        Ok(config)
    }

    /// Secrets that are written in `texts`, and references to secrets that neither `live` nor `routing.secrets` name.
    pub fn secrets_in(&self, texts: &RoutingTexts, live: &RoutingTexts) -> Vec<RoutingProblem> {
        let mut allowed: BTreeSet<String> = self.routing.secrets.iter().cloned().collect();
        for text in live.values() {
            allowed.extend(toml::from_str::<Value>(text).map(|tree| secrets::references(&tree)).unwrap_or_default());
        }
        let mut problems = Vec::new();
        for (path, text) in texts {
            let Ok(tree) = toml::from_str::<Value>(text) else { continue };
            let mut problem = |key: &str, message: String| {
                problems.push(RoutingProblem { path: Some(path.clone()), line: line_of(text, key), message });
            };
            for key in secrets::literals(&tree) {
                let said = format!(
                    "{key}: secrets are not written here; write file:PATH or env:NAME, where the machine keeps it"
                );
                problem(&key, said);
            }
            for reference in secrets::references(&tree).difference(&allowed) {
                let said =
                    format!("{reference} is not in use yet; allow it with [routing] secrets in the configuration file");
                problem(reference, said);
            }
        }
        problems
    }
}

/// A message about a key of the configuration, with the text and the line that it is about.
pub fn located(message: &str, texts: &RoutingTexts) -> RoutingProblem {
    let whole = |message: &str| RoutingProblem { path: None, line: None, message: message.to_owned() };
    let (path, rest) =
        if let Some((name, rest)) = message.strip_prefix("provider ").and_then(|rest| rest.split_once(": ")) {
            (RoutingPath::Provider(ProviderName(name.to_owned())).to_string(), rest)
        } else if let Some((kind, rest)) = message.strip_prefix("plan.").and_then(|rest| rest.split_once(['.', ':'])) {
            (format!("plans/{kind}.toml"), rest.trim_start())
        } else if let Some(rest) = message.strip_prefix("limits.") {
            (RoutingPath::Limits.to_string(), rest)
        } else {
            return whole(message);
        };
    let Some(text) = texts.get(&path) else { return whole(message) };
    let key = rest.split([':', '.', ' ', '[']).next().unwrap_or_default();
    RoutingProblem { path: Some(path), line: line_of(text, key), message: rest.to_owned() }
}

// The first line that mentions the key, which is short enough to be found by its reader from there.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let key = key.rsplit('.').next().filter(|key| !key.is_empty())?;
    text.lines().position(|line| line.contains(key)).map(|at| at + 1)
}

fn toml_of(table: &Map<String, Value>) -> String {
    toml::to_string(table).unwrap_or_default()
}

fn parsed(path: &str, text: &str) -> Result<Map<String, Value>, RoutingProblem> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        RoutingProblem { path: Some(path.to_owned()), line, message: error.message().to_owned() }
    })
}

// `tree` with the sections of routing replaced by what the texts say.
fn overlaid(tree: &Value, texts: &RoutingTexts) -> Result<Value, Vec<RoutingProblem>> {
    let (mut plans, mut providers, mut problems) = (Map::new(), Vec::new(), Vec::new());
    let (mut limits, mut order) = (Map::new(), Map::new());
    for (path, text) in texts {
        let (known, table) = match (RoutingPath::parse(path), parsed(path, text)) {
            (Some(known), Ok(table)) => (known, table),
            (_, Err(problem)) => {
                problems.push(problem);
                continue;
            }
            (None, Ok(_)) => continue,
        };
        match known {
            RoutingPath::Limits => limits = table,
            RoutingPath::Order => order = table,
            RoutingPath::Plan(kind) => drop(plans.insert(kind.name().to_owned(), table.into())),
            RoutingPath::Provider(name) if table.contains_key("name") => problems.push(RoutingProblem {
                line: line_of(text, "name"),
                path: Some(path.clone()),
                message: format!("name: remove this key; the provider is {name}"),
            }),
            RoutingPath::Provider(name) => {
                let named = [("name".to_owned(), Value::String(name.0))].into_iter().chain(table);
                providers.push(Value::Object(named.collect()));
            }
        }
    }
    problems.extend(sorted(&mut providers, &order));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut whole = tree.clone();
    if let Some(sections) = whole.as_object_mut() {
        for (key, section) in [("limits", json!(limits)), ("plan", json!(plans)), ("provider", json!(providers))] {
            sections.insert(key.to_owned(), section);
        }
    }
    Ok(whole)
}

// Sorts the providers; one that the order does not name comes behind those that it names.
fn sorted(providers: &mut [Value], order: &Map<String, Value>) -> Vec<RoutingProblem> {
    let wrong =
        |message: String| vec![RoutingProblem { path: Some(RoutingPath::Order.to_string()), line: Some(1), message }];
    if let Some(key) = order.keys().find(|key| *key != "providers") {
        return wrong(format!("{key}: unknown key, expected providers = [\"NAME\", ...]"));
    }
    let names: Option<Vec<&str>> = match order.get("providers") {
        None => Some(Vec::new()),
        Some(names) => names.as_array().and_then(|names| names.iter().map(Value::as_str).collect()),
    };
    let Some(names) = names else { return wrong("providers: expected a list of names".to_owned()) };
    let name_of = |provider: &Value| provider.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(unknown) = names.iter().find(|name| !providers.iter().any(|it| name_of(it) == **name)) {
        return wrong(format!("providers: there is no provider {unknown}"));
    }
    providers.sort_by_key(|it| names.iter().position(|name| *name == name_of(it)).unwrap_or(usize::MAX));
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[limits]\nper_card = 3\n[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\n\
        [[provider]]\nname = \"b\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
        [[provider]]\nname = \"a\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:2/\"\nprice = \"0.05\"\n\
        headers = { key = \"file:token\" }\n";

    fn config(text: &str) -> (Config, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
        let path = folder.path().join("otpost.toml");
        std::fs::write(&path, text).unwrap();
        (Config::load(&path).unwrap(), folder)
    }

    #[test]
    fn the_texts_of_a_file_make_the_same_configuration() {
        let (config, _folder) = config(FILE);
        let texts = config.routing_texts();
        let paths: Vec<_> = texts.keys().map(String::as_str).collect();
        assert_eq!(paths, ["limits.toml", "order.toml", "plans/otp.toml", "providers/a.toml", "providers/b.toml"]);

        let again = config.with_routing(&texts).unwrap();

        assert_eq!(again.written, config.written);
        assert_eq!(again.provider.iter().map(crate::channel::Settings::name).collect::<Vec<_>>(), ["b", "a"]);
        assert!(!format!("{config:?}{texts:?}").contains("s3cret"));
        assert!(config.secrets_in(&texts, &texts).is_empty());
    }

    #[test]
    fn every_error_names_its_text_and_line() {
        let (config, _folder) = config(FILE);
        for (path, text, line, said) in [
            ("plans/otp.toml", "steps = [\"sms\"]\nttl = 5\n", Some(2), "ttl: "),
            ("plans/otp.toml", "steps = [\n", Some(1), ""),
            ("limits.toml", "window = \"1m\"\nper_cart = 3\n", Some(2), "per_cart"),
            (
                "providers/a.toml",
                "kind = \"sms_gateway\"\nurl = \"http://127.0.0.1:2/\"\ntimeout = \"soon\"\n",
                Some(3),
                "timeout",
            ),
            ("providers/a.toml", "name = \"c\"\nkind = \"smtp\"\n", Some(1), "remove this key"),
            ("order.toml", "providers = [\"a\", \"x\"]\n", Some(1), "no provider x"),
            ("order.toml", "provider = [\"a\"]\n", Some(1), "unknown key"),
        ] {
            let mut texts = config.routing_texts();
            texts.insert(path.to_owned(), text.to_owned());
            let problems = config.with_routing(&texts).unwrap_err();
            assert_eq!((problems[0].path.as_deref(), problems[0].line), (Some(path), line), "{problems:?}");
            assert!(problems[0].message.contains(said), "{problems:?}");
        }
    }

    #[test]
    fn a_secret_that_is_typed_in_and_one_that_is_not_allowed_are_refused() {
        let (config, _folder) = config(&format!("[routing]\nsecrets = [\"env:SMS_TOKEN\"]\n{FILE}"));
        let live = config.routing_texts();
        for (line, refused) in [
            ("headers = { key = \"plain\" }", Some("secrets are not written here")),
            ("headers = { key = \"file:/etc/shadow\" }", Some("file:/etc/shadow is not in use yet")),
            ("url = \"https://user:pass@sms.example/\"", Some("url: secrets")),
            ("title = \"file:keys/seal.key\"", Some("file:keys/seal.key")),
            ("headers = { key = \"file:token\" }", None),
            ("headers = { key = \"env:SMS_TOKEN\" }", None),
        ] {
            let mut texts = live.clone();
            texts.insert("providers/b.toml".to_owned(), format!("kind = \"sms_gateway\"\n{line}\n"));
            let problems = config.secrets_in(&texts, &live);
            match refused {
                Some(said) => {
                    assert!(problems[0].message.contains(said), "{problems:?}");
                    assert_eq!(problems[0].line, Some(2));
                    assert!(!problems[0].message.contains("plain") && !problems[0].message.contains("pass@"));
                }
                None => assert_eq!(problems, []),
            }
        }
    }
}
