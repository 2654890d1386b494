//! What a text message may cost: `[templates.sms] max_segments`.
//!
//! The words are an operator's and are refused when they cost more; a payee's name is a stranger's and is shortened. The
//! code and the amount are never touched. Prices and providers are not known here.

use jiff::civil;
use unicode_segmentation::UnicodeSegmentation;

use super::segments;
use super::segments::{SmsCost, SmsSize};
use super::transliterate;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::money::Money;
use crate::domain::notification::Kind;
use crate::domain::secret::RenderedText;
use crate::render::format::{date, merchant_name, money};
use crate::render::registry::LocaleTemplates;
use crate::render::template::file::TemplateFile;
use crate::render::template::part::TemplatePart;
use crate::render::template::values::Values;
use crate::render::validate::diagnostic::Diagnostic;
use crate::render::{Error, RenderContext, Renderer, write};

/// So many characters of a payee's name are left however long the rest is.
const PAYEE_MIN: usize = 8;

/// Some characters are made of any number of code points; one of more units of UTF-16 than a flag has is several here.
const CHARACTER_MAX: usize = 4;

const CUT: &str = "...";

/// The longest code that processors send.
const CODE: &str = "0000000000";

/// The rule that [`look`] checks.
pub(crate) const RULE: &str = "sms-budget";

impl Renderer {
    /// The text of an SMS, with the payee's name shortened as far as the budget asks for.
    pub(crate) fn sms(
        &self,
        voice: &LocaleTemplates,
        kind: Kind,
        values: &Values<'_>,
        context: &RenderContext<'_>,
    ) -> Result<RenderedText, Error> {
        let letters = context.transliterate.unwrap_or_else(|| self.writes_nearest(voice));
        let text = self.finished(voice, kind, values, letters)?;
        let payee = &values.merchant;
        if self.fits(&text) || payee.is_empty() {
            return Ok(text);
        }
        let mut best = text;
        let near: String = transliterate::nearest(payee).collect();
        let try_with = |merchant| self.finished(voice, kind, &Values { merchant, ..values.clone() }, letters);
        let nearest = try_with(near.clone())?;
        // Without a gain the name keeps its letters.
        let is_cheaper = segments::measure(nearest.reveal()) < segments::measure(best.reveal());
        let shortened = if is_cheaper {
            best = nearest;
            shorter(&near)
        } else {
            shorter(payee)
        };
        for merchant in shortened {
            if self.fits(&best) {
                break;
            }
            best = try_with(merchant)?;
        }
        Ok(best)
    }

    /// Whether the letters of a locale are written with the nearest ones of GSM 03.38.
    fn writes_nearest(&self, voice: &LocaleTemplates) -> bool {
        self.sms.transliterates(voice.locale())
    }

    // The room is reserved beforehand: a buffer that grows would leave a code behind, unwiped.
    fn finished(
        &self,
        voice: &LocaleTemplates,
        kind: Kind,
        values: &Values<'_>,
        letters: bool,
    ) -> Result<RenderedText, Error> {
        let text = write(voice, kind, TemplatePart::Sms, values)?;
        let tail = self.autofill.length(values.otp.len());
        let mut out = String::with_capacity(text.reveal().len() * transliterate::GROWTH + tail);
        transliterate::write(text.reveal(), letters, &mut out);
        if kind == Kind::Otp {
            self.autofill.put(values.otp, &mut out);
        }
        Ok(RenderedText::new(out))
    }

    fn fits(&self, text: &RenderedText) -> bool {
        segments::measure(text.reveal()).segments <= usize::from(self.sms.max_segments)
    }
}

// The name ever shorter, down to its minimum.
fn shorter(payee: &str) -> impl Iterator<Item = String> {
    let payee = payee.trim_end_matches(['.', '…']);
    let characters: Vec<&str> = payee.graphemes(true).flat_map(bounded).collect();
    (PAYEE_MIN..characters.len())
        .rev()
        .map(|kept| format!("{}{CUT}", characters[..kept].concat().trim_end()))
        .collect::<Vec<_>>()
        .into_iter()
}

fn bounded(character: &str) -> Vec<&str> {
    if character.encode_utf16().count() <= CHARACTER_MAX {
        return vec![character];
    }
    character.split_inclusive(|_: char| true).collect()
}

/// What is wrong with an SMS text: that it needs more segments than it may even with the shortest name of a payee, or
/// that a name in other letters may bring it there.
pub(crate) fn look(renderer: &Renderer, voice: &LocaleTemplates, file: &TemplateFile) -> Option<Diagnostic> {
    if file.part != TemplatePart::Sms {
        return None;
    }
    let letters = renderer.writes_nearest(voice);
    let payee = |sign: &str| format!("{}{CUT}", sign.repeat(PAYEE_MIN));
    let plain = longest(renderer, voice, Channel::Sms, payee("W"));
    let foreign = Values { merchant: payee("🇵🇱"), ..plain.clone() };
    let over = |cost: &SmsCost| cost.size.segments > usize::from(renderer.sms.max_segments);
    if let Some(cost) = dearest(renderer, voice, file.kind, &plain, letters).filter(over) {
        return Some(Diagnostic::about(&file.place, RULE, words(renderer, voice, &cost)));
    }
    let cost = dearest(renderer, voice, file.kind, &foreign, letters).filter(over)?;
    let what = format!("with a name outside GSM 03.38 it takes {} segments", cost.size.segments);
    Some(Diagnostic::about(&file.place, RULE, what).tolerated())
}

fn words(renderer: &Renderer, voice: &LocaleTemplates, cost: &SmsCost) -> String {
    let SmsSize { segments, encoding, units, .. } = cost.size;
    let most = renderer.sms.max_segments;
    let mut what = format!(
        "with the longest values it takes {segments} segments ({units} characters in {encoding}), and max_segments is {most}"
    );
    if cost.forcing.is_empty() {
        what.push_str("; shorten it");
        return what;
    }
    let signs: Vec<_> = cost.forcing.iter().take(8).map(ToString::to_string).collect();
    what.push_str("; outside GSM 03.38: ");
    what.push_str(&signs.join(", "));
    what.push_str(if cost.forcing.len() > signs.len() { " and more" } else { "" });
    if !renderer.writes_nearest(voice)
        && cost.forcing.iter().all(|it| transliterate::nearest(&it.sign.to_string()).all(segments::is_gsm))
    {
        what.push_str("; replace them, or have them replaced with transliterate");
    }
    what
}

// The dearest of everything that a text of this kind chooses its words by.
fn dearest(
    renderer: &Renderer,
    voice: &LocaleTemplates,
    kind: Kind,
    values: &Values<'_>,
    letters: bool,
) -> Option<SmsCost> {
    let texts = values.variations(kind).into_iter().filter_map(|it| renderer.finished(voice, kind, &it, letters).ok());
    texts.max_by_key(|text| segments::measure(text.reveal())).map(|text| segments::count(text.reveal()))
}

/// The longest values that there are in practice, with this payee: ten digits, an amount of seven in the currency that
/// takes the most room, the longest day of a year.
pub(crate) fn longest<'a>(
    renderer: &'a Renderer,
    voice: &LocaleTemplates,
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
    let amounts = money::listed().map(|(currency, exponent)| {
        let minor = 1_234_567_890 / 10_u64.pow(3_u32.saturating_sub(exponent.into()));
        voice.amount(Money { minor, currency }, channel)
    });
    Values {
        otp: CODE,
        until: widest(days.iter().map(|at| date::hour(*at, zone, false)).collect()),
        amount: widest(amounts.collect()),
        merchant,
        brand: &renderer.brand,
        date: widest(days.iter().map(|at| voice.day(*at, zone, channel)).collect()),
        name: "W".repeat(merchant_name::NAME_MAX),
        card: "0000",
        ..Values::default()
    }
}
