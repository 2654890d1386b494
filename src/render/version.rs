//! What words a set of texts has: one bundle for each sort of news, channel and language, and the name it is kept by.
//!
//! Everything that decides how a message reads before anybody's values are in it is part of the bundle. Computed when
//! texts are loaded, never for a message.

use std::collections::{BTreeMap, HashMap};

use openssl::sha::Sha256;

use super::template::file::TemplateFile;
use super::template::loader::shipped_in;
use super::template::part::TemplatePart;
use super::{Error, RenderContext, Renderer, Settings};
use crate::domain::contact::Channel;
use crate::domain::notification::{Content, Kind, Otp};
use crate::domain::outbound_message::RenderedMessage;
use crate::domain::recipient::Locale;
use crate::domain::secret::Code;
use crate::domain::template_version::{TemplateKey, TemplateSnapshot, TemplateVersion};

/// What is put around the text of a mail; raised whenever that changes.
const LAYOUT: &str = "1";

/// Said first in what is hashed, so that another way of hashing can never give the same name to other words.
const SCHEME: &str = "otpost words 1";

/// What a code looks like where a template is shown.
const SHOWN: &str = "••••••";

/// The words of a set of texts.
pub(super) struct VersionIndex {
    all: Vec<TemplateSnapshot>,
    by_locale: HashMap<Locale, HashMap<(Kind, Channel), TemplateVersion>>,
}

impl VersionIndex {
    /// The words of every message that is complete in a locale.
    pub(super) fn of(files: &[TemplateFile], settings: &Settings) -> Self {
        let mut by_locale: HashMap<Locale, HashMap<(Kind, Channel), TemplateVersion>> = HashMap::new();
        let mut all = Vec::new();
        for (locale, texts) in texts(files) {
            for kind in Kind::ALL {
                for channel in Channel::ALL {
                    let topic = TemplateKey { locale: locale.clone(), kind, channel };
                    let Some(parts) = parts(&texts, &topic, settings) else { continue };
                    let template_version = name(&topic, &parts);
                    by_locale.entry(locale.clone()).or_default().insert((kind, channel), template_version);
                    all.push(TemplateSnapshot { template_version, topic, parts });
                }
            }
        }
        Self { all, by_locale }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[TemplateSnapshot] {
        &self.all
    }

    /// The name of those of one message.
    pub(super) fn find(&self, locale: &Locale, kind: Kind, channel: Channel) -> Option<TemplateVersion> {
        self.by_locale.get(locale)?.get(&(kind, channel)).copied()
    }
}

type Texts<'a> = HashMap<(Kind, &'static str), &'a str>;

// By locale, however its letters are cased, under the name that comes first.
fn texts(files: &[TemplateFile]) -> Vec<(Locale, Texts<'_>)> {
    let mut by_tag: BTreeMap<String, (Locale, Texts<'_>)> = BTreeMap::new();
    for file in files {
        let tag = file.locale.as_str().to_ascii_lowercase();
        let (_, texts) = by_tag.entry(tag).or_insert_with(|| (file.locale.clone(), Texts::new()));
        texts.insert((file.kind, file.part.file()), &file.source);
    }
    by_tag.into_values().collect()
}

fn parts(texts: &Texts<'_>, topic: &TemplateKey, settings: &Settings) -> Option<BTreeMap<String, String>> {
    let mut parts = BTreeMap::new();
    for part in TemplatePart::of(topic.channel) {
        parts.insert(part.file().to_owned(), (*texts.get(&(topic.kind, part.file()))?).to_owned());
    }
    if let (Channel::Email, Some(html)) = (topic.channel, texts.get(&(topic.kind, TemplatePart::EmailHtml.file()))) {
        parts.insert(TemplatePart::EmailHtml.file().to_owned(), (*html).to_owned());
    }
    let deciding = deciding(topic, settings).into_iter().filter(|(_, value)| !value.is_empty());
    parts.extend(deciding.map(|(key, value)| (key.to_owned(), value)));
    Some(parts)
}

// The settings that decide words, by their keys; an empty one decides nothing.
fn deciding(topic: &TemplateKey, settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings { brand, reveal_fraud_reason, sms, mail, autofill, .. } = settings;
    let said = |truth: bool| if truth { "true".to_owned() } else { String::new() };
    let mut deciding = vec![("brand", brand.trim().to_owned())];
    if matches!(topic.kind, Kind::CardLocked | Kind::TransactionalLockAdded | Kind::TransactionalLockRemoved) {
        deciding.push(("reveal_fraud_reason", said(*reveal_fraud_reason)));
    }
    match topic.channel {
        Channel::Sms => {
            deciding.push(("sms.transliterate", said(sms.transliterates(&topic.locale))));
            if topic.kind == Kind::Otp {
                deciding.push(("autofill.app_hash", autofill.app_hash.clone()));
                deciding.push(("autofill.domain", autofill.domain.clone()));
            }
        }
        Channel::Push => {}
        Channel::Email => deciding.extend([
            ("layout", LAYOUT.to_owned()),
            ("mail.logo", mail.logo.clone()),
            ("mail.color", mail.color.clone()),
            ("mail.background", mail.background.clone()),
            ("mail.footer", mail.footer.clone()),
        ]),
    }
    deciding
}

// Each text behind its length: no two different bundles make the same bytes.
fn name(topic: &TemplateKey, parts: &BTreeMap<String, String>) -> TemplateVersion {
    let mut digest = Sha256::new();
    let head = [SCHEME, topic.locale.as_str(), topic.kind.name(), topic.channel.name()];
    for text in head.into_iter().chain(parts.iter().flat_map(|(part, text)| [part.as_str(), text.as_str()])) {
        digest.update(&(text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    TemplateVersion(digest.finish())
}

/// The source of a template as it may be shown: the place of the code is marked, everything else keeps its name.
pub fn without_code(source: &str) -> String {
    let mut shown = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, behind)) = rest.split_once("{{") {
        shown.push_str(before);
        match behind.split_once("}}") {
            Some((tag, after)) if tag.trim_matches(['~', ' ', '\t', '\n', '\r']) == "otp" => {
                shown.push_str(SHOWN);
                rest = after;
            }
            _ => {
                shown.push_str("{{");
                rest = behind;
            }
        }
    }
    shown + rest
}

/// The parts of a message that once had these words, filled in with what `content` says; in place of a code stands a
/// mask. Fails when the words would not be taken any more.
pub fn filled(
    words: &TemplateSnapshot,
    settings: &Settings,
    content: Content,
    context: &RenderContext<'_>,
) -> Result<Vec<(&'static str, String)>, Error> {
    let content = match content {
        Content::Otp(otp) => Content::Otp(Otp { code: Code::mask(), ..otp }),
        other => other,
    };
    let renderer = Renderer::of(&files_of(words).into(), &settings_of(words, settings))?;
    let context = RenderContext { locale: &words.topic.locale, ..*context };
    let message = renderer.render(&content, words.topic.channel, &context)?.message;
    let mask = Code::mask();
    let parts = match &message {
        RenderedMessage::Sms { text } => vec![("text", text)],
        RenderedMessage::Push { title, body } => vec![("title", title), ("body", body)],
        RenderedMessage::Email { subject, text, html, .. } => {
            vec![("subject", subject), ("text", text), ("html", html)]
        }
    };
    Ok(parts.into_iter().map(|(part, text)| (part, text.reveal().replace(mask.reveal(), SHOWN))).collect())
}

// A set of texts has to be complete: what these words are no part of is told as otpost tells it in English.
fn files_of(words: &TemplateSnapshot) -> Vec<TemplateFile> {
    let TemplateKey { locale, kind, .. } = &words.topic;
    let mut files: Vec<_> = Locale::parse("en").map(|english| shipped_in(&english)).unwrap_or_default();
    for file in &mut files {
        file.locale = locale.clone();
        if let Some(source) = words.parts.get(file.part.file()).filter(|_| file.kind == *kind) {
            file.source.clone_from(source);
        }
    }
    files
}

// As they were when these words were in force; what does not decide words is as it is now.
fn settings_of(words: &TemplateSnapshot, now: &Settings) -> Settings {
    let locale = &words.topic.locale;
    let kept = |key: &str| words.parts.get(key).cloned().unwrap_or_default();
    let mut settings = now.clone();
    settings.default_locale = locale.clone();
    settings.locales = Vec::new();
    settings.brand = kept("brand");
    settings.reveal_fraud_reason = words.parts.contains_key("reveal_fraud_reason");
    settings.sms.transliterate =
        words.parts.contains_key("sms.transliterate").then(|| locale.clone()).into_iter().collect();
    settings.autofill.app_hash = kept("autofill.app_hash");
    settings.autofill.domain = kept("autofill.domain");
    if words.topic.channel == Channel::Email {
        settings.mail.logo = kept("mail.logo");
        settings.mail.color = kept("mail.color");
        settings.mail.background = kept("mail.background");
        settings.mail.footer = kept("mail.footer");
    }
    settings
}

#[cfg(test)]
mod tests;
