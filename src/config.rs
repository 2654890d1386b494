//! The configuration: a TOML file, the environment over it, read once, typed, checked.
//!
//! The only place that reads the environment. Each module owns the type of its section; this one puts them together,
//! fetches secrets from where they are kept, and says in plain words what is wrong.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::{channel, flow, ingest, ops, receipts, render, route, store, telemetry};

/// What is said where a newcomer stands in the wrong folder.
const NOWHERE: &str =
    "there is no such file: go to a workspace, make one with otpost init, or name its file with --config";

/// The whole configuration. `config/otpost.toml` shows every key with its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What this gateway is for.
    pub environment: Environment,
    /// The processors' door.
    pub ingest: ingest::Settings,
    /// The database.
    pub store: store::Settings,
    /// The keys.
    pub seal: store::seal::Settings,
    /// How people are found.
    pub recipients: flow::recipients::Settings,
    /// Whether anybody is told anything now.
    pub delivery: flow::worker::Settings,
    /// What is not sent although it could be.
    pub limits: flow::limits::Settings,
    /// How long things are kept.
    pub retention: flow::tasks::cleanup::Settings,
    /// The ways to reach them, in order.
    pub provider: Vec<channel::Settings>,
    /// Which channels for which kind of news.
    pub plan: route::Settings,
    /// The texts.
    pub templates: render::Settings,
    /// The providers' door.
    pub receipts: receipts::Settings,
    /// The operators' door.
    pub ops: ops::Settings,
    /// The logs.
    pub log: telemetry::Settings,
    /// What was written, for comparing.
    #[serde(skip)]
    pub written: ConfigValues,
}

/// What a configuration says, as hashes: enough to see which keys differ, and no second copy of a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigValues(BTreeMap<String, [u8; 32]>);

impl ConfigValues {
    /// The keys that differ, as in `ingest.client[0].name`.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = self.0.iter().filter(|(key, value)| other.0.get(*key) != Some(value));
        let added = other.0.iter().filter(|(key, _)| !self.0.contains_key(*key));
        changed.chain(added).map(|(key, _)| key.as_str())
    }

    fn note(&mut self, tree: &Value, key: &str) {
        match tree {
            Value::Object(table) => table.iter().for_each(|(name, value)| {
                self.note(value, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") });
            }),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| self.note(item, &format!("{key}[{at}]")));
            }
            leaf => drop(self.0.insert(key.to_owned(), openssl::sha::sha256(leaf.to_string().as_bytes()))),
        }
    }
}

/// What a gateway is for. A production one does not trust a development CA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// To try things out.
    #[default]
    Dev,
    /// To tell people.
    Production,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is missing or is not TOML.
    #[error("{}: {what}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A key is unknown, missing, or has a value that it cannot have.
    #[error("{}: {key}: {what}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Which key, as in `ingest.client[0].spki`.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// A secret is not where the configuration says.
    #[error("{}: {key}: {what}", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: String,
        /// What is wrong.
        what: String,
    },
}

impl Config {
    /// Reads `path`, then `OTPOST__SECTION__KEY` variables over it. Relative paths in it start at its folder, and
    /// `file:PATH` or `env:NAME` in place of any text stands for what is kept there.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let wrong = |what: String| Error::File { path: path.to_owned(), what };
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong(NOWHERE.to_owned()),
            _ => wrong(error.to_string()),
        })?;
        let variables = config::Environment::with_prefix("OTPOST").prefix_separator("__").separator("__");
        let merged = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .add_source(variables.try_parsing(true))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let mut tree: Value = merged.try_deserialize().map_err(|error| wrong(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        fetch_secrets(&mut tree, "", path, folder)?;
        let mut config: Self = serde_path_to_error::deserialize(&tree).map_err(|error| Error::Key {
            path: path.to_owned(),
            key: error.path().to_string(),
            what: error.inner().to_string(),
        })?;
        config.start_at(folder);
        config.written.note(&tree, "");
        Ok(config)
    }

    fn start_at(&mut self, folder: &Path) {
        let files = self.ingest.files_mut().chain([&mut self.seal.key_file, &mut self.templates.dir]);
        files.chain(self.receipts.files_mut()).for_each(|path| *path = folder.join(&*path));
        self.provider.iter_mut().filter_map(channel::Settings::ca_mut).for_each(|path| *path = folder.join(&*path));
        if let Some(file) = self.store.url.strip_prefix("sqlite:").filter(|file| !file.is_empty()) {
            self.store.url = format!("sqlite:{}", folder.join(file).display());
        }
    }
}

// Walks the whole tree: a secret may stand in a header as well as in a password.
fn fetch_secrets(tree: &mut Value, key: &str, config: &Path, folder: &Path) -> Result<(), Error> {
    match tree {
        Value::Object(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                fetch_secrets(value, &key, config, folder)?;
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                fetch_secrets(item, &format!("{key}[{at}]"), config, folder)?;
            }
        }
        Value::String(text) => {
            let missing = |what: String| Error::Secret { path: config.to_owned(), key: key.to_owned(), what };
            if let Some(file) = text.strip_prefix("file:") {
                let file = folder.join(file);
                let kept = std::fs::read_to_string(&file);
                let kept = kept.map_err(|error| missing(format!("{}: {error}", file.display())))?;
                kept.trim_end_matches(['\r', '\n']).clone_into(text);
            } else if let Some(name) = text.strip_prefix("env:") {
                *text = variable(name).ok_or_else(|| missing(format!("the environment has no {name}")))?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// What the environment says under `name`.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otpost.toml");
        std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

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
        assert_eq!(shipped.receipts.listen, plain.receipts.listen);
        assert_eq!(shipped.ops.listen, plain.ops.listen);
        assert_eq!(shipped.log.level, plain.log.level);
        assert_eq!(shipped.templates.brand, plain.templates.brand);
    }

    #[test]
    fn who_stands_in_the_wrong_folder_is_told_what_to_do() {
        let said = Config::load(Path::new("/nowhere/otpost.toml")).unwrap_err().to_string();
        assert_eq!(said, format!("/nowhere/otpost.toml: {NOWHERE}"));
    }

    #[test]
    fn an_unknown_key_is_named_with_those_that_exist() {
        let said = load("[ingest]\nlisten_on = \"x\"").unwrap_err().to_string();
        assert!(said.contains("ingest") && said.contains("listen_on") && said.contains("`listen`"), "{said}");
    }

    #[test]
    fn a_secret_is_fetched_from_its_file_and_missed_when_it_is_not_there() {
        let provider = |token: &str| {
            format!(
                "[[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"http://127.0.0.1:1/\"\n\
                 [provider.headers]\nauthorization = \"{token}\""
            )
        };
        assert!(load(&provider("file:token")).is_ok());
        let said = load(&provider("env:OTPOST_NO_SUCH_THING")).unwrap_err().to_string();
        assert!(
            said.contains("provider[0].headers.authorization: the environment has no OTPOST_NO_SUCH_THING"),
            "{said}"
        );
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
