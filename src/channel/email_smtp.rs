//! (being written)
use super::{Error, Provider};
use serde::Deserialize;
use std::sync::Arc;
/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name.
    pub name: String,
}
/// Connect.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Provider>, Error> {
    Err(Error { provider: settings.name.clone(), what: "not written yet".into() })
}
