//! Writes the text of a message: for one channel, in one language, with one person's values.
//!
//! Knows neither people nor providers, keeps nothing it wrote, and never logs. Templates are read and checked when
//! they are loaded; after that, writing opens no file and takes no lock. The code is borrowed from its notification
//! and goes nowhere but into the finished text.

mod context;
mod email;
mod error;
mod format;
pub mod fuzz_api;
mod live;
mod preview;
mod registry;
mod settings;
pub mod sms;
mod template;
mod validate;
mod version;

use jiff::tz::TimeZone;

pub use self::preview::{Previews, Sample};
pub use self::settings::{AutofillSettings, MailSettings, Settings, SmsSettings};
use crate::domain::contact::Channel;
use crate::domain::notification::{Content, Kind};
use crate::domain::outbound_message::RenderedMessage;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::domain::template_version::{TemplateSnapshot, TemplateVersion};
pub use context::RenderContext;
use email::layout::{Layout, MailContent};
use error::BRAND_MAX;
pub use error::Error;
pub use live::{LiveTemplates, PendingTemplates};
use registry::{LocaleTemplates, TemplateRegistry};
pub use template::file::{TemplateFile, TemplateSet};
pub use template::loader::{Folder, FolderFingerprint, Shipped, Source, write_shipped};
use template::part::TemplatePart;
pub use template::syntax_limits::Location;
use template::values::Values;
pub use validate::coverage::{Coverage, CoverageSource, LocaleCoverage, LocaleStatus};
pub use validate::diagnostic::Diagnostic;
pub use validate::review::{coverage, review, review_files, review_folder};
pub use validate::rules::{RULES, Rule};
use version::VersionIndex;
pub use version::{filled, without_code};

/// Writes messages from templates that were checked when it was made.
pub struct Renderer {
    catalog: TemplateRegistry,
    template_versions: VersionIndex,
    default_locale: Locale,
    brand: String,
    zone: TimeZone,
    layout: Layout,
    reveal_fraud_reason: bool,
    sms: SmsSettings,
    autofill: sms::autofill::AutofillLines,
}

/// A message, and what it was written with.
#[derive(Debug)]
pub struct RenderOutput {
    /// What goes to a provider.
    pub message: RenderedMessage,
    /// The name of its words.
    pub template_version: TemplateVersion,
}

impl Renderer {
    /// Reads the texts in the folder of `settings` and makes a renderer of them.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        Self::of(&template::file::gather(&settings.dir)?, settings)
    }

    /// Checks every text, and writes each of them with the values that could break it.
    pub fn of(files: &TemplateSet, settings: &Settings) -> Result<Self, Error> {
        Self::unless_refused(Self::examine(files, settings)?)
    }

    // One of what is refused would be mended, and then the next be found: all of it is told.
    fn unless_refused((renderer, mut findings): (Self, Vec<Diagnostic>)) -> Result<Self, Error> {
        findings.retain(|finding| finding.refused);
        if findings.is_empty() { Ok(renderer) } else { Err(Error::Refused(findings)) }
    }

    fn with(catalog: TemplateRegistry, template_versions: VersionIndex, settings: &Settings) -> Result<Self, Error> {
        let brand = settings.brand.trim();
        if brand.is_empty() || brand.chars().count() > BRAND_MAX || brand.contains(char::is_control) {
            return Err(Error::Brand);
        }
        let zone = TimeZone::get(&settings.time_zone)
            .map_err(|source| Error::TimeZone { name: settings.time_zone.clone(), source })?;
        if settings.sms.max_segments == 0 {
            return Err(Error::Setting { key: "sms.max_segments", expected: "expected 1 or more" });
        }
        Ok(Self {
            catalog,
            template_versions,
            default_locale: settings.default_locale.clone(),
            layout: Layout::of(&settings.mail, brand)?,
            brand: brand.to_owned(),
            zone,
            reveal_fraud_reason: settings.reveal_fraud_reason,
            sms: settings.sms.clone(),
            autofill: sms::autofill::AutofillLines::of(&settings.autofill)?,
        })
    }

    /// The text of `content` for `channel`, in the nearest language to the reader's that there is a text in.
    pub fn render(
        &self,
        content: &Content,
        channel: Channel,
        context: &RenderContext<'_>,
    ) -> Result<RenderOutput, Error> {
        let kind = content.kind();
        let missing = || Error::Missing {
            locale: self.default_locale.clone(),
            files: TemplatePart::of(channel).iter().map(|part| format!("{kind}/{}", part.file())).collect(),
        };
        let voice = self.catalog.voice(context.locale, kind, channel).ok_or_else(missing)?;
        let template_version = self.template_versions.find(voice.locale(), kind, channel).ok_or_else(missing)?;
        let values = self.values(content, channel, voice, context);
        let write = |part| write(voice, kind, part, &values);
        let message = match channel {
            Channel::Sms => RenderedMessage::Sms { text: self.sms(voice, kind, &values, context)? },
            Channel::Push => {
                RenderedMessage::Push { title: write(TemplatePart::PushTitle)?, body: write(TemplatePart::PushBody)? }
            }
            Channel::Email => RenderedMessage::Email {
                subject: write(TemplatePart::EmailSubject)?,
                text: write(TemplatePart::EmailText)?,
                html: self.page(voice, kind, &values)?,
                locale: voice.locale().clone(),
            },
        };
        Ok(RenderOutput { message, template_version })
    }

    /// All the words it can write with.
    pub fn words(&self) -> &[TemplateSnapshot] {
        self.template_versions.all()
    }

    /// The zone in which hours are told to whoever said nothing of theirs.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The locale used where a person's own has no text.
    pub fn default_locale(&self) -> &Locale {
        &self.default_locale
    }

    /// The locales that have texts of their own, in order.
    pub fn locales(&self) -> Vec<&Locale> {
        let mut locales: Vec<_> = self.catalog.voices().map(LocaleTemplates::locale).collect();
        locales.sort();
        locales
    }

    // The HTML of a mail. All of it is in one language: that of the voice that wrote the subject.
    fn page(&self, voice: &LocaleTemplates, kind: Kind, values: &Values<'_>) -> Result<RenderedText, Error> {
        let spans = |part| voice.text(kind, part).map(|text| text.spans(values));
        let page = self.layout.write(&MailContent {
            locale: voice.locale(),
            right_to_left: voice.right_to_left,
            subject: spans(TemplatePart::EmailSubject).unwrap_or_default(),
            text: spans(TemplatePart::EmailText).unwrap_or_default(),
            html: spans(TemplatePart::EmailHtml),
        });
        within_limit(voice, kind, TemplatePart::EmailHtml, page)
    }
}

fn write(voice: &LocaleTemplates, kind: Kind, part: TemplatePart, values: &Values<'_>) -> Result<RenderedText, Error> {
    let text = voice.text(kind, part).ok_or_else(|| Error::Missing {
        locale: voice.locale().clone(),
        files: vec![format!("{kind}/{}", part.file())],
    })?;
    within_limit(voice, kind, part, text.write(values))
}

fn within_limit(
    voice: &LocaleTemplates,
    kind: Kind,
    part: TemplatePart,
    written: RenderedText,
) -> Result<RenderedText, Error> {
    if !part.takes(written.reveal()) {
        let (locale, limit) = (voice.locale().clone(), part.output_limit());
        return Err(Error::TooLong { locale, kind, part: part.file(), limit });
    }
    Ok(written)
}

#[cfg(test)]
mod tests;
