//! The templates that the attempts of a delivery used, and their rendered text while the delivery is open. Codes are
//! masked.

use crate::domain::chain;
use crate::domain::delivery::DeliveryId;
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::RecipientId;
use crate::domain::template_version::TemplateSnapshot;
use crate::render::{self, RenderContext};
use crate::store::reports::DeliveryDetail;
use crate::store::{Error, KnownTemplates, Store};

/// A template, and the attempts that used it.
pub struct AttemptText<'a> {
    template: &'a TemplateSnapshot,
    attempts: Vec<u32>,
    rendering: Rendering,
}

/// The text that a template gives for the content of the delivery.
pub enum Rendering {
    /// Each part with its name; codes are masked.
    Parts(Vec<(&'static str, String)>),
    /// The delivery has ended, and its content was deleted.
    NoContent,
    /// The template does not pass validation any more.
    Invalid(String),
}

/// The templates of all attempts, that of the first attempt first.
pub async fn of<'a>(
    store: &Store,
    settings: &render::Settings,
    detail: &DeliveryDetail,
    known: &'a KnownTemplates,
) -> Result<Vec<AttemptText<'a>>, Error> {
    let mut texts: Vec<AttemptText<'_>> = Vec::new();
    for attempt in &detail.attempts {
        let Some(template) = attempt.template_version.and_then(|version| known.get(&version)) else { continue };
        let same = |text: &&mut AttemptText<'_>| text.template.template_version == template.template_version;
        if let Some(text) = texts.iter_mut().find(same) {
            text.attempts.push(attempt.number);
        } else {
            let rendering = render(store, settings, detail, template).await?;
            texts.push(AttemptText { template, attempts: vec![attempt.number], rendering });
        }
    }
    Ok(texts)
}

async fn render(
    store: &Store,
    settings: &render::Settings,
    detail: &DeliveryDetail,
    template: &TemplateSnapshot,
) -> Result<Rendering, Error> {
    let Some(content) = store.content(DeliveryId(detail.line.id)).await? else { return Ok(Rendering::NoContent) };
    let recipient = match detail.line.recipient {
        Some(id) => store.recipients().get(RecipientId(id)).await?,
        None => None,
    };
    let zone =
        recipient.as_ref().and_then(|recipient| recipient.preferences.time_zone.as_ref()).map(RecipientTimeZone::rules);
    let context =
        RenderContext { locale: &template.key.locale, zone, until: detail.line.expires_at, transliterate: None };
    Ok(match render::render_snapshot(template, settings, content, &context) {
        Ok(parts) => Rendering::Parts(parts),
        Err(error) => Rendering::Invalid(chain(&error)),
    })
}

impl AttemptText<'_> {
    /// The template.
    pub fn template(&self) -> &TemplateSnapshot {
        self.template
    }

    /// The numbers of the attempts that used it.
    pub fn attempts(&self) -> &[u32] {
        &self.attempts
    }

    /// The text that went out, as far as it is still known.
    pub const fn rendering(&self) -> &Rendering {
        &self.rendering
    }

    /// The rendered parts, while they can be rendered.
    pub fn rendered(&self) -> Option<&[(&'static str, String)]> {
        match &self.rendering {
            Rendering::Parts(parts) => Some(parts),
            Rendering::NoContent | Rendering::Invalid(_) => None,
        }
    }

    /// The sources of the parts, with a mask in place of the code.
    pub fn sources(&self) -> impl Iterator<Item = (&str, String)> {
        self.template.parts.iter().map(|(part, source)| {
            let shown = if TemplateSnapshot::is_text(part) { render::without_code(source) } else { source.clone() };
            (part.as_str(), shown)
        })
    }
}
