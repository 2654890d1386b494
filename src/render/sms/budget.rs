//! Keeps SMS messages within `[templates.sms] max_segments`.
//!
//! A template that may need more segments is rejected; a merchant name that makes a message longer is shortened. The code
//! and the amount are never shortened. Prices and providers are not known here.

use jiff::civil;
use unicode_segmentation::UnicodeSegmentation;

use super::segments;
use super::segments::{SmsCost, SmsSize};
use super::transliterate;
use super::transliterate::Letters;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::Kind;
use crate::domain::secret::RenderedText;
use crate::render::format::{date, merchant_name};
use crate::render::registry::LocaleTemplates;
use crate::render::template::file::TemplateFile;
use crate::render::template::part::TemplatePart;
use crate::render::template::values::Values;
use crate::render::validate::diagnostic::Diagnostic;
use crate::render::{Error, RenderContext, Renderer, render_part};

/// The characters of a merchant name that are kept however long the message is.
const MERCHANT_MIN: usize = 8;

/// A character can consist of any number of code points. One with more units of UTF-16 than a flag counts as several.
const CHARACTER_MAX: usize = 4;

const ELLIPSIS: &str = "...";

/// The longest code that processors send.
const CODE: &str = "0000000000";

/// The rule that [`diagnostic`] checks.
pub(crate) const RULE: &str = "sms-budget";

/// Renders the text of an SMS, and shortens the merchant name as far as the budget requires.
pub(crate) fn render(
    renderer: &Renderer,
    templates: &LocaleTemplates,
    kind: Kind,
    values: &Values<'_>,
    context: &RenderContext<'_>,
) -> Result<RenderedText, Error> {
    let replaced = context.transliterate.unwrap_or_else(|| transliterates(renderer, templates));
    let letters = letters(replaced, templates);
    let text = finished(renderer, templates, kind, values, letters)?;
    let name = &values.merchant;
    if fits(renderer, &text) || name.is_empty() {
        return Ok(text);
    }
    let mut best = text;
    let near: String = transliterate::nearest(name).collect();
    let render_with = |merchant| finished(renderer, templates, kind, &Values { merchant, ..values.clone() }, letters);
    let nearest = render_with(near.clone())?;
    // The name keeps its letters if replacing them saves nothing.
    let is_cheaper = segments::measure(nearest.reveal()) < segments::measure(best.reveal());
    let shortened = if is_cheaper {
        best = nearest;
        shorter(&near)
    } else {
        shorter(name)
    };
    for merchant in shortened {
        if fits(renderer, &best) {
            break;
        }
        best = render_with(merchant)?;
    }
    Ok(best)
}

/// Whether letters of the locale are replaced by the nearest ones in GSM 03.38.
fn transliterates(renderer: &Renderer, templates: &LocaleTemplates) -> bool {
    renderer.sms.transliterates(templates.locale())
}

fn letters(replaced: bool, templates: &LocaleTemplates) -> Letters {
    Letters::of(replaced, templates.language.language.as_str())
}

// The buffer is allocated once: one that grows would leave a copy of the code in freed memory.
fn finished(
    renderer: &Renderer,
    templates: &LocaleTemplates,
    kind: Kind,
    values: &Values<'_>,
    letters: Letters,
) -> Result<RenderedText, Error> {
    let text = render_part(templates, kind, TemplatePart::Sms, values)?;
    let tail = renderer.autofill.length(values.otp.len());
    let mut out = String::with_capacity(text.reveal().len() * transliterate::GROWTH + tail);
    transliterate::append(text.reveal(), letters, &mut out);
    if kind == Kind::Otp {
        renderer.autofill.put(values.otp, &mut out);
    }
    Ok(RenderedText::new(out))
}

fn fits(renderer: &Renderer, text: &RenderedText) -> bool {
    segments::measure(text.reveal()).segments <= usize::from(renderer.sms.max_segments)
}

// The shorter and shorter forms of a name, down to the minimum.
fn shorter(name: &str) -> impl Iterator<Item = String> {
    let name = name.trim_end_matches(['.', '…']);
    let characters: Vec<&str> = name.graphemes(true).flat_map(bounded).collect();
    (MERCHANT_MIN..characters.len())
        .rev()
        .map(|kept| format!("{}{ELLIPSIS}", characters[..kept].concat().trim_end()))
        .collect::<Vec<_>>()
        .into_iter()
}

fn bounded(character: &str) -> Vec<&str> {
    if character.encode_utf16().count() <= CHARACTER_MAX {
        return vec![character];
    }
    character.split_inclusive(|_: char| true).collect()
}

/// An error when an SMS template needs too many segments even with the shortest merchant name; a warning when it needs them
/// with a name outside GSM 03.38.
pub(crate) fn diagnostic(renderer: &Renderer, templates: &LocaleTemplates, file: &TemplateFile) -> Option<Diagnostic> {
    if file.part != TemplatePart::Sms {
        return None;
    }
    let letters = letters(transliterates(renderer, templates), templates);
    let name = |character: &str| format!("{}{ELLIPSIS}", character.repeat(MERCHANT_MIN));
    let plain = longest(renderer, templates, Channel::Sms, name("W"));
    let foreign = Values { merchant: name("🇵🇱"), ..plain.clone() };
    let over = |cost: &SmsCost| cost.size.segments > usize::from(renderer.sms.max_segments);
    if let Some(cost) = most_expensive(renderer, templates, file.kind, &plain, letters).filter(over) {
        return Some(Diagnostic::about(&file.path, RULE, message(renderer, templates, &cost)));
    }
    let cost = most_expensive(renderer, templates, file.kind, &foreign, letters).filter(over)?;
    let message = format!("with a merchant name outside GSM 03.38 it needs {} segments", cost.size.segments);
    Some(Diagnostic::about(&file.path, RULE, message).into_warning())
}

fn message(renderer: &Renderer, templates: &LocaleTemplates, cost: &SmsCost) -> String {
    let SmsSize { segments, encoding, units, .. } = cost.size;
    let most = renderer.sms.max_segments;
    let mut message = format!(
        "with the longest values it needs {segments} segments ({units} characters in {encoding}); max_segments is {most}"
    );
    if cost.forcing.is_empty() {
        message.push_str("; shorten it");
        return message;
    }
    let characters: Vec<_> = cost.forcing.iter().take(8).map(ToString::to_string).collect();
    message.push_str("; outside GSM 03.38: ");
    message.push_str(&characters.join(", "));
    message.push_str(if cost.forcing.len() > characters.len() { " and more" } else { "" });
    if !transliterates(renderer, templates)
        && cost.forcing.iter().all(|it| transliterate::nearest(&it.character.to_string()).all(segments::is_gsm))
    {
        message.push_str("; replace them, or list the locale in transliterate");
    }
    message
}

// The most expensive message among all combinations of conditions.
fn most_expensive(
    renderer: &Renderer,
    templates: &LocaleTemplates,
    kind: Kind,
    values: &Values<'_>,
    letters: Letters,
) -> Option<SmsCost> {
    let texts =
        values.variations(kind).into_iter().filter_map(|it| finished(renderer, templates, kind, &it, letters).ok());
    texts.max_by_key(|text| segments::measure(text.reveal())).map(|text| segments::count(text.reveal()))
}

/// The longest values that occur in practice, with this merchant name: a code of ten digits, an amount of seven digits in
/// the currency with the longest symbol, the longest date of a year.
pub(crate) fn longest<'a>(
    renderer: &'a Renderer,
    templates: &LocaleTemplates,
    channel: Channel,
    merchant: String,
) -> Values<'a> {
    let widest = |texts: Vec<String>| texts.into_iter().max_by_key(|text| segments::measure(text)).unwrap_or_default();
    let zone = renderer.time_zone();
    let days: Vec<Timestamp> = (1..=12)
        .filter_map(|month| {
            Some(civil::date(2026, month, 28).at(23, 59, 0, 0).to_zoned(zone.clone()).ok()?.timestamp().into())
        })
        .collect();
    let amounts = Currency::known().map(|(currency, exponent)| {
        let minor = 1_234_567_890 / 10_u64.pow(3_u32.saturating_sub(exponent.into()));
        templates.amount(Money { minor, currency }, channel)
    });
    Values {
        otp: CODE,
        until: widest(days.iter().map(|at| date::time(*at, zone, false)).collect()),
        amount: widest(amounts.collect()),
        merchant,
        brand: &renderer.brand,
        date: widest(days.iter().map(|at| templates.date(*at, zone, channel)).collect()),
        name: "W".repeat(merchant_name::NAME_MAX),
        card: "0000",
        ..Values::default()
    }
}
