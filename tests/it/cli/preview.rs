//! `otpost template preview`: sample messages and their cost.

use super::Workspace;

const PROVIDERS: &str = "\n[[provider]]\nname = \"cheap\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\n\
    price = \"0.03\"\n[[provider]]\nname = \"plain\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\nprice = \"0.05\"\n\
    transliterate = true\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let (before, _) = text.split_once("[[provider]]").unwrap_or((&text, ""));
    workspace.write("otpost.toml", &format!("{before}{PROVIDERS}"));
    workspace.configure("transliterate = [\"cs\", \"pl\", \"ro\"]", "transliterate = []");
    let long =
        "Kod {{otp}}: płatność {{amount}}, odbiorca {{merchant}}. Nie podawaj go nikomu, nawet pracownikom banku.";
    workspace.write("templates/pl/otp/sms.hbs", long);
    workspace
}

#[test]
fn a_preview_shows_the_message_what_forces_segments_and_the_cost_at_each_provider() {
    let workspace = workspace();
    workspace.write("templates/de/otp/sms.hbs", "{{#if");

    let said = workspace.run(&["template", "preview", "--kind", "otp", "--locale", "pl-PL", "--channel", "sms"]);
    let told = workspace.run(&["template", "preview", "--kind", "otp", "--locale", "pl", "--json"]).json();

    assert_eq!(said.code, 0, "{}", said.err);
    for part in [
        "otp for a recipient with locale pl-PL. The code is an example.",
        "sms, typical, in pl",
        "Kod 012345: płatność 49,90 €, odbiorca Example Shop. Nie podawaj",
        "UCS-2: 100 of 134 units, 2 segments",
        "outside GSM 03.38: ł (U+0142) at 14, ś (U+015B) at 19, ć (U+0107) at 20",
        "with the nearest characters of GSM 03.38 (transliterate):",
        "GSM 03.38: 101 of 160 units, 1 segment",
        "cheap: 2 x 0.03 = 0.06",
        "plain: 1 x 0.05 = 0.05",
        "sms, longest, in pl",
    ] {
        said.place_of(part);
    }
    let messages = told["messages"].as_array().unwrap();
    let named: Vec<_> =
        messages.iter().map(|it| (it["channel"].as_str().unwrap(), it["values"].as_str().unwrap())).collect();
    let both = |channel| [(channel, "typical"), (channel, "longest")];
    assert_eq!(named, [both("sms"), both("push"), both("email")].concat());
    assert_eq!(messages[0]["cost"]["segments"], 2);
    assert_eq!(messages[0]["cost"]["forcing"][0]["at"][0], 14);
    assert_eq!(messages[0]["with_transliteration"]["cost"]["segments"], 1);
    assert_eq!(messages[0]["providers"][0]["sum"], "0.06");
}

#[test]
fn the_html_of_a_mail_can_be_written_to_a_file() {
    let workspace = workspace();

    let said = workspace.run(&[
        "template",
        "preview",
        "--kind",
        "card_locked",
        "--locale",
        "fr",
        "--html",
        &workspace.path("mail.html").display().to_string(),
    ]);

    assert_eq!(said.code, 0, "{}", said.err);
    let page = std::fs::read_to_string(workspace.path("mail.html")).unwrap();
    assert!(page.contains("<html") && page.trim_end().ends_with("</html>"), "{page}");
}

#[test]
fn an_unknown_kind_or_language_is_answered_with_those_that_there_are() {
    let workspace = workspace();
    workspace.write("templates/de/otp/sms.hbs", "{{#if");

    let kind = workspace.run(&["template", "preview", "--kind", "opt", "--locale", "pl"]);
    let locale = workspace.run(&["template", "preview", "--kind", "otp", "--locale", "sv"]);
    let broken = workspace.run(&["template", "preview", "--kind", "otp", "--locale", "de"]);

    assert_eq!([kind.code, locale.code, broken.code], [2; 3]);
    assert!(kind.err.contains("otp, card_locked, card_unlocked"), "{}", kind.err);
    assert!(locale.err.contains("no templates for sv; locales with templates: ar, cs, de, en"), "{}", locale.err);
    assert!(broken.err.contains("de/otp/sms.hbs:1:1: "), "{}", broken.err);
}
