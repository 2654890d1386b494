//! Secrets outside the configuration file: `env:NAME` and `file:PATH` in place of any string.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Error, join, variable};
use crate::domain::secret::is_secret_key;
use crate::file_access;

/// What may be shown of the value of a key; `None` for a secret.
pub(super) fn shown(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if is_reference(text) => Some(text.clone()),
        _ if is_secret(key) => None,
        Value::String(text) if text.is_empty() => Some("\"\"".to_owned()),
        Value::String(text) => Some(without_credentials(text)),
        Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items
                .iter()
                .map(|item| shown(key, item).map(|text| if item.is_array() { format!("[{text}]") } else { text }))
                .collect();
            Some(items?.join(", "))
        }
        other => Some(other.to_string()),
    }
}

/// The key whose values are references to secrets that texts of the console may use. They stay as they are.
const ALLOWED: &str = "routing.secrets";

fn is_secret(key: &str) -> bool {
    if key.starts_with(ALLOWED) {
        return false;
    }
    key.split(['.', '[']).any(is_secret_key)
}

/// Whether a value says where a secret is kept.
fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

// A URL may hold a password before its host, and a key behind its path.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?***"));
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, host) = host.rsplit_once('@').map_or(("", host), |(_, host)| ("***@", host));
    format!("{scheme}://{user}{host}{path}{query}")
}

/// The references in a tree.
pub(super) fn references(tree: &Value) -> BTreeSet<String> {
    match tree {
        Value::Object(table) => table.values().flat_map(references).collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::String(text) if is_reference(text) => BTreeSet::from([text.clone()]),
        _ => BTreeSet::new(),
    }
}

/// The keys with secrets that are written in a tree, and not kept elsewhere.
pub(super) fn literals(tree: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    add_literals(tree, "", &mut keys);
    keys
}

fn add_literals(tree: &Value, key: &str, keys: &mut Vec<String>) {
    match tree {
        Value::Object(table) => table.iter().for_each(|(name, value)| add_literals(value, &join(key, name), keys)),
        Value::Array(items) => items.iter().for_each(|item| add_literals(item, key, keys)),
        Value::String(text) if text.is_empty() || is_reference(text) => {}
        Value::String(text) if is_secret(key) || has_user(text) => keys.push(key.to_owned()),
        _ => {}
    }
}

fn has_user(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')))
}

/// What a secret means that this process cannot read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Missing {
    #[default]
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
}

fn holds_secret(tree: &Value, is_secret: bool) -> bool {
    match tree {
        Value::Object(table) => table.iter().any(|(key, value)| holds_secret(value, is_secret || is_secret_key(key))),
        Value::Array(items) => items.iter().any(|item| holds_secret(item, is_secret)),
        Value::String(text) => is_secret && !text.is_empty() && !is_reference(text),
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
            _ if key == ALLOWED => {}
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
