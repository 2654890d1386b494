//! The rules that texts keep to: what each asks, and a text that breaks it and no other.
//!
//! For people and for tests. What decides is in `guard`, `text`, `lint`, `coverage`, `budget` and `rehearsal`.

/// One rule.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Rule {
    /// How findings name it.
    pub name: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// Whether a text that breaks it is refused; otherwise it is worth a look.
    pub refused: bool,
    /// Which file the example is.
    pub file: &'static str,
    /// What stands in that file.
    pub example: &'static str,
}

const fn rule(name: &'static str, asks: &'static str, file: &'static str, example: &'static str) -> Rule {
    Rule { name, asks, refused: true, file, example }
}

/// Every rule there is, those about the law first.
pub const RULES: [Rule; 25] = [
    rule(
        "payee-shown",
        "a code is always shown with amount and payee, whatever the values are (Delegated Regulation (EU) 2018/389, \
         article 5(1)(a))",
        "en/otp/sms.hbs",
        "{{otp}} is your code to pay {{amount}}.",
    ),
    rule(
        "code-in-headline",
        "a title or subject never holds the code: it shows on a locked screen",
        "en/otp/push.title.hbs",
        "{{otp}} is your code",
    ),
    rule(
        "raw-reason",
        "reason, result and what is true or false choose words and are never written themselves",
        "en/card_locked/sms.hbs",
        "Your card is locked: {{reason}}.",
    ),
    rule(
        "fraud-told",
        "a suspicion is told only where (eq reason \"suspected_fraud\") or (eq reason \"fraud_suspected\") holds: nobody \
         else learns of it unless reveal_fraud_reason says so",
        "en/card_locked/sms.hbs",
        "Your card is locked because we suspect fraud.",
    ),
    rule(
        "foreign-link",
        "links and mail addresses lead to [templates] link_domains, over https, and no value stands beside one",
        "en/card_unlocked/sms.hbs",
        "Your card is unlocked: https://elsewhere.example/card",
    ),
    rule(
        "coverage",
        "every locale that people are written to in has every text, its own or a parent's",
        "pl/otp/sms.hbs",
        "(there is no such file)",
    ),
    rule(
        "unknown-name",
        "only the values that this kind of message has, and reasons that there are",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{pan}}",
    ),
    rule(
        "unknown-helper",
        "only {{#if ..}}, {{#unless ..}} and (eq variable \"text\")",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{#each amount}}{{/each}}",
    ),
    rule(
        "include",
        "a text stands alone: no partials, layouts, decorators",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{> footer}}",
    ),
    rule(
        "raw-value",
        "values are written with two braces: nothing goes around the escaping",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{{merchant}}}",
    ),
    rule(
        "value-in-tag",
        "in HTML a value stands between tags, never inside one",
        "en/otp/email.html.hbs",
        "<p lang=\"{{brand}}\">{{otp}} {{amount}} {{merchant}}</p>",
    ),
    rule(
        "mail-content",
        "an HTML file is the content between the layout's head and foot: simple elements, and nothing that runs or is \
         fetched",
        "en/otp/email.html.hbs",
        "<p class=\"big\">{{otp}}</p><p>{{amount}} {{merchant}}</p>",
    ),
    rule(
        "nesting",
        "at most 16 blocks or parentheses lie in each other",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{#if ((((((((((((((((( otp",
    ),
    rule(
        "syntax",
        "blocks are closed, and nothing stray stands inside {{ }}",
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}} {{#if brand}}",
    ),
    rule(
        "size",
        "a file has at most 4096 bytes, an HTML file 16384",
        "en/card_unlocked/sms.hbs",
        // One byte more than allowed; what stands in it does not matter.
        match std::str::from_utf8(&[b' '; 4097]) {
            Ok(blanks) => blanks,
            Err(_) => "",
        },
    ),
    rule(
        "too-long",
        "the finished text fits its channel: 1000 characters in an SMS or push message, 200 in a title or subject",
        "en/card_unlocked/push.body.hbs",
        // Never wrapped, never a blank: 1001 letters.
        match std::str::from_utf8(&[b'x'; 1001]) {
            Ok(letters) => letters,
            Err(_) => "",
        },
    ),
    rule(
        "sms-budget",
        "with the longest values there are in practice an SMS takes no more segments than [templates.sms] max_segments; a \
         payee's name is shortened to eight characters first",
        "en/card_unlocked/sms.hbs",
        // One letter more than three segments hold.
        match std::str::from_utf8(&[b'x'; 460]) {
            Ok(letters) => letters,
            Err(_) => "",
        },
    ),
    rule("one-line", "a title or subject is one line", "en/card_unlocked/push.title.hbs", "Your card\nis unlocked"),
    rule(
        "hidden-characters",
        "every sign can be seen: no controls, nothing without width, nothing that turns the direction of writing; marks \
         of direction (U+200E, U+200F) only in languages written from right to left",
        "en/card_unlocked/sms.hbs",
        "Your card is \u{202e}dekcol",
    ),
    rule(
        "empty",
        "whatever the values are, something is written",
        "en/card_unlocked/sms.hbs",
        "{{#unless date}}Hello{{/unless}}",
    ),
    rule(
        "unknown-file",
        "a file is called after a part of a message: sms.hbs, push.title.hbs, push.body.hbs, email.subject.hbs ..",
        "en/otp/sm.hbs",
        "{{otp}} {{amount}} {{merchant}}",
    ),
    rule(
        "language-unknown",
        "a folder is called after a language that there is",
        "xx/card_unlocked/sms.hbs",
        "Your card is unlocked.",
    ),
    rule(
        "settings",
        "brand and time_zone of [templates] can be used",
        "otpost.toml",
        "[templates]\ntime_zone = \"Mars/Olympus\"",
    ),
    Rule {
        name: "code-early",
        asks: "the code is among the first 40 characters, where a notification shows it",
        refused: false,
        file: "en/otp/sms.hbs",
        example: "For your payment of {{amount}} to {{merchant}} please use the code {{otp}}.",
    },
    Rule {
        name: "draft",
        asks: "a folder that [templates] locales does not list is not used: what is wrong in it is told and refuses nothing",
        refused: false,
        file: "sv/card_unlocked/sms.hbs",
        example: "{{pan}}",
    },
];
