//! Renders every template with the values that could break it: the longest, the fewest, an amount of zero, a merchant
//! without a name.

use super::diagnostic::{Diagnostic, Violation};
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
use crate::render::template::values::{Values, Variable};

/// How many characters of a message a phone shows before it is opened.
const EARLY: usize = 40;

/// Most codes have this length.
const TYPICAL_CODE: &str = "048291";

const LONGEST_CODE: &str = "0000000000000000";
const _: () = assert!(LONGEST_CODE.len() == CODE_MAX);

/// Zero, a usual amount, one without decimals, the largest, and one in an unknown currency.
const AMOUNTS: [(u64, &str); 5] = [(0, "PLN"), (123_450, "PLN"), (5_000, "JPY"), (u64::MAX, "KWD"), (u64::MAX, "XQQ")];

/// What is wrong with the rendered text of `file`; nothing when it did not compile.
pub(crate) fn diagnostics(renderer: &Renderer, file: &TemplateFile) -> Vec<Diagnostic> {
    let Some((templates, template)) = renderer.registry.of_file(file) else { return Vec::new() };
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for values in value_sets(renderer, file, templates) {
        let of_page = overlong_page(renderer, file, templates, &values);
        for violation in violations(file, template, &values).into_iter().chain(of_page) {
            if diagnostics.iter().all(|known| known.rule != violation.rule) {
                diagnostics.push(Diagnostic::in_file(&file.path, violation));
            }
        }
    }
    diagnostics.extend(budget::diagnostic(renderer, templates, file));
    let late_code = late_code(renderer, file, templates, template);
    diagnostics.extend(late_code.map(|violation| Diagnostic::in_file(&file.path, violation).into_warning()));
    diagnostics
}

fn value_sets<'a>(renderer: &'a Renderer, file: &TemplateFile, templates: &LocaleTemplates) -> Vec<Values<'a>> {
    let unnamed = if file.kind == Kind::Otp { templates.unnamed_merchant() } else { "" };
    let names = [
        ("W".repeat(merchant_name::NAME_MAX), "W".repeat(merchant_name::NAME_MAX), "0000"),
        (unnamed.into(), String::new(), ""),
    ];
    let has_amount = Variable::of(file.kind).contains(&Variable::Amount);
    let amounts = if has_amount { &AMOUNTS[..] } else { &AMOUNTS[..1] };
    let mut sets = Vec::new();
    for (merchant, name, card) in names {
        for amount in amounts.iter().filter_map(|(minor, code)| amount(*minor, code, file.part, templates)) {
            let values = Values {
                otp: LONGEST_CODE,
                until: "0".repeat(16),
                amount,
                merchant: merchant.clone(),
                brand: &renderer.brand,
                date: "0".repeat(40),
                name: name.clone(),
                card,
                ..Values::default()
            };
            sets.extend(values.variations(file.kind));
        }
    }
    sets
}

// The whole page is sent, so the whole page must be short enough.
fn overlong_page(
    renderer: &Renderer,
    file: &TemplateFile,
    templates: &LocaleTemplates,
    values: &Values<'_>,
) -> Option<Violation> {
    let is_content = matches!(file.part, TemplatePart::EmailText | TemplatePart::EmailHtml);
    let is_too_long = is_content && renderer.page(templates, file.kind, values).is_err();
    is_too_long.then(|| Violation::of_file("too-long", "the whole mail may exceed the size limit: shorten the text"))
}

// A recipient who does not see the code at a glance has to open the message, which is a reason for a warning only.
fn late_code(
    renderer: &Renderer,
    file: &TemplateFile,
    templates: &LocaleTemplates,
    template: &Template,
) -> Option<Violation> {
    if file.kind != Kind::Otp || !matches!(file.part, TemplatePart::Sms | TemplatePart::PushBody) {
        return None;
    }
    let typical = Values {
        otp: TYPICAL_CODE,
        until: "11:35 UTC".into(),
        amount: amount(123_450, "PLN", file.part, templates)?,
        merchant: templates.unnamed_merchant().into(),
        brand: &renderer.brand,
        ..Values::default()
    };
    let rendered = template.render(&typical);
    let before = rendered.reveal().split(TYPICAL_CODE).next().map_or(0, |before| before.chars().count());
    let message =
        || format!("the code comes after {before} characters: move it into the first {EARLY}, which a phone shows");
    (before + TYPICAL_CODE.len() > EARLY).then(|| Violation::of_file("code-early", message()))
}

fn amount(minor: u64, currency: &str, part: TemplatePart, templates: &LocaleTemplates) -> Option<String> {
    let money = Money { minor, currency: Currency::parse(currency).ok()? };
    Some(templates.amount(money, if part == TemplatePart::Sms { Channel::Sms } else { Channel::Email }))
}

fn violations(file: &TemplateFile, template: &Template, values: &Values<'_>) -> Vec<Violation> {
    let rendered = template.render(values);
    let rendered = rendered.reveal();
    let mut violations = Vec::new();
    if !file.part.fits(rendered) {
        let limit = file.part.output_limit();
        let message = format!("may render more than {limit} characters: shorten it");
        violations.push(Violation::of_file("too-long", message));
    }
    if rendered.chars().all(char::is_whitespace) {
        let message = "may render an empty text: write something in every case";
        violations.push(Violation::of_file("empty", message));
    }
    if file.kind == Kind::Otp && !file.part.is_headline() {
        let required = [("code", values.otp), ("amount", &values.amount), ("merchant", &values.merchant)];
        let is_shown = |value: &str| template.rendered_value(value).is_some_and(|value| rendered.contains(&value));
        for (name, _) in required.iter().filter(|(_, value)| !is_shown(value)) {
            violations.push(Violation::of_file("merchant-shown", format!("the {name} is not shown in every case")));
        }
    }
    violations
}
