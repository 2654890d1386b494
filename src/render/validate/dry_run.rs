//! Every text written beforehand, with the values that could break it: the longest, the fewest, an amount of nothing, a
//! payee without a name.
//!
//! That a payer is shown what the law asks for is decided when a text is read; here it is seen.

use super::diagnostic::Diagnostic;
use crate::domain::contact::Channel;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::Kind;
use crate::domain::secret::CODE_MAX;
use crate::render::Renderer;
use crate::render::format::merchant_name;
use crate::render::registry::LocaleTemplates;
use crate::render::sms::budget;
use crate::render::template::ast::Template;
use crate::render::template::file::TemplateFile;
use crate::render::template::part::TemplatePart;
use crate::render::template::syntax_limits::Violation;
use crate::render::template::values::{Values, Variable};

/// What of a message shows in a notification before it is opened, in characters.
const EARLY: usize = 40;

/// Codes are mostly this long.
const TYPICAL_CODE: &str = "048291";

const LONGEST_CODE: &str = "0000000000000000";
const _: () = assert!(LONGEST_CODE.len() == CODE_MAX);

/// Nothing, something, an amount without decimals, the longest there can be, and one in a currency that nobody knows.
const AMOUNTS: [(u64, &str); 5] = [(0, "PLN"), (123_450, "PLN"), (5_000, "JPY"), (u64::MAX, "KWD"), (u64::MAX, "XQQ")];

impl Renderer {
    /// What is wrong with the text of `file` once it is written; nothing when it could not be read.
    pub(crate) fn rehearse(&self, file: &TemplateFile) -> Vec<Diagnostic> {
        let Some((voice, text)) = self.catalog.text_of(file) else { return Vec::new() };
        let mut findings: Vec<Diagnostic> = Vec::new();
        for values in self.casts(file, voice) {
            for breach in breaches(file, text, &values).into_iter().chain(self.overlong(file, voice, &values)) {
                if findings.iter().all(|known| known.rule != breach.rule) {
                    findings.push(Diagnostic::in_file(&file.place, breach));
                }
            }
        }
        findings.extend(budget::look(self, voice, file));
        findings
            .extend(self.late(file, voice, text).map(|breach| Diagnostic::in_file(&file.place, breach).tolerated()));
        findings
    }

    // Every set of values that the text is written with.
    fn casts(&self, file: &TemplateFile, voice: &LocaleTemplates) -> Vec<Values<'_>> {
        let unnamed = if file.kind == Kind::Otp { merchant_name::stand_in(voice.language()) } else { "" };
        let names = [
            ("W".repeat(merchant_name::NAME_MAX), "W".repeat(merchant_name::NAME_MAX), "0000"),
            (unnamed.into(), String::new(), ""),
        ];
        let has_amount = Variable::of(file.kind).contains(&Variable::Amount);
        let amounts = if has_amount { &AMOUNTS[..] } else { &AMOUNTS[..1] };
        let mut casts = Vec::new();
        for (merchant, name, card) in names {
            for amount in amounts.iter().filter_map(|(minor, code)| amount(*minor, code, file.part, voice)) {
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
                casts.extend(cast.variations(file.kind));
            }
        }
        casts
    }

    // The page that a mail's text is put into.
    fn overlong(&self, file: &TemplateFile, voice: &LocaleTemplates, values: &Values<'_>) -> Option<Violation> {
        let is_content = matches!(file.part, TemplatePart::EmailText | TemplatePart::EmailHtml);
        let refused = is_content && self.page(voice, file.kind, values).is_err();
        refused.then(|| Violation::everywhere("too-long", "makes a mail longer than is sent: say it in fewer words"))
    }

    // A code that is not seen at a glance makes people open the message; that is a pity, and no more.
    fn late(&self, file: &TemplateFile, voice: &LocaleTemplates, text: &Template) -> Option<Violation> {
        if file.kind != Kind::Otp || !matches!(file.part, TemplatePart::Sms | TemplatePart::PushBody) {
            return None;
        }
        let typical = Values {
            otp: TYPICAL_CODE,
            until: "11:35 UTC".into(),
            amount: amount(123_450, "PLN", file.part, voice)?,
            merchant: merchant_name::stand_in(voice.language()).into(),
            brand: &self.brand,
            ..Values::default()
        };
        let written = text.write(&typical);
        let before = written.reveal().split(TYPICAL_CODE).next().map_or(0, |before| before.chars().count());
        let what = || format!("the code comes after {before} characters: say it among the first {EARLY}");
        (before + TYPICAL_CODE.len() > EARLY).then(|| Violation::everywhere("code-early", what()))
    }
}

fn amount(minor: u64, currency: &str, part: TemplatePart, voice: &LocaleTemplates) -> Option<String> {
    let money = Money { minor, currency: Currency::parse(currency).ok()? };
    Some(voice.amount(money, if part == TemplatePart::Sms { Channel::Sms } else { Channel::Email }))
}

fn breaches(file: &TemplateFile, text: &Template, values: &Values<'_>) -> Vec<Violation> {
    let written = text.write(values);
    let written = written.reveal();
    let mut breaches = Vec::new();
    if !file.part.takes(written) {
        let limit = file.part.output_limit();
        let what = format!("may write more than {limit} characters: say it in fewer words");
        breaches.push(Violation::everywhere("too-long", what));
    }
    if written.chars().all(char::is_whitespace) {
        let what = "may write nothing at all: say something in every case";
        breaches.push(Violation::everywhere("empty", what));
    }
    if file.kind == Kind::Otp && !file.part.is_headline() {
        let owed = [("code", values.otp), ("amount", &values.amount), ("payee", &values.merchant)];
        let shown = |value: &str| text.of_value(value).is_some_and(|value| written.contains(&value));
        for (name, _) in owed.iter().filter(|(_, value)| !shown(value)) {
            breaches.push(Violation::everywhere("payee-shown", format!("the {name} is not shown in every case")));
        }
    }
    breaches
}
