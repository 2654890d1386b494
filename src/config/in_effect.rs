//! The values in effect, and where each comes from.

use serde_json::Value;
use strum::IntoStaticStr;

use super::values::ConfigValues;
use super::{Config, overridden};

/// The file that shows every key with its default.
const SHIPPED: &str = include_str!("../../config/otpost.toml");

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ValueOrigin {
    Default,
    File,
    Environment,
}

impl ValueOrigin {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One value in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueInEffect {
    pub key: String,
    /// `None` for a secret that is written in the file.
    pub shown: Option<String>,
    pub origin: ValueOrigin,
}

impl Config {
    /// Every value in effect, by key. Optional keys that are not set are left out.
    pub fn values(&self) -> Vec<ValueInEffect> {
        let origin = |key: &str| {
            let is_overridden = overridden(&self.source.overrides.0, key).is_some();
            if is_overridden { ValueOrigin::Environment } else { ValueOrigin::File }
        };
        let of = |(key, shown): (&str, Option<&str>), origin| ValueInEffect {
            key: key.to_owned(),
            shown: shown.map(str::to_owned),
            origin,
        };
        let mut values: Vec<_> = self.written.shown().map(|it| of(it, origin(it.0))).collect();
        let tree: Value = toml::from_str(SHIPPED).unwrap_or_default();
        let mut shipped = ConfigValues::default();
        shipped.record(&tree, &tree);
        let is_set = |key: &str| self.written.shown().any(|(set, _)| set == key);
        values.extend(shipped.shown().filter(|(key, _)| !is_set(key)).map(|it| of(it, ValueOrigin::Default)));
        values.sort_by(|one, other| one.key.cmp(&other.key));
        values
    }
}
