//! Templates that are rejected, rule by rule, with position and message.

use super::*;
use crate::render::validate::diagnostic::Diagnostic;

/// The file, its source, the violated rule, the position, and part of the message.
const REJECTED: &[(&str, &str, &str, &str, &str)] = &[
    // The law: amount and payee with the code.
    ("en/otp/sms.hbs", "{{otp}}", "merchant-shown", "", "amount and merchant must be shown in every case"),
    ("en/otp/push.body.hbs", "{{otp}} {{amount}}", "merchant-shown", "", "merchant must be shown"),
    ("en/otp/email.text.hbs", "{{amount}} {{merchant}}", "merchant-shown", "", "otp must be shown"),
    (
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{#if (eq brand \"x\")}}{{merchant}}{{/if}}",
        "merchant-shown",
        "",
        "merchant must be shown in every case",
    ),
    (
        "en/otp/sms.hbs",
        "{{#if until}}{{otp}} {{amount}} {{merchant}}{{else}}{{otp}} {{amount}}{{/if}}",
        "merchant-shown",
        "",
        "merchant must be shown in every case",
    ),
    // The code on a locked screen.
    ("en/otp/email.subject.hbs", "Your code\u{a0}{{otp}}", "code-in-headline", "1:11", "locked screen"),
    ("en/otp/push.title.hbs", "{{#if (eq otp \"1\")}}One{{/if}} x", "code-in-headline", "1:1", "locked screen"),
    // Names of values.
    ("pl/card_locked/sms.hbs", "\n\nKarta: {{reason}}", "raw-reason", "3:8", "{{#if (eq reason \"..\")}}"),
    ("pl/transaction/sms.hbs", "{{amount}} {{result}}", "raw-reason", "1:12", "cannot be written"),
    ("en/card_locked/sms.hbs", "Locked {{temporary}}", "raw-reason", "1:8", "{{#if temporary}}"),
    // Fraud.
    ("en/card_locked/sms.hbs", "Locked.\nIt was FRAUD!", "fraud-mentioned", "2:8", "(eq reason \"suspected_fraud\")"),
    ("de/card_locked/sms.hbs", "Wegen Betrugsverdacht gesperrt", "fraud-mentioned", "1:7", "must not be mentioned"),
    (
        "de/card_locked/push.body.hbs",
        "wegen betru\u{308}gerischer Zahlung",
        "fraud-mentioned",
        "1:7",
        "must not be mentioned",
    ),
    ("pl/card_locked/email.text.hbs", "Podejrzenie oszustwa", "fraud-mentioned", "1:13", "must not be mentioned"),
    ("fr/card_locked/sms.hbs", "suspicion de fraude", "fraud-mentioned", "1:14", "must not be mentioned"),
    ("es/card_locked/sms.hbs", "una estafa", "fraud-mentioned", "1:5", "must not be mentioned"),
    ("it/card_locked/sms.hbs", "sospetta frode", "fraud-mentioned", "1:10", "must not be mentioned"),
    ("cs/card_locked/sms.hbs", "podezření na podvod", "fraud-mentioned", "1:14", "must not be mentioned"),
    ("ro/card_locked/sms.hbs", "suspectăm o înșelăciune", "fraud-mentioned", "1:13", "must not be mentioned"),
    ("uk/card_locked/sms.hbs", "підозра на шахрайство", "fraud-mentioned", "1:12", "must not be mentioned"),
    ("ar/card_locked/sms.hbs", "للاشتباه في احتيال", "fraud-mentioned", "1:13", "must not be mentioned"),
    (
        "en/card_locked/sms.hbs",
        "x{{#if (eq reason \"card_lost\")}} fraud{{/if}}",
        "fraud-mentioned",
        "1:34",
        "must not be mentioned",
    ),
    (
        "en/card_locked/sms.hbs",
        "x{{#if (eq reason \"suspected_fraud\")}}{{else}} fraud{{/if}}",
        "fraud-mentioned",
        "1:48",
        "must not be mentioned",
    ),
    (
        "en/card_locked/sms.hbs",
        "x{{#unless (eq reason \"suspected_fraud\")}} fraud{{/unless}}",
        "fraud-mentioned",
        "1:44",
        "must not be mentioned",
    ),
    ("en/card_locked/sms.hbs", "fra{{#if date}}ud{{/if}}", "fraud-mentioned", "1:1", "must not be mentioned"),
    ("en/card_locked/sms.hbs", "fra{{! no }}ud", "fraud-mentioned", "1:1", "must not be mentioned"),
    // Links.
    (
        "en/card_unlocked/sms.hbs",
        "See https://evil.example/x",
        "foreign-link",
        "1:5",
        "evil.example is not in [templates]",
    ),
    ("en/card_unlocked/sms.hbs", "See http://bank.example/x", "foreign-link", "1:5", "only https://"),
    ("en/card_unlocked/sms.hbs", "see ftp://bank.example", "foreign-link", "1:5", "ftp:// is not allowed"),
    (
        "en/card_unlocked/sms.hbs",
        "See https://bank.example@evil.example",
        "foreign-link",
        "1:13",
        "evil.example is not",
    ),
    (
        "en/card_unlocked/sms.hbs",
        "See https://bank.example.evil.example",
        "foreign-link",
        "1:5",
        "bank.example.evil.example",
    ),
    ("en/card_unlocked/sms.hbs", "See https://notbank.example", "foreign-link", "1:5", "notbank.example"),
    ("en/card_unlocked/sms.hbs", "See https://[::1]/", "foreign-link", "1:5", "remove the link"),
    ("en/card_unlocked/sms.hbs", "See https://bank.example,evil.example", "foreign-link", "1:26", "evil.example"),
    ("en/card_unlocked/push.body.hbs", "on www.evil.example.", "foreign-link", "1:4", "www.evil.example is not"),
    ("en/card_unlocked/email.text.hbs", "(evil.example)", "foreign-link", "1:2", "evil.example"),
    ("en/card_unlocked/email.text.hbs", "EVIL。EXAMPLE", "foreign-link", "1:1", "evil.example"),
    ("en/card_unlocked/email.text.hbs", "ｅｖｉｌ．ｅｘａｍｐｌｅ", "foreign-link", "1:1", "evil.example"),
    ("en/card_unlocked/email.text.hbs", "пример.рф", "foreign-link", "1:1", "пример.рф"),
    ("en/card_unlocked/email.text.hbs", "192.0.2.7", "foreign-link", "1:1", "192.0.2.7"),
    ("en/card_unlocked/email.subject.hbs", "Ask help@evil.example", "foreign-link", "1:5", "evil.example"),
    ("en/card_unlocked/sms.hbs", "evil{{! no }}.example", "foreign-link", "1:1", "evil.example"),
    ("en/card_unlocked/sms.hbs", "evil.{{#if date}}example{{/if}} x", "foreign-link", "1:1", "evil.example"),
    ("en/card_unlocked/sms.hbs", "https://bank.example/{{brand}}", "foreign-link", "1:1", "a value directly next to"),
    ("en/card_unlocked/sms.hbs", "{{brand}}bank.example", "foreign-link", "1:1", "a value directly next to"),
    ("en/card_unlocked/sms.hbs", "{{brand}}.{{date}}", "foreign-link", "1:1", "a value directly next to"),
    ("en/card_unlocked/sms.hbs", "https://{{brand}}", "foreign-link", "1:1", "a value directly next to"),
    (
        "en/card_unlocked/email.html.hbs",
        "<a href=\"https://evil.example\">x</a>",
        "foreign-link",
        "1:10",
        "evil.example",
    ),
    // Signs.
    ("en/card_unlocked/sms.hbs", "ab\u{202e}c", "hidden-characters", "1:3", "U+202E is invisible"),
    ("en/card_unlocked/sms.hbs", "a\n\u{200b}c", "hidden-characters", "2:1", "U+200B"),
    ("en/card_unlocked/sms.hbs", "a\u{7}", "hidden-characters", "1:2", "U+0007"),
    ("en/card_unlocked/sms.hbs", "a\u{fffd}", "hidden-characters", "1:2", "save the file as UTF-8"),
    ("pl/card_unlocked/sms.hbs", "a\u{200f}b", "hidden-characters", "1:2", "U+200F"),
    ("ar/card_unlocked/sms.hbs", "a\u{202b}b", "hidden-characters", "1:2", "U+202B"),
    // The language of templates.
    (
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{merchant}}\n {{pan}}",
        "unknown-name",
        "2:2",
        "variables of otp: otp, amount",
    ),
    ("en/card_locked/sms.hbs", "x{{#if (eq reason \"lost\")}}y{{/if}}", "unknown-name", "1:2", "its values: card_lost"),
    ("en/card_unlocked/sms.hbs", "{{log date}} x", "unknown-helper", "1:1", "{{log ..}}"),
    ("en/card_unlocked/sms.hbs", "x{{#with date}}{{/with}}", "unknown-helper", "1:2", "{{#with}}"),
    ("en/card_unlocked/sms.hbs", "x{{#if (gt date \"1\")}}{{/if}}", "unknown-helper", "1:2", "(eq variable"),
    ("en/card_unlocked/sms.hbs", "x {{> footer}}", "include", "1:3", "write the text here"),
    ("en/card_unlocked/sms.hbs", "x {{{date}}}", "raw-value", "1:3", "use {{name}}"),
    ("en/card_unlocked/sms.hbs", "x {{&date}}", "raw-value", "1:3", "use {{name}}"),
    ("en/card_unlocked/email.html.hbs", "<b lang=\"{{date}}\">x</b>", "value-in-tag", "1:10", "between tags"),
    ("en/card_unlocked/sms.hbs", "x {{#if date}}", "syntax", "", "unclosed"),
    ("en/card_unlocked/sms.hbs", "\u{feff}x {{#if date}}y{{/unless}}", "syntax", "1:16", "is closed by {{/unless}}"),
    ("en/card_unlocked/push.title.hbs", "Unlocked\non {{date}}", "one-line", "1:1", "remove the line break"),
    ("en/card_unlocked/sms.hbs", "", "empty", "", "may render an empty text"),
    ("en/transaction/sms.hbs", "{{#if merchant}}Paid at {{merchant}}{{/if}}", "empty", "", "in every case"),
];

fn settings() -> Settings {
    Settings { link_domains: vec!["Bank.Example".into()], ..Settings::default() }
}

fn template_file(file: &str, source: &str) -> TemplateFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, source).unwrap();
    TemplateFile { path: file.into(), ..TemplateFile::load(&path).unwrap() }
}

// The diagnostics of the file, without those about missing files.
fn validate_alone(file: &str, source: &str) -> Vec<Diagnostic> {
    let mut diagnostics =
        validate(&TemplateSet { templates: vec![template_file(file, source)], ..super::super::shipped() }, &settings());
    diagnostics.retain(|diagnostic| diagnostic.rule != "coverage");
    diagnostics
}

#[test]
fn a_violation_is_rejected_with_its_position_and_what_to_do() {
    let mut wrong = Vec::new();
    for (file, source, rule, at, message) in REJECTED {
        let found = validate_alone(file, source);
        let as_it_should = |diagnostic: &Diagnostic| {
            let place = diagnostic.at.map(|(line, column)| format!("{line}:{column}")).unwrap_or_default();
            let anywhere = *rule == "syntax" && at.is_empty();
            diagnostic.rule == *rule
                && (place == *at || anywhere)
                && diagnostic.message.contains(message)
                && diagnostic.is_error
        };
        if found.len() != 1 || !as_it_should(&found[0]) {
            wrong.push(format!("{source:?} as {file} should violate {rule} at {at:?} ({message}); found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_each_rule_violates_that_rule_and_no_other() {
    // These are about folders, locale files and settings; they have their own tests.
    let apart = ["coverage", "unknown-file", "locale-file", "settings", "draft"];
    for rule in RULES.iter().filter(|rule| !apart.contains(&rule.name)) {
        let found = validate_alone(rule.file, rule.example);
        let reported: Vec<_> = found.iter().map(|diagnostic| (diagnostic.rule, diagnostic.is_error)).collect();
        assert_eq!(reported, [(rule.name, rule.is_error)], "{found:#?}");
    }
    assert!(REJECTED.iter().all(|(_, _, name, ..)| RULES.iter().any(|rule| rule.name == *name)));
    for rule in RULES {
        assert_eq!(RULES.iter().filter(|other| other.name == rule.name).count(), 1, "duplicate rule {}", rule.name);
        assert!(rule.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.name);
    }
}

#[test]
fn templates_that_follow_the_rules_are_accepted() {
    let otp = "{{otp}} {{amount}} {{merchant}}";
    for (file, source) in [
        ("en/otp/sms.hbs", format!("{otp} Call +48 22 123 45 67, 24 h a day, or see bank.example.")),
        ("en/otp/sms.hbs", format!("{otp} https://bank.example/a.b?c=d.e#f, www.bank.example")),
        ("en/otp/sms.hbs", format!("{otp} (https://help.bank.example:443/otp) help@bank.example")),
        ("pl/otp/sms.hbs", format!("{otp} Do godz. {{{{until}}}}. Bank Sp. z o.o., pon.-pt. 8.00-16.30, 1.02.2026")),
        ("en/otp/sms.hbs", format!("{otp}{{{{#if brand}}}}, {{{{brand}}}}{{{{else}}}}.{{{{/if}}}}... Bye")),
        ("ar/otp/sms.hbs", format!("\u{200f}{otp}\u{200e}")),
        ("he/otp/sms.hbs", format!("\u{200f}{otp}")),
        ("en/card_locked/sms.hbs", "Locked{{#if (eq reason \"suspected_fraud\")}} for fraud{{else}}.{{/if}}".into()),
        ("en/card_locked/sms.hbs", "x{{#unless (eq reason \"suspected_fraud\")}}{{else}} fraud{{/unless}}".into()),
        (
            "en/transactional_lock_added/sms.hbs",
            "x{{#if (eq reason \"other\")}}{{else if (eq reason \"fraud_suspected\")}} FRAUD{{/if}}".into(),
        ),
        ("en/card_unlocked/email.html.hbs", "<a href=\"https://bank.example/\">{{date}}</a>".into()),
        ("en/card_unlocked/push.title.hbs", "\u{feff}\r\nYour card is unlocked\r\n".into()),
        ("en/verification_accepted/sms.hbs", "{{#if name}}Hello {{name}}{{else}}Hello{{/if}}".into()),
    ] {
        assert_eq!(validate_alone(file, &source), [], "{source:?} as {file}");
    }
}

#[test]
fn all_violations_are_reported_at_once() {
    let (dir, settings) = shipped();
    let source = "{{pan}} {{log otp}}\n{{#each otp}}{{/each}} fraud http://evil.example \u{200b}";
    fs::write(dir.path().join("pl/otp/sms.hbs"), source).unwrap();
    fs::write(dir.path().join("en/card_unlocked/sms.hbs"), "{{> x}} {{{date}}}").unwrap();
    fs::rename(dir.path().join("de/otp/sms.hbs"), dir.path().join("de/otp/sm.hbs")).unwrap();

    let refused = Renderer::load(&settings).err().unwrap().to_string();
    let found = validate_folder(&settings).unwrap();

    let reported: Vec<_> = found
        .iter()
        .map(|it| format!("{} {:?} {}", it.path.strip_prefix(dir.path()).unwrap().display(), it.at, it.rule))
        .collect();
    assert_eq!(
        reported,
        [
            "de None coverage",
            "de/otp/sm.hbs None unknown-file",
            "en/card_unlocked/sms.hbs Some((1, 1)) include",
            "en/card_unlocked/sms.hbs Some((1, 9)) raw-value",
            "pl/otp/sms.hbs Some((1, 1)) unknown-name",
            "pl/otp/sms.hbs Some((1, 9)) unknown-helper",
            "pl/otp/sms.hbs Some((2, 1)) unknown-helper",
            "pl/otp/sms.hbs Some((2, 24)) fraud-mentioned",
            "pl/otp/sms.hbs Some((2, 30)) foreign-link",
            "pl/otp/sms.hbs Some((2, 50)) hidden-characters",
        ]
    );
    assert!(refused.starts_with("10 template errors:\n  "), "{refused}");
    assert_eq!(refused.lines().count(), 11);
    assert!(found.iter().all(|diagnostic| refused.contains(&diagnostic.to_string())), "{refused}");
}

#[test]
fn the_shipped_templates_have_no_diagnostics() {
    let (_dir, settings) = shipped();
    for reveal_fraud_reason in [false, true] {
        let settings = Settings { reveal_fraud_reason, ..settings.clone() };
        assert_eq!(validate_folder(&settings).unwrap(), []);
    }
    assert_eq!(validate_folder(&Settings { brand: Settings::default().brand, ..settings }).unwrap(), []);
}

#[test]
fn a_file_that_is_too_large_or_not_utf_8_is_rejected() {
    let (dir, settings) = shipped();
    let file = dir.path().join("pl/card_unlocked/sms.hbs");
    let messages = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let diagnostics = validate_folder(&settings).unwrap();
        assert_eq!(Renderer::load(&settings).err().map(|_| 1), Some(diagnostics.len()));
        diagnostics.iter().map(|it| format!("{} {}", it.rule, it.message)).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(messages(&[b'x'; 4097]), "size larger than 4096 bytes: shorten it");
    assert_eq!(messages(&[b'x'; 1001]), "too-long may render more than 1000 characters: shorten it");
    assert!(messages(&[b'x', 0xff]).starts_with("hidden-characters U+FFFD"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(Renderer::load(&settings), Err(Error::Unreadable { .. })));
}

#[test]
fn invalid_settings_are_reported_like_templates() {
    let (_dir, settings) = shipped();
    let bad = Settings { time_zone: "Mars/Olympus".into(), ..settings };
    let found = validate_folder(&bad).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].rule == "settings" && found[0].message.contains("Mars/Olympus is not a time zone"), "{found:?}");
}

#[test]
fn a_code_that_comes_late_is_a_warning() {
    let (dir, settings) = shipped();
    let late = "Dear customer, this is about {{merchant}} and {{amount}}: {{otp}}";
    for part in ["sms", "push.body", "email.text"] {
        fs::write(dir.path().join(format!("en/otp/{part}.hbs")), late).unwrap();
    }
    let found = validate_folder(&settings).unwrap();
    assert_eq!(found.iter().map(|it| (it.rule, it.is_error)).collect::<Vec<_>>(), [("code-early", false); 2]);
    assert!(Renderer::load(&settings).is_ok());
}

#[test]
fn a_word_with_too_many_forms_is_rejected() {
    let source = "{{#if date}}a{{else}}b{{/if}}".repeat(7);
    let found = validate_alone("en/card_unlocked/sms.hbs", &source);
    assert_eq!(found.iter().map(|it| it.rule).collect::<Vec<_>>(), ["nesting"]);
    assert_eq!(validate_alone("en/card_unlocked/sms.hbs", &source.replace("{{/if}}", "{{/if}} ")), []);
    let hidden = format!("{}/evil.example", "x".repeat(505));
    let found = validate_alone("en/card_unlocked/sms.hbs", &hidden);
    assert_eq!(found.iter().map(|it| (it.rule, it.at)).collect::<Vec<_>>(), [("foreign-link", Some((1, 507)))]);
}

#[test]
fn the_most_hostile_word_is_checked_in_bounded_time() {
    let source = "{{#if date}}{{/if}}{{#if date}}a{{/if}}".repeat(400);
    let found = validate_alone("en/card_unlocked/email.html.hbs", &source);
    assert_eq!(found.iter().map(|it| it.rule).collect::<Vec<_>>(), ["nesting"]);
}
