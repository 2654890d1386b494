//! `otpost template preview`: texts as people get them, and what they cost.

use super::Desk;

const PROVIDERS: &str = "\n[[provider]]\nname = \"cheap\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
    price = \"0.03\"\n[[provider]]\nname = \"plain\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\nprice = \"0.05\"\n\
    transliterate = true\n";

fn desk() -> Desk {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let (before, _) = text.split_once("[[provider]]").unwrap_or((&text, ""));
    desk.write("otpost.toml", &format!("{before}{PROVIDERS}"));
    let long =
        "Kod {{otp}}: płatność {{amount}}, odbiorca {{merchant}}. Nie podawaj go nikomu, nawet pracownikom banku.";
    desk.write("templates/pl/otp/sms.hbs", long);
    desk
}

#[test]
fn a_preview_tells_what_recipients_read_what_forces_segments_and_what_each_provider_bills() {
    let desk = desk();
    desk.write("templates/de/otp/sms.hbs", "{{#if");

    let said = desk.run(&["template", "preview", "--kind", "otp", "--locale", "pl-PL", "--channel", "sms"]);
    let told = desk.run(&["template", "preview", "--kind", "otp", "--locale", "pl", "--json"]).json();

    assert_eq!(said.code, 0, "{}", said.err);
    for part in [
        "otp as pl-PL reads it. An example: nobody has this code.",
        "sms, typical, in pl",
        "Kod 012345: płatność 49,90 €, odbiorca Example Shop. Nie podawaj",
        "UCS-2: 100 of 134 units, 2 segments",
        "outside GSM 03.38: ł (U+0142) at 14, ś (U+015B) at 19, ć (U+0107) at 20",
        "with the nearest letters of GSM 03.38 (transliterate):",
        "GSM 03.38: 101 of 160 units, 1 segment",
        "cheap: 2 x 0.03 = 0.06",
        "plain: 1 x 0.05 = 0.05",
        "sms, longest, in pl",
    ] {
        said.place_of(part);
    }
    let messages = told["messages"].as_array().unwrap();
    let named: Vec<_> =
        messages.iter().map(|it| (it["channel"].as_str().unwrap(), it["about"].as_str().unwrap())).collect();
    let both = |channel| [(channel, "typical"), (channel, "longest")];
    assert_eq!(named, [both("sms"), both("push"), both("email")].concat());
    assert_eq!(messages[0]["cost"]["segments"], 2);
    assert_eq!(messages[0]["cost"]["forcing"][0]["at"][0], 14);
    assert_eq!(messages[0]["with_transliteration"]["cost"]["segments"], 1);
    assert_eq!(messages[0]["providers"][0]["sum"], "0.06");
}

#[test]
fn a_mail_can_be_looked_at_in_a_browser() {
    let desk = desk();

    let said = desk.run(&[
        "template",
        "preview",
        "--kind",
        "card_locked",
        "--locale",
        "fr",
        "--html",
        &desk.path("mail.html").display().to_string(),
    ]);

    assert_eq!(said.code, 0, "{}", said.err);
    let page = std::fs::read_to_string(desk.path("mail.html")).unwrap();
    assert!(page.contains("<html") && page.trim_end().ends_with("</html>"), "{page}");
}

#[test]
fn an_unknown_kind_or_language_is_answered_with_those_that_there_are() {
    let desk = desk();
    desk.write("templates/de/otp/sms.hbs", "{{#if");

    let kind = desk.run(&["template", "preview", "--kind", "opt", "--locale", "pl"]);
    let locale = desk.run(&["template", "preview", "--kind", "otp", "--locale", "sv"]);
    let broken = desk.run(&["template", "preview", "--kind", "otp", "--locale", "de"]);

    assert_eq!([kind.code, locale.code, broken.code], [2; 3]);
    assert!(kind.err.contains("otp, card_locked, card_unlocked"), "{}", kind.err);
    assert!(locale.err.contains("no texts in sv, only in ar, cs, de, en"), "{}", locale.err);
    assert!(broken.err.contains("de/otp/sms.hbs:1:1: "), "{}", broken.err);
}
