//! Every text written beforehand, with the values that could break it: the longest, the fewest, an amount of nothing, a
//! payee without a name.
//!
//! That a payer is shown what the law asks for is decided when a text is read; here it is seen.

use super::catalog::Voice;
use super::finding::Finding;
use super::guard::Breach;
use super::part::Part;
use super::sheet::Sheet;
use super::text::Text;
use super::values::{Values, Variable};
use super::{Renderer, budget, hygiene};
use crate::domain::address::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::Kind;
use crate::domain::secret::CODE_MAX;

/// What of a message shows in a notification before it is opened, in characters.
const EARLY: usize = 40;

/// Codes are mostly this long.
const TYPICAL_CODE: &str = "048291";

const LONGEST_CODE: &str = "0000000000000000";
const _: () = assert!(LONGEST_CODE.len() == CODE_MAX);

/// Nothing, something, an amount without decimals, the longest there can be, and one in a currency that nobody knows.
const AMOUNTS: [(u64, &str); 5] = [(0, "PLN"), (123_450, "PLN"), (5_000, "JPY"), (u64::MAX, "KWD"), (u64::MAX, "XQQ")];

impl Renderer {
    /// What is wrong with the text of `sheet` once it is written; nothing when it could not be read.
    pub(super) fn rehearse(&self, sheet: &Sheet) -> Vec<Finding> {
        let Some((voice, text)) = self.catalog.text_of(sheet) else { return Vec::new() };
        let mut findings: Vec<Finding> = Vec::new();
        for values in self.casts(sheet, voice) {
            for breach in breaches(sheet, text, &values).into_iter().chain(self.overlong(sheet, voice, &values)) {
                if findings.iter().all(|known| known.rule != breach.rule) {
                    findings.push(Finding::in_file(&sheet.place, breach));
                }
            }
        }
        findings.extend(budget::look(self, voice, sheet));
        findings.extend(self.late(sheet, voice, text).map(|breach| Finding::in_file(&sheet.place, breach).tolerated()));
        findings
    }

    // Every set of values that the text is written with.
    fn casts(&self, sheet: &Sheet, voice: &Voice) -> Vec<Values<'_>> {
        let unnamed = if sheet.kind == Kind::Otp { hygiene::stand_in(voice.language()) } else { "" };
        let names = [
            ("W".repeat(hygiene::NAME_MAX), "W".repeat(hygiene::NAME_MAX), "0000"),
            (unnamed.into(), String::new(), ""),
        ];
        let has_amount = Variable::of(sheet.kind).contains(&Variable::Amount);
        let amounts = if has_amount { &AMOUNTS[..] } else { &AMOUNTS[..1] };
        let mut casts = Vec::new();
        for (merchant, name, card) in names {
            for amount in amounts.iter().filter_map(|(minor, code)| amount(*minor, code, sheet.part, voice)) {
                let cast = Values {
                    otp: LONGEST_CODE,
                    until: "0".repeat(16),
                    amount,
                    merchant: merchant.clone(),
                    brand: &self.brand,
                    date: "0".repeat(40),
                    name: name.clone(),
                    card,
                    ..Values::default()
                };
                casts.extend(cast.variations(sheet.kind));
            }
        }
        casts
    }

    // The page that a mail's text is put into.
    fn overlong(&self, sheet: &Sheet, voice: &Voice, values: &Values<'_>) -> Option<Breach> {
        let is_content = matches!(sheet.part, Part::EmailText | Part::EmailHtml);
        let refused = is_content && self.page(voice, sheet.kind, values).is_err();
        refused.then(|| Breach::everywhere("too-long", "makes a mail longer than is sent: say it in fewer words"))
    }

    // A code that is not seen at a glance makes people open the message; that is a pity, and no more.
    fn late(&self, sheet: &Sheet, voice: &Voice, text: &Text) -> Option<Breach> {
        if sheet.kind != Kind::Otp || !matches!(sheet.part, Part::Sms | Part::PushBody) {
            return None;
        }
        let typical = Values {
            otp: TYPICAL_CODE,
            until: "11:35 UTC".into(),
            amount: amount(123_450, "PLN", sheet.part, voice)?,
            merchant: hygiene::stand_in(voice.language()).into(),
            brand: &self.brand,
            ..Values::default()
        };
        let written = text.write(&typical);
        let before = written.reveal().split(TYPICAL_CODE).next().map_or(0, |before| before.chars().count());
        let what = || format!("the code comes after {before} characters: say it among the first {EARLY}");
        (before + TYPICAL_CODE.len() > EARLY).then(|| Breach::everywhere("code-early", what()))
    }
}

fn amount(minor: u64, currency: &str, part: Part, voice: &Voice) -> Option<String> {
    let money = Money { minor, currency: Currency::parse(currency).ok()? };
    Some(voice.amount(money, if part == Part::Sms { Channel::Sms } else { Channel::Email }))
}

fn breaches(sheet: &Sheet, text: &Text, values: &Values<'_>) -> Vec<Breach> {
    let written = text.write(values);
    let written = written.reveal();
    let mut breaches = Vec::new();
    if !sheet.part.takes(written) {
        let limit = sheet.part.output_limit();
        let what = format!("may write more than {limit} characters: say it in fewer words");
        breaches.push(Breach::everywhere("too-long", what));
    }
    if written.chars().all(char::is_whitespace) {
        let what = "may write nothing at all: say something in every case";
        breaches.push(Breach::everywhere("empty", what));
    }
    if sheet.kind == Kind::Otp && !sheet.part.is_headline() {
        let owed = [("code", values.otp), ("amount", &values.amount), ("payee", &values.merchant)];
        let shown = |value: &str| text.of_value(value).is_some_and(|value| written.contains(&value));
        for (name, _) in owed.iter().filter(|(_, value)| !shown(value)) {
            breaches.push(Breach::everywhere("payee-shown", format!("the {name} is not shown in every case")));
        }
    }
    breaches
}
