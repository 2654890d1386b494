//! (being written)
use crate::domain::{address::Channel, notification::Content, parcel::Message, person::Locale};
use serde::Deserialize;
use std::path::{Path, PathBuf};
/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder with `<locale>/<kind>/<part>.hbs`.
    pub dir: PathBuf,
    /// The locale used where a person's own has no text.
    pub default_locale: Locale,
    /// The name that mails and texts are signed with.
    pub brand: String,
}
impl Default for Settings {
    #[expect(clippy::expect_used, reason = "a constant")]
    fn default() -> Self {
        Self {
            dir: PathBuf::from("templates"),
            default_locale: Locale::parse("en").expect("a language tag"),
            brand: "Your bank".into(),
        }
    }
}
/// Renderer.
pub struct Renderer;
/// Error.
#[derive(Debug, thiserror::Error)]
#[error("not written yet")]
pub struct Error;
impl Renderer {
    /// Load.
    pub fn load(_settings: &Settings) -> Result<Self, Error> {
        Err(Error)
    }
    /// Render.
    pub fn render(&self, _content: &Content, _channel: Channel, _locale: &Locale) -> Result<Message, Error> {
        Err(Error)
    }
}
/// Writes the shipped templates below `dir`.
pub fn write_shipped(_dir: &Path) -> std::io::Result<()> {
    Ok(())
}
