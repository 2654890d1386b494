//! Texts that are refused, rule by rule: where, and in which words.

use super::*;
use crate::render::template::file::read_one;
use crate::render::validate::diagnostic::Diagnostic;

/// The file each source stands in, what it is, the rule it breaks, where, and some of what is said.
const REFUSED: &[(&str, &str, &str, &str, &str)] = &[
    // The law: amount and payee with the code.
    ("en/otp/sms.hbs", "{{otp}}", "payee-shown", "", "amount and merchant must be written in every case"),
    ("en/otp/push.body.hbs", "{{otp}} {{amount}}", "payee-shown", "", "merchant must be written"),
    ("en/otp/email.text.hbs", "{{amount}} {{merchant}}", "payee-shown", "", "otp must be written"),
    (
        "en/otp/sms.hbs",
        "{{otp}} {{amount}} {{#if (eq brand \"x\")}}{{merchant}}{{/if}}",
        "payee-shown",
        "",
        "merchant must be written in every case",
    ),
    (
        "en/otp/sms.hbs",
        "{{#if until}}{{otp}} {{amount}} {{merchant}}{{else}}{{otp}} {{amount}}{{/if}}",
        "payee-shown",
        "",
        "merchant must be written in every case",
    ),
    // The code on a locked screen.
    ("en/otp/email.subject.hbs", "Your code\u{a0}{{otp}}", "code-in-headline", "1:11", "locked screen"),
    ("en/otp/push.title.hbs", "{{#if (eq otp \"1\")}}One{{/if}} x", "code-in-headline", "1:1", "locked screen"),
    // Names that are no words.
    ("pl/card_locked/sms.hbs", "\n\nKarta: {{reason}}", "raw-reason", "3:8", "{{#if (eq reason \"..\")}}"),
    ("pl/transaction/sms.hbs", "{{amount}} {{result}}", "raw-reason", "1:12", "not written"),
    ("en/card_locked/sms.hbs", "Locked {{temporary}}", "raw-reason", "1:8", "{{#if temporary}}"),
    // Fraud.
    ("en/card_locked/sms.hbs", "Locked.\nIt was FRAUD!", "fraud-told", "2:8", "(eq reason \"suspected_fraud\")"),
    ("de/card_locked/sms.hbs", "Wegen Betrugsverdacht gesperrt", "fraud-told", "1:7", "suspicion"),
    ("de/card_locked/push.body.hbs", "wegen betru\u{308}gerischer Zahlung", "fraud-told", "1:7", "suspicion"),
    ("pl/card_locked/email.text.hbs", "Podejrzenie oszustwa", "fraud-told", "1:13", "suspicion"),
    ("fr/card_locked/sms.hbs", "suspicion de fraude", "fraud-told", "1:14", "suspicion"),
    ("es/card_locked/sms.hbs", "una estafa", "fraud-told", "1:5", "suspicion"),
    ("it/card_locked/sms.hbs", "sospetta frode", "fraud-told", "1:10", "suspicion"),
    ("cs/card_locked/sms.hbs", "podezření na podvod", "fraud-told", "1:14", "suspicion"),
    ("ro/card_locked/sms.hbs", "suspectăm o înșelăciune", "fraud-told", "1:13", "suspicion"),
    ("uk/card_locked/sms.hbs", "підозра на шахрайство", "fraud-told", "1:12", "suspicion"),
    ("ar/card_locked/sms.hbs", "للاشتباه في احتيال", "fraud-told", "1:13", "suspicion"),
    ("en/card_locked/sms.hbs", "x{{#if (eq reason \"card_lost\")}} fraud{{/if}}", "fraud-told", "1:34", "suspicion"),
    (
        "en/card_locked/sms.hbs",
        "x{{#if (eq reason \"suspected_fraud\")}}{{else}} fraud{{/if}}",
        "fraud-told",
        "1:48",
        "suspicion",
    ),
    (
        "en/card_locked/sms.hbs",
        "x{{#unless (eq reason \"suspected_fraud\")}} fraud{{/unless}}",
        "fraud-told",
        "1:44",
        "suspicion",
    ),
    ("en/card_locked/sms.hbs", "fra{{#if date}}ud{{/if}}", "fraud-told", "1:1", "suspicion"),
    ("en/card_locked/sms.hbs", "fra{{! no }}ud", "fraud-told", "1:1", "suspicion"),
    // Links.
    (
        "en/card_unlocked/sms.hbs",
        "See https://evil.example/x",
        "foreign-link",
        "1:5",
        "evil.example is not in [templates]",
    ),
    ("en/card_unlocked/sms.hbs", "See http://bank.example/x", "foreign-link", "1:5", "only https://"),
    ("en/card_unlocked/sms.hbs", "see ftp://bank.example", "foreign-link", "1:5", "ftp:// is not used"),
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
    ("en/card_unlocked/sms.hbs", "See https://[::1]/", "foreign-link", "1:5", "take the link out"),
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
    (
        "en/card_unlocked/sms.hbs",
        "https://bank.example/{{brand}}",
        "foreign-link",
        "1:1",
        "a value stands directly beside",
    ),
    ("en/card_unlocked/sms.hbs", "{{brand}}bank.example", "foreign-link", "1:1", "a value stands directly beside"),
    ("en/card_unlocked/sms.hbs", "{{brand}}.{{date}}", "foreign-link", "1:1", "a value stands directly beside"),
    ("en/card_unlocked/sms.hbs", "https://{{brand}}", "foreign-link", "1:1", "a value stands directly beside"),
    (
        "en/card_unlocked/email.html.hbs",
        "<a href=\"https://evil.example\">x</a>",
        "foreign-link",
        "1:10",
        "evil.example",
    ),
    // Signs.
    ("en/card_unlocked/sms.hbs", "ab\u{202e}c", "hidden-characters", "1:3", "U+202E cannot be seen"),
    ("en/card_unlocked/sms.hbs", "a\n\u{200b}c", "hidden-characters", "2:1", "U+200B"),
    ("en/card_unlocked/sms.hbs", "a\u{7}", "hidden-characters", "1:2", "U+0007"),
    ("en/card_unlocked/sms.hbs", "a\u{fffd}", "hidden-characters", "1:2", "save the file as UTF-8"),
    ("pl/card_unlocked/sms.hbs", "a\u{200f}b", "hidden-characters", "1:2", "U+200F"),
    ("ar/card_unlocked/sms.hbs", "a\u{202b}b", "hidden-characters", "1:2", "U+202B"),
    // The language of templates.
    ("en/otp/sms.hbs", "{{otp}} {{amount}} {{merchant}}\n {{pan}}", "unknown-name", "2:2", "otp has otp, amount"),
    ("en/card_locked/sms.hbs", "x{{#if (eq reason \"lost\")}}y{{/if}}", "unknown-name", "1:2", "there are card_lost"),
    ("en/card_unlocked/sms.hbs", "{{log date}} x", "unknown-helper", "1:1", "{{log ..}}"),
    ("en/card_unlocked/sms.hbs", "x{{#with date}}{{/with}}", "unknown-helper", "1:2", "{{#with}}"),
    ("en/card_unlocked/sms.hbs", "x{{#if (gt date \"1\")}}{{/if}}", "unknown-helper", "1:2", "(eq variable"),
    ("en/card_unlocked/sms.hbs", "x {{> footer}}", "include", "1:3", "write the words here"),
    ("en/card_unlocked/sms.hbs", "x {{{date}}}", "raw-value", "1:3", "use {{name}}"),
    ("en/card_unlocked/sms.hbs", "x {{&date}}", "raw-value", "1:3", "use {{name}}"),
    ("en/card_unlocked/email.html.hbs", "<b lang=\"{{date}}\">x</b>", "value-in-tag", "1:10", "between tags"),
    ("en/card_unlocked/sms.hbs", "x {{#if date}}", "syntax", "", "not closed"),
    ("en/card_unlocked/sms.hbs", "\u{feff}x {{#if date}}y{{/unless}}", "syntax", "1:16", "is closed by {{/unless}}"),
    ("en/card_unlocked/push.title.hbs", "Unlocked\non {{date}}", "one-line", "1:1", "leave out the line break"),
    ("en/card_unlocked/sms.hbs", "", "empty", "", "may write nothing at all"),
    ("en/transaction/sms.hbs", "{{#if merchant}}Paid at {{merchant}}{{/if}}", "empty", "", "in every case"),
];

fn settings() -> Settings {
    Settings { link_domains: vec!["Bank.Example".into()], ..Settings::default() }
}

fn template_file(file: &str, source: &str) -> TemplateFile {
    let desk = tempfile::tempdir().unwrap();
    let place = desk.path().join(file);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, source).unwrap();
    TemplateFile { place: file.into(), ..read_one(&place).unwrap() }
}

// What is said of it alone; that all others are missing is no news.
fn review_alone(file: &str, source: &str) -> Vec<Diagnostic> {
    let mut findings = review(&vec![template_file(file, source)].into(), &settings());
    findings.retain(|finding| finding.rule != "coverage");
    findings
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for (file, source, rule, at, words) in REFUSED {
        let found = review_alone(file, source);
        let as_it_should = |finding: &Diagnostic| {
            let place = finding.fault.at.map(|(line, column)| format!("{line}:{column}")).unwrap_or_default();
            let anywhere = *rule == "syntax" && at.is_empty();
            finding.rule == *rule && (place == *at || anywhere) && finding.fault.what.contains(words) && finding.refused
        };
        if found.len() != 1 || !as_it_should(&found[0]) {
            wrong.push(format!("{source:?} as {file} should break {rule} at {at:?} ({words}); found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_each_rule_breaks_that_rule_and_no_other() {
    // These are about folders and settings; they have tests of their own.
    let apart = ["coverage", "unknown-file", "settings", "draft"];
    for rule in RULES.iter().filter(|rule| !apart.contains(&rule.name)) {
        let found = review_alone(rule.file, rule.example);
        let told: Vec<_> = found.iter().map(|finding| (finding.rule, finding.refused)).collect();
        assert_eq!(told, [(rule.name, rule.refused)], "{found:#?}");
    }
    assert!(REFUSED.iter().all(|(_, _, name, ..)| RULES.iter().any(|rule| rule.name == *name)));
    for rule in RULES {
        assert_eq!(RULES.iter().filter(|other| other.name == rule.name).count(), 1, "{} stands there twice", rule.name);
        assert!(rule.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.name);
    }
}

#[test]
fn what_keeps_the_rules_is_taken() {
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
        assert_eq!(review_alone(file, &source), [], "{source:?} as {file}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (dir, settings) = shipped();
    let source = "{{pan}} {{log otp}}\n{{#each otp}}{{/each}} fraud http://evil.example \u{200b}";
    fs::write(dir.path().join("pl/otp/sms.hbs"), source).unwrap();
    fs::write(dir.path().join("en/card_unlocked/sms.hbs"), "{{> x}} {{{date}}}").unwrap();
    fs::rename(dir.path().join("de/otp/sms.hbs"), dir.path().join("de/otp/sm.hbs")).unwrap();

    let refused = Renderer::load(&settings).err().unwrap().to_string();
    let found = review_folder(&settings).unwrap();

    let told: Vec<_> = found
        .iter()
        .map(|it| format!("{} {:?} {}", it.place.strip_prefix(dir.path()).unwrap().display(), it.fault.at, it.rule))
        .collect();
    assert_eq!(
        told,
        [
            "de None coverage",
            "de/otp/sm.hbs None unknown-file",
            "en/card_unlocked/sms.hbs Some((1, 1)) include",
            "en/card_unlocked/sms.hbs Some((1, 9)) raw-value",
            "pl/otp/sms.hbs Some((1, 1)) unknown-name",
            "pl/otp/sms.hbs Some((1, 9)) unknown-helper",
            "pl/otp/sms.hbs Some((2, 1)) unknown-helper",
            "pl/otp/sms.hbs Some((2, 24)) fraud-told",
            "pl/otp/sms.hbs Some((2, 30)) foreign-link",
            "pl/otp/sms.hbs Some((2, 50)) hidden-characters",
        ]
    );
    assert!(refused.starts_with("the texts are refused for 10 reasons:\n  "), "{refused}");
    assert_eq!(refused.lines().count(), 11);
    assert!(found.iter().all(|finding| refused.contains(&finding.to_string())), "{refused}");
}

#[test]
fn nothing_is_wrong_with_the_shipped_texts() {
    let (_dir, settings) = shipped();
    for reveal_fraud_reason in [false, true] {
        let settings = Settings { reveal_fraud_reason, ..settings.clone() };
        assert_eq!(review_folder(&settings).unwrap(), []);
    }
    assert_eq!(review_folder(&Settings { brand: Settings::default().brand, ..settings }).unwrap(), []);
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused_and_the_others_are_looked_at() {
    let (dir, settings) = shipped();
    let file = dir.path().join("pl/card_unlocked/sms.hbs");
    let told = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let findings = review_folder(&settings).unwrap();
        assert_eq!(Renderer::load(&settings).err().map(|_| 1), Some(findings.len()));
        findings.iter().map(|it| format!("{} {}", it.rule, it.fault.what)).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(told(&[b'x'; 4097]), "size larger than 4096 bytes: say it in fewer words");
    assert_eq!(told(&[b'x'; 1001]), "too-long may write more than 1000 characters: say it in fewer words");
    assert!(told(&[b'x', 0xff]).starts_with("hidden-characters U+FFFD"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(Renderer::load(&settings), Err(Error::Unreadable { .. })));
}

#[test]
fn settings_that_cannot_be_used_are_told_like_a_text() {
    let (_dir, settings) = shipped();
    let bad = Settings { time_zone: "Mars/Olympus".into(), ..settings };
    let told = review_folder(&bad).unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].rule == "settings" && told[0].fault.what.contains("Mars/Olympus is not a time zone"), "{told:?}");
}

#[test]
fn a_code_that_comes_late_is_worth_a_look_and_no_more() {
    let (dir, settings) = shipped();
    let late = "Dear customer, this is about {{merchant}} and {{amount}}: {{otp}}";
    for part in ["sms", "push.body", "email.text"] {
        fs::write(dir.path().join(format!("en/otp/{part}.hbs")), late).unwrap();
    }
    let told = review_folder(&settings).unwrap();
    assert_eq!(told.iter().map(|it| (it.rule, it.refused)).collect::<Vec<_>>(), [("code-early", false); 2]);
    assert!(Renderer::load(&settings).is_ok());
}

#[test]
fn a_word_with_too_many_forms_is_refused() {
    let candidates = "{{#if date}}a{{else}}b{{/if}}".repeat(7);
    let told = review_alone("en/card_unlocked/sms.hbs", &candidates);
    assert_eq!(told.iter().map(|it| it.rule).collect::<Vec<_>>(), ["nesting"]);
    assert_eq!(review_alone("en/card_unlocked/sms.hbs", &candidates.replace("{{/if}}", "{{/if}} ")), []);
    let hidden = format!("{}/evil.example", "x".repeat(505));
    let told = review_alone("en/card_unlocked/sms.hbs", &hidden);
    assert_eq!(told.iter().map(|it| (it.rule, it.fault.at)).collect::<Vec<_>>(), [("foreign-link", Some((1, 507)))]);
}

#[test]
fn the_most_hostile_word_is_looked_through_all_the_same() {
    let candidates = "{{#if date}}{{/if}}{{#if date}}a{{/if}}".repeat(400);
    let told = review_alone("en/card_unlocked/email.html.hbs", &candidates);
    assert_eq!(told.iter().map(|it| it.rule).collect::<Vec<_>>(), ["nesting"]);
}
