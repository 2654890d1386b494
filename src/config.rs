//! The configuration: a TOML file, overridden by environment variables, read once and validated.
//!
//! This is the only module that reads the environment. Each module owns the type of its section; this one combines
//! them, reads secrets from where they are kept, and names the key and its origin when a value is wrong.

mod renamed;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::{channel, flow, ingest, ops, receipts, render, route, store, telemetry};

const FILE_NOT_FOUND: &str =
    "no such file; change to a workspace, create one with otpost init, or name the file with --config";

/// The whole configuration. `config/otpost.toml` shows every key with its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub environment: Environment,
    pub ingest: ingest::Settings,
    pub store: store::Settings,
    pub seal: store::seal::Settings,
    pub recipients: flow::recipients::Settings,
    pub delivery: flow::worker::Settings,
    pub limits: flow::limits::Settings,
    pub retention: flow::tasks::cleanup::Settings,
    /// Providers; within a channel they are tried in this order.
    pub provider: Vec<channel::Settings>,
    pub plan: route::Settings,
    pub templates: render::Settings,
    pub receipts: receipts::Settings,
    pub ops: ops::Settings,
    pub log: telemetry::Settings,
    /// Every value as it was configured, to compare two configurations.
    #[serde(skip)]
    pub written: ConfigValues,
}

/// The values of a configuration as hashes: enough to see which keys differ, without a second copy of a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigValues(BTreeMap<String, [u8; 32]>);

impl ConfigValues {
    /// The keys that differ, as in `ingest.client[0].name`.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = self.0.iter().filter(|(key, value)| other.0.get(*key) != Some(value));
        let added = other.0.iter().filter(|(key, _)| !self.0.contains_key(*key));
        changed.chain(added).map(|(key, _)| key.as_str())
    }

    fn record(&mut self, tree: &Value, key: &str) {
        match tree {
            Value::Object(table) => table.iter().for_each(|(name, value)| self.record(value, &join(key, name))),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| self.record(item, &format!("{key}[{at}]")));
            }
            leaf => drop(self.0.insert(key.to_owned(), openssl::sha::sha256(leaf.to_string().as_bytes()))),
        }
    }
}

/// Where a gateway runs. A production gateway does not trust a development CA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    #[default]
    Dev,
    Production,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {reason}")]
pub struct Error {
    /// The file and key, or the environment variable.
    origin: String,
    reason: String,
}

impl Config {
    /// Reads `path` and the `OTPOST__SECTION__KEY` variables that override it. Relative paths start at the folder of
    /// the file. A value `file:PATH` or `env:NAME` is replaced by the content of that file or variable.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let variables = config::Environment::with_prefix("OTPOST").prefix_separator("__").separator("__");
        Self::load_with(path, variables.try_parsing(true))
    }

    fn load_with(path: &Path, variables: config::Environment) -> Result<Self, Error> {
        let file = path.display().to_string();
        let wrong = |reason: String| Error { origin: file.clone(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong(FILE_NOT_FOUND.to_owned()),
            _ => wrong(error.to_string()),
        })?;
        let source = config::File::from_str(&text, config::FileFormat::Toml);
        let in_file = parse(config::Config::builder().add_source(source.clone())).map_err(wrong)?;
        let overrides = parse(config::Config::builder().add_source(variables.clone()))
            .map_err(|reason| Error { origin: "environment".to_owned(), reason })?;
        refuse_renamed(&file, &in_file, &overrides)?;

        let mut whole = parse(config::Config::builder().add_source(source).add_source(variables)).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        fetch_secrets(&mut whole, "", folder)
            .map_err(|(key, reason)| Error { origin: origin(&file, &whole, &overrides, &key), reason })?;
        let mut config: Self = serde_path_to_error::deserialize(&whole).map_err(|error| Error {
            origin: origin(&file, &whole, &overrides, &error.path().to_string()),
            reason: error.inner().to_string(),
        })?;
        config.resolve_paths(folder);
        config.written.record(&whole, "");
        Ok(config)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let files = self.ingest.files_mut().chain([&mut self.seal.key_file, &mut self.templates.dir]);
        files.chain(self.receipts.files_mut()).for_each(|path| *path = folder.join(&*path));
        self.provider.iter_mut().filter_map(|it| it.common.ca.as_mut()).for_each(|path| *path = folder.join(&*path));
        if let Some(file) = self.store.url.strip_prefix("sqlite:").filter(|file| !file.is_empty()) {
            self.store.url = format!("sqlite:{}", folder.join(file).display());
        }
    }
}

fn parse(builder: config::ConfigBuilder<config::builder::DefaultState>) -> Result<Value, String> {
    let merged = builder.build().map_err(|error| error.to_string())?;
    merged.try_deserialize().map_err(|error| error.to_string())
}

fn refuse_renamed(file: &str, in_file: &Value, overrides: &Value) -> Result<(), Error> {
    for (origin, sentences) in [(file, renamed::in_file(in_file)), ("environment", renamed::in_environment(overrides))]
    {
        if !sentences.is_empty() {
            return Err(Error { origin: origin.to_owned(), reason: sentences.join("; ") });
        }
    }
    Ok(())
}

/// Where the value of `key` comes from: the variable that overrides it, or the file and the key in it.
fn origin(file: &str, whole: &Value, overrides: &Value, key: &str) -> String {
    let overriding = key.split('.').try_fold(overrides, |tree, name| tree.get(name));
    match overriding {
        Some(_) => variable_of(key),
        None => format!("{file}: {}", display_key(whole, key)),
    }
}

/// The variable that overrides `key`.
fn variable_of(key: &str) -> String {
    format!("OTPOST__{}", key.to_uppercase().replace('.', "__"))
}

/// `provider[0].url` as `provider sms-primary: url`, if the provider has a name in `tree`; other keys as they are.
fn display_key(tree: &Value, key: &str) -> String {
    let named = || {
        let (at, rest) = key.strip_prefix("provider[")?.split_once(']')?;
        let name = tree.get("provider")?.get(at.parse::<usize>().ok()?)?.get("name")?.as_str()?;
        let separator = if rest.is_empty() { "" } else { ": " };
        Some(format!("provider {name}{separator}{}", rest.trim_start_matches('.')))
    };
    named().unwrap_or_else(|| key.to_owned())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

// Any string may name a secret, for example one in a header. An error is the key and the reason.
fn fetch_secrets(tree: &mut Value, key: &str, folder: &Path) -> Result<(), (String, String)> {
    match tree {
        Value::Object(table) => {
            table.iter_mut().try_for_each(|(name, value)| fetch_secrets(value, &join(key, name), folder))
        }
        Value::Array(items) => {
            let mut items = items.iter_mut().enumerate();
            items.try_for_each(|(at, item)| fetch_secrets(item, &format!("{key}[{at}]"), folder))
        }
        Value::String(text) => {
            if let Some(secret) = secret(text, folder).map_err(|reason| (key.to_owned(), reason))? {
                *text = secret;
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn secret(text: &str, folder: &Path) -> Result<Option<String>, String> {
    if let Some(file) = text.strip_prefix("file:") {
        let file: PathBuf = folder.join(file);
        let content = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(Some(content.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let Some(name) = text.strip_prefix("env:") else { return Ok(None) };
    variable(name).map(Some).ok_or_else(|| format!("environment variable {name} is not set"))
}

/// The value of an environment variable.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, Error> {
        load_with(text, &[])
    }

    /// Loads `text` as if only `variables` were set.
    fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otpost.toml");
        std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
        std::fs::write(&path, text).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let source = config::Environment::with_prefix("OTPOST").prefix_separator("__").separator("__");
        Config::load_with(&path, source.try_parsing(true).source(Some(variables)))
    }

    const PROVIDER: &str = "[[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"http://127.0.0.1:1/\"\n";

    #[test]
    fn the_shipped_file_shows_the_defaults() {
        let shipped = load(include_str!("../config/otpost.toml")).unwrap();
        let plain = load("").unwrap();
        assert_eq!(shipped.environment, plain.environment);
        assert_eq!(shipped.ingest.listen, plain.ingest.listen);
        assert_eq!(shipped.ingest.encryption_keys.file_name(), plain.ingest.encryption_keys.file_name());
        assert_eq!(shipped.ingest.public_key_format, plain.ingest.public_key_format);
        assert_eq!(shipped.ingest.client_ca.file_name(), plain.ingest.client_ca.file_name());
        assert_eq!(shipped.store.min_free, plain.store.min_free);
        assert_eq!(shipped.store.wal_alarm, plain.store.wal_alarm);
        assert_eq!(shipped.receipts.listen, plain.receipts.listen);
        assert_eq!(shipped.ops.listen, plain.ops.listen);
        assert_eq!(shipped.log.level, plain.log.level);
        assert_eq!(shipped.templates.brand, plain.templates.brand);
    }

    #[test]
    fn a_missing_file_is_reported_with_what_to_do() {
        let error = Config::load(Path::new("/nowhere/otpost.toml")).unwrap_err().to_string();
        assert_eq!(error, format!("/nowhere/otpost.toml: {FILE_NOT_FOUND}"));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_keys_that_exist() {
        let error = load("[ingest]\nlisten_on = \"x\"").unwrap_err().to_string();
        assert!(error.contains("otpost.toml: ingest.listen_on: ") && error.contains("`listen`"), "{error}");
    }

    #[test]
    fn a_wrong_value_from_the_environment_names_the_variable_and_not_the_file() {
        let error = load_with("", &[("OTPOST__INGEST__LISTN", "x")]).unwrap_err().to_string();
        assert!(error.starts_with("OTPOST__INGEST__LISTN: ") && !error.contains("otpost.toml"), "{error}");
        let error = load_with("", &[("OTPOST__INGEST__THREADS", "many")]).unwrap_err().to_string();
        assert!(error.starts_with("OTPOST__INGEST__THREADS: "), "{error}");
    }

    #[test]
    fn an_old_key_is_refused_with_its_new_name_wherever_it_comes_from() {
        let error = load("[people]\notp = [\"user\"]").unwrap_err().to_string();
        assert!(error.ends_with("otpost.toml: [people] was renamed to [recipients]"), "{error}");
        let error = load_with("", &[("OTPOST__PEOPLE__OTP", "user")]).unwrap_err().to_string();
        assert_eq!(error, "environment: OTPOST__PEOPLE__* was renamed to OTPOST__RECIPIENTS__*");
        let error = load(&format!("{PROVIDER}in_flight = 3")).unwrap_err().to_string();
        assert!(error.ends_with("otpost.toml: provider app: in_flight was renamed to max_in_flight"), "{error}");
    }

    #[test]
    fn an_alarm_that_would_always_be_raised_is_refused() {
        let error = load("[store]\nwal_alarm = 4096").unwrap_err().to_string();
        assert!(error.ends_with("store.wal_alarm: must be at least 1048576 bytes"), "{error}");
        assert!(load("[store]\nwal_alarm = 1048576").is_ok());
    }

    #[test]
    fn a_provider_is_named_and_not_counted() {
        let error = load(&format!("{PROVIDER}timeout = \"soon\"")).unwrap_err().to_string();
        assert!(error.contains("otpost.toml: provider app: ") && !error.contains("provider["), "{error}");
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_a_missing_one_is_reported_with_its_key() {
        let provider = |token: &str| format!("{PROVIDER}[provider.headers]\nauthorization = \"{token}\"");
        assert!(load(&provider("file:token")).is_ok());
        let error = load(&provider("env:OTPOST_NO_SUCH_THING")).unwrap_err().to_string();
        let expected = "provider app: headers.authorization: environment variable OTPOST_NO_SUCH_THING is not set";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn the_keys_that_differ_are_named() {
        let (old, new) =
            ("[ingest]\nthreads = 1\n[log]\nlevel = \"info\"", "[ingest]\nthreads = 2\nbase_path = \"/x\"");
        let (old, new) = (load(old).unwrap().written, load(new).unwrap().written);
        let named: Vec<_> = old.differences(&new).collect();
        assert_eq!(named, ["ingest.threads", "log.level", "ingest.base_path"]);
    }

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let config = load("[seal]\nkey_file = \"keys/a.key\"").unwrap();
        assert!(config.seal.key_file.is_absolute() && config.seal.key_file.ends_with("keys/a.key"));
        assert!(config.store.url.starts_with("sqlite:/"), "{}", config.store.url);
    }
}
