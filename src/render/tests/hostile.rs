//! Merchant names that try to change the meaning of a message, in every shipped locale and on every channel.

use super::*;

/// A harmless name.
const PLAIN: &str = "Allegro";

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "https://evil.example/login",
        "http://evil.example",
        "evil.example",
        "www.evil.example?a=b#c",
        "EVIL.EXAMPLE",
        "evil。example",
        "ｅｖｉｌ．ｅｘａｍｐｌｅ",
        "evil\u{200b}.\u{200b}example",
        "evil․example",
        "evil…example",
        "xn--bnk-6na.example",
        "bänk.example",
        "аррӏе.example",
        "💩.example",
        "evil.example:8080/a",
        "user@evil.example",
        "mailto:user@evil.example",
        "tel:+48600100200",
        "sms:600100200",
        "javascript:alert(1)",
        "data:text/html,<b>x</b>",
        "upi://pay?pa=evil",
        "192.168.10.20",
        "http://[2001:db8::1]/",
        "Call +48 600 100 200",
        "Call 600-100-200",
        "Call (600) 100.200",
        "Call ٦٠٠١٠٠٢٠٠",
        "Call ６００１００２００",
        "4111 1111 1111 1111",
        "shop4111111111111111",
        "\u{202e}knab ruoY\u{202c}",
        "\u{2067}abc\u{2069}\u{200f}\u{61c}",
        "a\u{200b}\u{200c}\u{200d}\u{feff}b\u{ad}c",
        "Shop\r\nYour code is wrong",
        "Shop\n\nCall us\u{2028}now\u{2029}\u{85}\u{b}\u{c}",
        "bell\u{7}\u{1b}[31m\u{0}\u{8}",
        "{{otp}}",
        "{{{otp}}}{{#if otp}}{{/if}}",
        "${otp} %s %n $(id)",
        "<script>alert('x')</script>",
        "<img src=x onerror=alert(1)>",
        "</p></body><a href=\"//evil.example\">tap</a>",
        "\"><style>*{display:none}</style>",
        "<!-- --><br>&lt;b&gt;&amp;&#x3c;i&#62;",
        "=CMD|'/C calc'!A0",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "السوق: 600100200",
        "Ваш код 000000",
        "🍕🍔🌭🎁🎉",
    ]
    .map(str::to_owned)
    .into();
    names.push("W".repeat(5000));
    names.push("h\u{300}\u{301}\u{302}\u{303}".repeat(100));
    names.push(format!("Z{}", "\u{335}".repeat(300)));
    names.push("क्".repeat(200));
    names.push("🇵🇱".repeat(100));
    names
}

// Words around which phones and mail programs draw a link.
fn links(text: &str) -> Vec<&str> {
    let dotted = |word: &&str| {
        let inside = word.trim_matches(|c: char| !c.is_alphanumeric());
        inside.split('.').filter(|label| !label.is_empty()).count() > 1 && inside.contains(char::is_alphabetic)
            || word.contains("://")
            || word.split('@').filter(|side| !side.is_empty()).count() > 1
            || ["tel:", "sms:", "mailto:", "javascript:", "data:"]
                .iter()
                .any(|scheme| word.to_lowercase().split_once(scheme).is_some_and(|(_, rest)| !rest.is_empty()))
    };
    text.split_whitespace().filter(dotted).collect()
}

// Runs of seven digits or more, whatever stands between them that a dialler would drop.
fn numbers(text: &str) -> usize {
    let joined: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '(' | ')' | '/' | '+')).collect();
    let runs = joined.split(|c: char| !c.is_numeric()).filter(|run| run.chars().count() >= 7);
    runs.count()
}

fn tags(html: &str) -> Vec<String> {
    let inside = html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default().to_owned());
    inside.collect()
}

#[test]
fn no_name_links_adds_a_line_or_markup_or_hides_code_and_amount() {
    let renderer = renderer();
    let names = names();
    assert!(names.len() >= 50);
    for tag in SHIPPED_LOCALES {
        for channel in Channel::ALL {
            let plain = rendered(&renderer, &otp(PLAIN), channel, tag);
            for name in &names {
                let told = rendered(&renderer, &otp(name), channel, tag);
                for (part, (text, usual)) in told.iter().zip(&plain).enumerate() {
                    let about = format!("{tag} {channel} {part}, {name:?}: {text}");
                    let is_html = usual.starts_with('<');
                    assert_eq!(text.lines().count(), usual.lines().count(), "{about}");
                    assert!(!text.contains(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']), "{about}");
                    assert!(!text.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}')), "{about}");
                    assert_eq!(text.matches("048291").count(), usual.matches("048291").count(), "{about}");
                    for amount in amounts(usual) {
                        assert!(text.contains(amount), "{amount} in {about}");
                    }
                    if is_html {
                        assert_eq!(tags(text), tags(usual), "{about}");
                    } else {
                        assert_eq!(links(text), links(usual), "{about}");
                        assert_eq!(numbers(text), numbers(usual), "{about}");
                    }
                }
            }
        }
    }
}

// The digits of 1234.50 as this language writes them.
fn amounts(text: &str) -> Vec<&str> {
    let digits = |c: char| c.is_numeric() || matches!(c, '.' | ',' | '٫' | '٬' | '\u{a0}' | '\u{202f}');
    let found = text.split(|c| !digits(c)).map(|word| word.trim_matches(|c: char| !c.is_numeric()));
    found.filter(|word| word.contains("50") && word.starts_with('1')).collect()
}

#[test]
fn no_name_makes_an_sms_longer_than_the_budget() {
    let renderer = renderer();
    for tag in SHIPPED_LOCALES {
        for name in names() {
            for content in [otp(&name), paid(TransactionResult::Authorized, true, &name, "1234")] {
                let text = sms(&renderer, &content, tag);
                assert!(crate::render::sms::segments::measure(&text).segments <= 3, "{tag} {name:?}: {text}");
            }
        }
    }
}

#[test]
fn what_would_be_a_link_or_a_number_is_seen() {
    assert_eq!(links("pay to evil.example now"), ["evil.example"]);
    assert_eq!(links("a@b https://x tel:1 Sp. z o. o. 10.00"), ["a@b", "https://x", "tel:1"]);
    assert_eq!((numbers("call 600 100 200."), numbers("6001002"), numbers("048291: 10")), (1, 1, 0));
}
