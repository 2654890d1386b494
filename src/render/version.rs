//! Template versions: one snapshot for each locale, kind and channel, named by a hash of its content.
//!
//! A snapshot holds everything that determines a message apart from its values. Snapshots are made when templates are
//! loaded, not for each message.

use std::collections::{BTreeMap, HashMap};

use openssl::sha::Sha256;

use super::locale_tag::tag;
use super::template::file::{TemplateFile, TemplateSet};
use super::template::locale_file::{LocaleFile, LocaleSettingsIndex};
use super::template::part::TemplatePart;
use super::template::shipped::shipped_in;
use super::{Error, RenderContext, Renderer, Settings};
use crate::domain::contact::Channel;
use crate::domain::notification::{Content, Kind, Otp};
use crate::domain::outbound_message::RenderedMessage;
use crate::domain::recipient::Locale;
use crate::domain::secret::Code;
use crate::domain::template_version::{TemplateKey, TemplateSnapshot, TemplateVersion};

/// The version of the mail layout; raised whenever the layout changes.
const LAYOUT: &str = "1";

/// The first input of the hash, so that another way of hashing cannot give the same name to other content. It is part of
/// every stored version, so it stays as it is.
const SCHEME: &str = "otpost words 1";

/// The key of the value that stands for a merchant without a name.
const MERCHANT: &str = "locale.merchant";

/// Shown in place of a code.
const MASK: &str = "••••••";

/// The snapshots of a template set.
pub(super) struct VersionIndex {
    all: Vec<TemplateSnapshot>,
    by_locale: HashMap<Locale, HashMap<(Kind, Channel), TemplateVersion>>,
}

impl VersionIndex {
    /// The snapshots of every message that a locale covers on its own.
    pub(super) fn of(files: &[TemplateFile], locale_settings: &LocaleSettingsIndex, settings: &Settings) -> Self {
        let mut by_locale: HashMap<Locale, HashMap<(Kind, Channel), TemplateVersion>> = HashMap::new();
        let mut all = Vec::new();
        for (locale, sources) in sources(files) {
            let merchant = locale_settings.merchant(&locale).unwrap_or_default();
            for kind in Kind::ALL {
                for channel in Channel::ALL {
                    let key = TemplateKey { locale: locale.clone(), kind, channel };
                    let Some(parts) = parts(&sources, &key, merchant, settings) else { continue };
                    let template_version = version(&key, &parts);
                    by_locale.entry(locale.clone()).or_default().insert((kind, channel), template_version);
                    all.push(TemplateSnapshot { template_version, key, parts });
                }
            }
        }
        Self { all, by_locale }
    }

    pub(super) fn all(&self) -> &[TemplateSnapshot] {
        &self.all
    }

    pub(super) fn find(&self, locale: &Locale, kind: Kind, channel: Channel) -> Option<TemplateVersion> {
        self.by_locale.get(locale)?.get(&(kind, channel)).copied()
    }
}

type Sources<'a> = HashMap<(Kind, &'static str), &'a str>;

// By locale. Of two tags that differ in case only, the first one names the locale.
fn sources(files: &[TemplateFile]) -> Vec<(Locale, Sources<'_>)> {
    let mut by_tag: BTreeMap<String, (Locale, Sources<'_>)> = BTreeMap::new();
    for file in files {
        let new = || (file.locale.clone(), Sources::new());
        let (_, sources) = by_tag.entry(tag(&file.locale)).or_insert_with(new);
        sources.insert((file.kind, file.part.file()), &file.source);
    }
    by_tag.into_values().collect()
}

fn parts(
    sources: &Sources<'_>,
    key: &TemplateKey,
    merchant: &str,
    settings: &Settings,
) -> Option<BTreeMap<String, String>> {
    let mut parts = BTreeMap::new();
    for part in TemplatePart::of(key.channel) {
        parts.insert(part.file().to_owned(), (*sources.get(&(key.kind, part.file()))?).to_owned());
    }
    if let (Channel::Email, Some(html)) = (key.channel, sources.get(&(key.kind, TemplatePart::EmailHtml.file()))) {
        parts.insert(TemplatePart::EmailHtml.file().to_owned(), (*html).to_owned());
    }
    let values = setting_values(key, merchant, settings).into_iter().filter(|(_, value)| !value.is_empty());
    parts.extend(values.map(|(key, value)| (key.to_owned(), value)));
    Some(parts)
}

// The settings that change a message, by their keys. An empty one changes nothing.
fn setting_values(key: &TemplateKey, merchant: &str, settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings { brand, reveal_fraud_reason, sms, mail, autofill, .. } = settings;
    let flag = |is_set: bool| if is_set { "true".to_owned() } else { String::new() };
    let mut values = vec![("brand", brand.trim().to_owned())];
    if key.kind == Kind::Otp {
        values.push((MERCHANT, merchant.to_owned()));
    }
    if matches!(key.kind, Kind::CardLocked | Kind::TransactionalLockAdded | Kind::TransactionalLockRemoved) {
        values.push(("reveal_fraud_reason", flag(*reveal_fraud_reason)));
    }
    match key.channel {
        Channel::Sms => {
            values.push(("sms.transliterate", flag(sms.transliterates(&key.locale))));
            if key.kind == Kind::Otp {
                values.push(("autofill.app_hash", autofill.app_hash.clone()));
                values.push(("autofill.domain", autofill.domain.clone()));
            }
        }
        Channel::Push => {}
        Channel::Email => values.extend([
            ("layout", LAYOUT.to_owned()),
            ("mail.logo", mail.logo.clone()),
            ("mail.color", mail.color.clone()),
            ("mail.background", mail.background.clone()),
            ("mail.footer", mail.footer.clone()),
        ]),
    }
    values
}

// Each string follows its length, so that different snapshots never give the same input.
fn version(key: &TemplateKey, parts: &BTreeMap<String, String>) -> TemplateVersion {
    let mut digest = Sha256::new();
    let head = [SCHEME, key.locale.as_str(), key.kind.name(), key.channel.name()];
    for text in head.into_iter().chain(parts.iter().flat_map(|(part, text)| [part.as_str(), text.as_str()])) {
        digest.update(&(text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    TemplateVersion(digest.finish())
}

/// The source of a template with a mask in place of `{{otp}}`. Other variables stay.
pub fn without_code(source: &str) -> String {
    let mut shown = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, behind)) = rest.split_once("{{") {
        shown.push_str(before);
        match behind.split_once("}}") {
            Some((tag, after)) if tag.trim_matches(['~', ' ', '\t', '\n', '\r']) == "otp" => {
                shown.push_str(MASK);
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

/// The parts of a message that `snapshot` renders from `content`, with a mask in place of a code. Fails when validation
/// would reject the templates of the snapshot today.
pub fn render_snapshot(
    snapshot: &TemplateSnapshot,
    settings: &Settings,
    content: Content,
    context: &RenderContext<'_>,
) -> Result<Vec<(&'static str, String)>, Error> {
    let content = match content {
        Content::Otp(otp) => Content::Otp(Otp { code: Code::mask(), ..otp }),
        other => other,
    };
    let renderer = Renderer::compile(&set_of(snapshot), &settings_of(snapshot, settings))?;
    let context = RenderContext { locale: &snapshot.key.locale, ..*context };
    let message = renderer.render(&content, snapshot.key.channel, &context)?.message;
    let mask = Code::mask();
    let parts = match &message {
        RenderedMessage::Sms { text } => vec![("text", text)],
        RenderedMessage::Push { title, body } => vec![("title", title), ("body", body)],
        RenderedMessage::Email { subject, text, html, .. } => {
            vec![("subject", subject), ("text", text), ("html", html)]
        }
    };
    Ok(parts.into_iter().map(|(part, text)| (part, text.reveal().replace(mask.reveal(), MASK))).collect())
}

/// The template set that `snapshots` of all its messages were made of, as if it lay in the folder of `settings`. Words about
/// fraud are not part of a snapshot: without them the rule on such words finds nothing.
pub fn set_of_snapshots(snapshots: &[TemplateSnapshot], settings: &Settings) -> TemplateSet {
    let mut set = TemplateSet::default();
    for TemplateSnapshot { key: TemplateKey { locale, kind, channel }, parts, .. } in snapshots {
        let folder = settings.dir.join(locale.as_str());
        let of_channel = TemplatePart::of(*channel).iter().copied();
        let page = (*channel == Channel::Email).then_some(TemplatePart::EmailHtml);
        for part in of_channel.chain(page) {
            let Some(source) = parts.get(part.file()) else { continue };
            let path = folder.join(kind.name()).join(part.file());
            set.replace(TemplateFile { locale: locale.clone(), kind: *kind, part, path, source: source.clone() });
        }
        if let Some(merchant) = parts.get(MERCHANT) {
            set.replace_locale(LocaleFile::of(locale, merchant));
        }
    }
    set.templates.sort_by(|one, other| one.path.cmp(&other.path));
    set
}

// A set must be complete, so the shipped English templates complete this one.
fn set_of(snapshot: &TemplateSnapshot) -> TemplateSet {
    let TemplateKey { locale, kind, .. } = &snapshot.key;
    let mut set = Locale::parse("en").map(|english| shipped_in(&english)).unwrap_or_default();
    for file in &mut set.templates {
        file.locale = locale.clone();
        if let Some(source) = snapshot.parts.get(file.part.file()).filter(|_| file.kind == *kind) {
            file.source.clone_from(source);
        }
    }
    let english = set.locales.pop();
    set.locales = match (snapshot.parts.get(MERCHANT), english) {
        (Some(merchant), _) => vec![LocaleFile::of(locale, merchant)],
        (None, english) => english.map(|file| LocaleFile { locale: locale.clone(), ..file }).into_iter().collect(),
    };
    set
}

// The settings of the snapshot; settings that are not part of it have their present values.
fn settings_of(snapshot: &TemplateSnapshot, now: &Settings) -> Settings {
    let locale = &snapshot.key.locale;
    let kept = |key: &str| snapshot.parts.get(key).cloned().unwrap_or_default();
    let mut settings = now.clone();
    settings.default_locale = locale.clone();
    settings.locales = Vec::new();
    settings.brand = kept("brand");
    settings.reveal_fraud_reason = snapshot.parts.contains_key("reveal_fraud_reason");
    settings.sms.transliterate =
        snapshot.parts.contains_key("sms.transliterate").then(|| locale.clone()).into_iter().collect();
    settings.autofill.app_hash = kept("autofill.app_hash");
    settings.autofill.domain = kept("autofill.domain");
    if snapshot.key.channel == Channel::Email {
        settings.mail.logo = kept("mail.logo");
        settings.mail.color = kept("mail.color");
        settings.mail.background = kept("mail.background");
        settings.mail.footer = kept("mail.footer");
    }
    settings
}

#[cfg(test)]
mod tests;
