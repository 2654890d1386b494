//! The rules for templates, each with an example that violates it and no other rule.
//!
//! For documentation and tests. The checks are in `syntax_limits`, `compiler`, `locale_file`, `lint`, `coverage`, `budget` and
//! `dry_run`.

/// One rule.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Rule {
    pub name: &'static str,
    pub description: &'static str,
    /// Whether templates that violate it are rejected. Otherwise it is a warning.
    pub is_error: bool,
    /// The file of the example.
    pub file: &'static str,
    /// The content of that file.
    pub example: &'static str,
}

const fn rule(name: &'static str, description: &'static str, file: &'static str, example: &'static str) -> Rule {
    Rule { name, description, is_error: true, file, example }
}

/// All rules.
pub const RULES: [Rule; 27] = [
    rule(
        "merchant-shown",
        "A code must be shown with amount and merchant in every case (Delegated Regulation (EU) 2018/389, article \
         5(1)(a)).",
        "en/otp/sms.hbs",
        "{{otp}} is your code to pay {{amount}}.",
    ),
    rule(
        "code-in-headline",
        "A title or subject must not contain the code, because a locked screen shows it.",
        "en/otp/push.title.hbs",
        "{{otp}} is your code",
    ),
    rule(
        "raw-reason",
        "reason, result and boolean variables are used in conditions and must not be written.",
        "en/card_locked/sms.hbs",
        "Your card is locked: {{reason}}.",
    ),
    rule(
        "fraud-mentioned",
        "A word about fraud (fraud_words of all locale.toml files) is allowed only where (eq reason \
         \"suspected_fraud\") or (eq reason \"fraud_suspected\") is true, which reveal_fraud_reason controls.",
        "en/card_locked/sms.hbs",
        "Your card is locked because we suspect fraud.",
    ),
    rule(
        "foreign-link",
        "Links and mail addresses must be in [templates] link_domains, links must use https, and no value may touch one.",
        "en/card_unlocked/sms.hbs",
        "Your card is unlocked: https://elsewhere.example/card",
    ),
    rule(
        "coverage",
        "Every locale in use must have every template and a locale.toml, its own or that of a shorter tag.",
        "pl/otp/sms.hbs",
        "(no such file)",
    ),
    rule(
        "unknown-name",
        "A template may use only the variables of its kind, and compare them with existing values.",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{pan}}",
    ),
    rule(
        "unknown-helper",
        "Only {{#if ..}}, {{#unless ..}} and (eq variable \"text\") are available.",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{#each amount}}{{/each}}",
    ),
    rule(
        "include",
        "A template must not use partials, layouts or decorators.",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{> footer}}",
    ),
    rule(
        "raw-value",
        "Values must be written with two braces, so that they are escaped.",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{{merchant}}}",
    ),
    rule(
        "value-in-tag",
        "In HTML, values are allowed between tags, not inside a tag.",
        "en/otp/email.html.hbs",
        "<p lang=\"{{brand}}\">{{otp}} {{amount}} {{merchant}}</p>",
    ),
    rule(
        "mail-content",
        "An HTML file is the content between the header and footer of the layout: simple elements only, and nothing that \
         runs or is fetched.",
        "en/otp/email.html.hbs",
        "<p class=\"big\">{{otp}}</p><p>{{amount}} {{merchant}}</p>",
    ),
    rule(
        "nesting",
        "At most 16 blocks or parentheses may be nested, and a word may have at most 32 forms.",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{#if ((((((((((((((((( otp",
    ),
    rule(
        "syntax",
        "Blocks must be closed, and {{ }} must contain valid syntax.",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{#if brand}}",
    ),
    rule(
        "size",
        "A file may have at most 4096 bytes, an HTML file 16384.",
        "en/card_unlocked/sms.hbs",
        // One byte more than allowed.
        match std::str::from_utf8(&[b' '; 4097]) {
            Ok(spaces) => spaces,
            Err(_) => "",
        },
    ),
    rule(
        "too-long",
        "A rendered SMS or push message may have at most 1000 characters, a title or subject 200.",
        "en/card_unlocked/push.body.hbs",
        // One letter more than allowed.
        match std::str::from_utf8(&[b'x'; 1001]) {
            Ok(letters) => letters,
            Err(_) => "",
        },
    ),
    rule(
        "sms-budget",
        "With the longest values that occur in practice, an SMS must not need more segments than [templates.sms] \
         max_segments. A merchant name is shortened to 8 characters first.",
        "en/card_unlocked/sms.hbs",
        // One letter more than three segments hold.
        match std::str::from_utf8(&[b'x'; 460]) {
            Ok(letters) => letters,
            Err(_) => "",
        },
    ),
    rule(
        "one-line",
        "A title or subject must be one line.",
        "en/card_unlocked/push.title.hbs",
        "Your card\nis unlocked",
    ),
    rule(
        "hidden-characters",
        "A template must not contain invisible characters: control characters, characters without width, direction \
         controls. Direction marks (U+200E, U+200F) are allowed in right-to-left languages.",
        "en/card_unlocked/sms.hbs",
        "Your card is \u{202e}dekcol",
    ),
    rule(
        "empty",
        "The rendered text must not be empty in any case.",
        "en/card_unlocked/sms.hbs",
        "{{#unless date}}Hello{{/unless}}",
    ),
    rule(
        "unknown-file",
        "A file must have a known name: sms.hbs, push.title.hbs, push.body.hbs, email.subject.hbs, email.text.hbs, \
         email.html.hbs; or locale.toml in the folder of the locale.",
        "en/otp/sm.hbs",
        "{{otp}} {{amount}} {{merchant}}",
    ),
    rule(
        "language-unknown",
        "A folder must be named after an existing language.",
        "xx/card_unlocked/sms.hbs",
        "Your card is unlocked.",
    ),
    rule(
        "locale-file",
        "locale.toml must define merchant, the text for a merchant without a name, and fraud_words, a list of words.",
        "en/locale.toml",
        "merchant = \"the merchant\"",
    ),
    rule(
        "settings",
        "The settings in [templates] must be valid.",
        "otpost.toml",
        "[templates]\ntime_zone = \"Mars/Olympus\"",
    ),
    Rule {
        name: "code-early",
        description: "The code should be in the first 40 characters, which a phone shows before the message is opened.",
        is_error: false,
        file: "en/otp/sms.hbs",
        example: "For your payment of {{amount}} to {{merchant}} please use the code {{otp}}.",
    },
    Rule {
        name: "placeholder",
        description: "A variable is written {{name}}. The placeholders of other programs, such as {name}, ((name)), ${name} \
                      or %s, are sent as they are written.",
        is_error: false,
        file: "en/card_unlocked/sms.hbs",
        example: "Your card was unlocked on {date}.",
    },
    Rule {
        name: "draft",
        description: "A folder that [templates] locales does not list is a draft: its errors are warnings.",
        is_error: false,
        file: "sv/card_unlocked/sms.hbs",
        example: "{{pan}}",
    },
];
