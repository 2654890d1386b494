//! The configuration: a TOML file, overridden by environment variables, read once and validated.
//!
//! This is the only module that reads the environment. Each module owns the type of its section; this one combines
//! them, reads secrets from where they are kept, and names the key and its origin when a value is wrong.

mod in_effect;
mod renamed;
pub mod routing;
mod secrets;
mod suggestion;
mod values;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::{channel, console, file_access, flow, ingest, ops, receipts, render, route, store, telemetry};
use secrets::Missing;
use suggestion::with_suggestion;

pub use in_effect::{ValueInEffect, ValueOrigin};
pub use secrets::{MissingSecret, SecretFiles};
pub use values::ConfigValues;

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
    pub audit: flow::tasks::notary::Settings,
    pub report: flow::tasks::daily_report::Settings,
    /// Providers; within a channel they are tried in this order.
    pub provider: Vec<channel::Settings>,
    pub plan: route::Settings,
    pub routing: flow::routing_publishing::Settings,
    pub templates: render::Settings,
    pub receipts: receipts::Settings,
    pub events: channel::webhook::status_endpoint::Settings,
    pub console: console::Settings,
    pub ops: ops::Settings,
    pub log: telemetry::Settings,
    /// Every value as it was configured, to compare two configurations.
    #[serde(skip)]
    pub written: ConfigValues,
    /// Secrets that are not available to this process; always empty after [`Config::load`].
    #[serde(skip)]
    pub missing_secrets: Vec<MissingSecret>,
    /// Which files hold secrets of this configuration.
    #[serde(skip)]
    pub secret_files: SecretFiles,
    /// What it was read from.
    #[serde(skip)]
    pub source: ConfigSource,
}

/// What a configuration was read from, so that it can be read again with other plans, limits and providers.
#[derive(Debug, Clone, Default)]
pub struct ConfigSource {
    tree: WrittenTree,
    /// What the environment overrides.
    overrides: WrittenTree,
    /// Where relative paths start.
    folder: PathBuf,
    /// What it means that a secret cannot be read.
    missing: Missing,
}

/// Everything as it is written, with `env:` and `file:` in place of most secrets.
#[derive(Clone, Default)]
struct WrittenTree(Arc<Value>);

impl std::fmt::Debug for WrittenTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrittenTree(..)")
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
#[derive(Debug, Clone, thiserror::Error)]
#[error("{origin}: {reason}")]
pub struct Error {
    /// The file and key, or the environment variable.
    origin: String,
    reason: String,
}

/// A value that cannot be used.
struct Unusable {
    key: String,
    reason: String,
}

impl Config {
    /// What dossiers need of it.
    pub fn dossiers(&self) -> flow::dossiers::Settings {
        flow::dossiers::Settings {
            audit: self.audit.clone(),
            templates: self.templates.clone(),
            retention: self.retention,
        }
    }

    /// Reads `path` and the `OTPOST__SECTION__KEY` variables that override it. Relative paths start at the folder of
    /// the file. A value `file:PATH` or `env:NAME` is replaced by the content of that file or variable.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, variables(), Missing::Fails)
    }

    /// Like [`Config::load`], for commands that send nothing: secrets that this process cannot read are listed in
    /// `missing_secrets`, and keep their `file:` or `env:`.
    pub fn load_without_secrets(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, variables(), Missing::IsListed)
    }

    fn load_with(path: &Path, variables: config::Environment, missing: Missing) -> Result<Self, Error> {
        let file = path.display().to_string();
        let wrong = |reason: String| Error { origin: file.clone(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong(FILE_NOT_FOUND.to_owned()),
            _ => wrong(file_access::explain(path, &error)),
        })?;
        let source = config::File::from_str(&text, config::FileFormat::Toml);
        let in_file = parse(config::Config::builder().add_source(source.clone())).map_err(wrong)?;
        let overrides = parse(config::Config::builder().add_source(variables.clone()))
            .map_err(|reason| Error { origin: "environment".to_owned(), reason })?;
        refuse_renamed(&file, &in_file, &overrides)?;

        let whole = parse(config::Config::builder().add_source(source).add_source(variables)).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = |key: &str| origin(&file, &whole, &overrides, key);
        let read = Self::read(whole.clone(), folder, missing);
        let mut config = read.map_err(|Unusable { key, reason }| Error { origin: named(&key), reason })?;
        for missing in &mut config.missing_secrets {
            missing.error.origin = named(&missing.key);
        }
        config.secret_files.configuration = SecretFiles::of(&in_file, path).configuration;
        config.source.overrides = WrittenTree(Arc::new(overrides));
        Ok(config)
    }

    // Fetches the secrets of what is written and reads the values.
    fn read(written: Value, folder: &Path, missing_means: Missing) -> Result<Self, Unusable> {
        let mut whole = written.clone();
        let (unread, named) = secrets::fetch(&mut whole, folder);
        if let (Missing::Fails, Some((key, reason))) = (missing_means, unread.first()) {
            return Err(Unusable { key: key.clone(), reason: reason.clone() });
        }
        let mut config: Self = serde_path_to_error::deserialize(&whole).map_err(|error| {
            let key = error.path().to_string();
            // A secret that is missing is not of the form that its key expects.
            let cause = unread.iter().find(|(missing, _)| missing.starts_with(&key)).cloned();
            let (key, reason) = cause.unwrap_or_else(|| (key, with_suggestion(error.inner().to_string())));
            Unusable { key, reason }
        })?;
        config.resolve_paths(folder);
        config.written.record(&written, &whole);
        let missing =
            |(key, reason): (String, String)| MissingSecret { error: Error { origin: key.clone(), reason }, key };
        config.missing_secrets = unread.into_iter().map(missing).collect();
        config.secret_files.named = named;
        let tree = WrittenTree(Arc::new(written));
        config.source =
            ConfigSource { tree, folder: folder.to_owned(), missing: missing_means, ..ConfigSource::default() };
        Ok(config)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let files = self.ingest.files_mut().chain([&mut self.seal.key_file, &mut self.templates.dir]);
        let files = files.chain([&mut self.audit.key_file, &mut self.audit.archive_dir, &mut self.report.daily.folder]);
        let files = files.chain(&mut self.audit.publish);
        let files = files.chain(self.console.files_mut());
        files.chain(self.receipts.files_mut()).for_each(|path| *path = folder.join(&*path));
        let optional = [&mut self.audit.timestamp.ca].into_iter().filter(|path| !path.as_os_str().is_empty());
        optional.for_each(|path| *path = folder.join(&*path));
        self.provider.iter_mut().filter_map(|it| it.common.ca.as_mut()).for_each(|path| *path = folder.join(&*path));
        self.store.folder = folder.join(&self.store.folder);
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
    match overridden(overrides, key) {
        Some(_) => variable_of(key),
        None => format!("{file}: {}", display_key(whole, key)),
    }
}

/// The value by which the environment overrides `key`.
fn overridden<'a>(overrides: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(overrides, |tree, name| tree.get(name))
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

fn variables() -> config::Environment {
    config::Environment::with_prefix("OTPOST").prefix_separator("__").separator("__").try_parsing(true)
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
        Config::load_with(&path, source.try_parsing(true).source(Some(variables)), Missing::Fails)
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
        assert_eq!(shipped.store.prepared, plain.store.prepared);
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
    fn without_secrets_everything_else_is_read_and_each_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otpost.toml");
        let secrets = "[provider.headers]\nauthorization = \"env:OTPOST_NO_SUCH_THING\"\nx-key = \"file:nowhere\"";
        std::fs::write(&path, format!("{PROVIDER}{secrets}")).unwrap();

        let config = Config::load_without_secrets(&path).unwrap();

        assert_eq!(config.provider[0].name(), "app");
        let missing: Vec<_> = config.missing_secrets.iter().map(|it| it.error.to_string()).collect();
        assert!(missing[0].ends_with("headers.authorization: environment variable OTPOST_NO_SUCH_THING is not set"));
        assert!(missing[1].contains("provider app: headers.x-key: ") && missing[1].contains("nowhere"), "{missing:?}");
        assert_eq!(config.missing_secrets[0].provider(), Some(0));
    }

    #[test]
    fn a_missing_secret_of_another_form_is_named_and_not_its_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otpost.toml");
        std::fs::write(&path, format!("{PROVIDER}timeout = \"env:OTPOST_NO_SUCH_THING\"")).unwrap();
        let error = Config::load_without_secrets(&path).unwrap_err().to_string();
        assert!(error.ends_with("timeout: environment variable OTPOST_NO_SUCH_THING is not set"), "{error}");
    }

    #[test]
    fn a_file_with_a_password_in_it_is_known_and_so_is_the_file_of_a_secret() {
        let of = |secret: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("otpost.toml");
            std::fs::write(folder.path().join("token"), "s3cret").unwrap();
            std::fs::write(&path, format!("{PROVIDER}[provider.headers]\nauthorization = \"{secret}\"")).unwrap();
            let files = Config::load(&path).unwrap().secret_files;
            (files.configuration.is_some(), files.named.len())
        };
        assert_eq!(of("Bearer 123"), (true, 0));
        assert_eq!(of("file:token"), (false, 1));
    }

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let config = load("[seal]\nkey_file = \"keys/a.key\"").unwrap();
        assert!(config.seal.key_file.is_absolute() && config.seal.key_file.ends_with("keys/a.key"));
        assert!(config.store.url.starts_with("sqlite:/"), "{}", config.store.url);
    }
}
