//! Renders messages from templates: for one channel, in one locale, with the values of one notification.
//!
//! Knows neither recipients nor providers, stores no message and never logs. Templates are compiled and validated when they
//! are loaded; after that, rendering opens no file and takes no lock. The code is borrowed from its notification and is
//! copied into the rendered message only.

mod context;
mod editing;
mod email;
mod error;
mod format;
#[cfg(feature = "testing")]
pub mod fuzz_api;
mod live;
mod locale_tag;
mod preview;
mod registry;
mod settings;
pub mod sms;
mod template;
mod validate;
mod version;

use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::preview::{MessageSample, Previews, SampleValues};
pub use self::settings::{AutofillSettings, MailSettings, Settings, SmsSettings, TemplateSource};
use crate::domain::contact::Channel;
use crate::domain::notification::{Content, Kind};
use crate::domain::outbound_message::RenderedMessage;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::domain::template_version::{TemplateSnapshot, TemplateVersion};
pub use context::RenderContext;
pub use editing::{CompiledText, compile_text, diagnose, placeholders};
use email::layout::{Layout, MailContent};
use error::BRAND_MAX;
pub use error::Error;
pub use live::{LiveTemplates, PendingTemplates};
pub use locale_tag::{UnknownLocale, canonical as canonical_locale};
use registry::{LocaleTemplates, TemplateRegistry};
use template::bind;
pub use template::dossier_file::{NAME as DOSSIER_FILE, source as dossier_source};
pub use template::file::{TemplateFile, TemplateSet};
pub use template::locale_file::LocaleFile;
use template::part::TemplatePart;
pub use template::path::TemplatePath;
pub use template::shipped::{shipped, write_shipped};
use template::values::Values;
pub use validate::coverage::{Coverage, CoverageSource, LocaleCoverage, LocaleStatus};
pub use validate::diagnostic::Diagnostic;
pub use validate::rules::{RULES, Rule};
pub use validate::{coverage, coverage_of, validate, validate_files, validate_folder};
use version::VersionIndex;
pub use version::{render_snapshot, set_of_snapshots, without_code};

/// Renders messages from validated templates.
pub struct Renderer {
    registry: TemplateRegistry,
    versions: VersionIndex,
    /// What it was compiled from.
    set: Arc<TemplateSet>,
    default_locale: Locale,
    brand: String,
    zone: TimeZone,
    layout: Layout,
    reveal_fraud_reason: bool,
    sms: SmsSettings,
    autofill: sms::autofill::AutofillLines,
}

/// A rendered message and the version of its templates.
#[derive(Debug)]
pub struct RenderOutput {
    pub message: RenderedMessage,
    pub template_version: TemplateVersion,
}

impl Renderer {
    /// Loads, validates and compiles the templates in the folder of `settings`.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        Self::compile(&TemplateSet::load(&settings.dir)?, settings)
    }

    /// Validates and compiles a template set. The error lists all diagnostics, so that they can be fixed at once.
    pub fn compile(set: &TemplateSet, settings: &Settings) -> Result<Self, Error> {
        let renderer = validate::compile(set, settings).and_then(Self::without_errors)?;
        Ok(Self { set: Arc::new(set.clone()), ..renderer })
    }

    fn without_errors((renderer, mut diagnostics): (Self, Vec<Diagnostic>)) -> Result<Self, Error> {
        diagnostics.retain(|diagnostic| diagnostic.is_error);
        if diagnostics.is_empty() { Ok(renderer) } else { Err(Error::Rejected(diagnostics)) }
    }

    fn new(registry: TemplateRegistry, versions: VersionIndex, settings: &Settings) -> Result<Self, Error> {
        let brand = settings.brand.trim();
        if brand.is_empty() || brand.chars().count() > BRAND_MAX || brand.contains(char::is_control) {
            return Err(Error::Brand);
        }
        let zone = TimeZone::get(&settings.time_zone)
            .map_err(|source| Error::TimeZone { name: settings.time_zone.clone(), source })?;
        if settings.sms.max_segments == 0 {
            return Err(Error::Setting { key: "sms.max_segments", expected: "must be 1 or more" });
        }
        Ok(Self {
            registry,
            versions,
            set: Arc::default(),
            default_locale: settings.default_locale.clone(),
            layout: Layout::new(&settings.mail, brand)?,
            brand: brand.to_owned(),
            zone,
            reveal_fraud_reason: settings.reveal_fraud_reason,
            sms: settings.sms.clone(),
            autofill: sms::autofill::AutofillLines::new(&settings.autofill)?,
        })
    }

    /// Renders `content` for `channel`, in the recipient's locale or the nearest one that covers the message.
    pub fn render(
        &self,
        content: &Content,
        channel: Channel,
        context: &RenderContext<'_>,
    ) -> Result<RenderOutput, Error> {
        let kind = content.kind();
        let missing = || self.missing(kind, channel);
        let templates = self.registry.find(context.locale, kind, channel).ok_or_else(missing)?;
        let template_version = self.versions.find(templates.locale(), kind, channel).ok_or_else(missing)?;
        let values = bind::values(self, content, channel, templates, context);
        let render = |part| render_part(templates, kind, part, &values);
        let message = match channel {
            Channel::Sms => {
                RenderedMessage::Sms { text: sms::budget::render(self, templates, kind, &values, context)? }
            }
            Channel::Push => {
                RenderedMessage::Push { title: render(TemplatePart::PushTitle)?, body: render(TemplatePart::PushBody)? }
            }
            Channel::Email => RenderedMessage::Email {
                subject: render(TemplatePart::EmailSubject)?,
                text: render(TemplatePart::EmailText)?,
                html: self.page(templates, kind, &values)?,
                locale: templates.locale().clone(),
            },
        };
        Ok(RenderOutput { message, template_version })
    }

    /// The template set that it was compiled from, drafts of locales included.
    pub fn template_set(&self) -> &Arc<TemplateSet> {
        &self.set
    }

    /// The snapshots of all templates.
    pub fn snapshots(&self) -> &[TemplateSnapshot] {
        self.versions.all()
    }

    /// The time zone of dates and times for recipients whose own zone is unknown.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The locale for recipients whose own has no template.
    pub fn default_locale(&self) -> &Locale {
        &self.default_locale
    }

    /// Whether a recipient of `locale` gets messages in their own language.
    pub fn covers(&self, locale: &Locale) -> bool {
        self.registry.covers(locale)
    }

    /// The locales that have templates, in order.
    pub fn locales(&self) -> Vec<&Locale> {
        let mut locales: Vec<_> = self.registry.locales().map(LocaleTemplates::locale).collect();
        locales.sort();
        locales
    }

    // The HTML of a mail, in the same locale as its subject and text.
    fn page(&self, templates: &LocaleTemplates, kind: Kind, values: &Values<'_>) -> Result<RenderedText, Error> {
        let spans = |part| templates.template(kind, part).map(|template| template.spans(values));
        let page = self.layout.render(&MailContent {
            locale: templates.locale(),
            language: &templates.language,
            right_to_left: templates.right_to_left,
            subject: spans(TemplatePart::EmailSubject).unwrap_or_default(),
            text: spans(TemplatePart::EmailText).unwrap_or_default(),
            html: spans(TemplatePart::EmailHtml),
        });
        within_limit(templates, kind, TemplatePart::EmailHtml, page)
    }

    fn missing(&self, kind: Kind, channel: Channel) -> Error {
        let files = TemplatePart::of(channel).iter().map(|part| format!("{kind}/{}", part.file())).collect();
        Error::Missing { locale: self.default_locale.clone(), files }
    }
}

fn render_part(
    templates: &LocaleTemplates,
    kind: Kind,
    part: TemplatePart,
    values: &Values<'_>,
) -> Result<RenderedText, Error> {
    let template = templates.template(kind, part).ok_or_else(|| Error::Missing {
        locale: templates.locale().clone(),
        files: vec![format!("{kind}/{}", part.file())],
    })?;
    within_limit(templates, kind, part, template.render(values))
}

fn within_limit(
    templates: &LocaleTemplates,
    kind: Kind,
    part: TemplatePart,
    rendered: RenderedText,
) -> Result<RenderedText, Error> {
    if !part.fits(rendered.reveal()) {
        let (locale, limit) = (templates.locale().clone(), part.output_limit());
        return Err(Error::TooLong { locale, kind, part: part.file(), limit });
    }
    Ok(rendered)
}

#[cfg(test)]
mod tests;
