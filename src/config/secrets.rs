//! Secrets outside the configuration file: `env:NAME` and `file:PATH` in place of any string.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Error, join, variable};
use crate::file_access;

/// Keys whose value is a secret, wherever they are.
const SECRET_KEYS: [&str; 5] = ["password", "secret", "client_secret", "headers", "static_fields"];

/// What a secret means that this process cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Fails,
    IsListed,
}

/// A secret that this process cannot read.
#[derive(Debug, Clone)]
pub struct MissingSecret {
    pub(super) key: String,
    /// Its key, and where it was looked for.
    pub error: Error,
}

impl MissingSecret {
    /// The position of the provider that it belongs to.
    pub fn provider(&self) -> Option<usize> {
        self.key.strip_prefix("provider[")?.split_once(']')?.0.parse().ok()
    }
}

/// The files that hold secrets.
#[derive(Debug, Clone, Default)]
pub struct SecretFiles {
    /// The configuration file, if a secret is written in it.
    pub configuration: Option<PathBuf>,
    /// Files that `file:` names.
    pub named: Vec<PathBuf>,
}

impl SecretFiles {
    pub(super) fn of(in_file: &Value, path: &Path) -> Self {
        let configuration = holds_secret(in_file, false).then(|| path.to_owned());
        Self { configuration, named: Vec::new() }
    }

    pub(super) fn with(self, named: Vec<PathBuf>) -> Self {
        Self { named, ..self }
    }
}

fn holds_secret(tree: &Value, is_secret: bool) -> bool {
    match tree {
        Value::Object(table) => {
            table.iter().any(|(key, value)| holds_secret(value, is_secret || SECRET_KEYS.contains(&key.as_str())))
        }
        Value::Array(items) => items.iter().any(|item| holds_secret(item, is_secret)),
        Value::String(text) => is_secret && !text.is_empty() && !text.starts_with("env:") && !text.starts_with("file:"),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Replaces each secret that can be read. Returns the keys of the others with the reasons, and the files that were named.
pub(super) fn fetch(tree: &mut Value, folder: &Path) -> (Vec<(String, String)>, Vec<PathBuf>) {
    let mut fetched = Fetched { folder, missing: Vec::new(), files: Vec::new() };
    fetched.walk(tree, "");
    (fetched.missing, fetched.files)
}

struct Fetched<'a> {
    folder: &'a Path,
    missing: Vec<(String, String)>,
    files: Vec<PathBuf>,
}

impl Fetched<'_> {
    // Any string may name a secret, for example one in a header.
    fn walk(&mut self, tree: &mut Value, key: &str) {
        match tree {
            Value::Object(table) => table.iter_mut().for_each(|(name, value)| self.walk(value, &join(key, name))),
            Value::Array(items) => {
                items.iter_mut().enumerate().for_each(|(at, item)| self.walk(item, &format!("{key}[{at}]")));
            }
            Value::String(text) => match self.secret(text) {
                Ok(Some(secret)) => *text = secret,
                Ok(None) => {}
                Err(reason) => self.missing.push((key.to_owned(), reason)),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn secret(&mut self, text: &str) -> Result<Option<String>, String> {
        if let Some(file) = text.strip_prefix("file:") {
            let file: PathBuf = self.folder.join(file);
            let content = std::fs::read_to_string(&file);
            let content =
                content.map_err(|error| format!("{}: {}", file.display(), file_access::explain(&file, &error)))?;
            self.files.push(file);
            return Ok(Some(content.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let Some(name) = text.strip_prefix("env:") else { return Ok(None) };
        variable(name).map(Some).ok_or_else(|| format!("environment variable {name} is not set"))
    }
}
