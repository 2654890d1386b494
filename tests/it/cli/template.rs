//! `otpost template check` and `list`: diagnostics in the format of a compiler, and a table that fits a terminal.

use std::fs;

use super::{Workspace, run};

fn put(workspace: &Workspace, file: &str, text: &str) {
    let file = workspace.path(&format!("templates/{file}"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

#[test]
fn the_templates_of_a_new_workspace_have_no_diagnostics() {
    let workspace = Workspace::new();

    let said = workspace.run(&["template", "check"]);
    let told = workspace.run(&["template", "check", "--json"]);

    assert_eq!((said.code, said.out.as_str()), (0, "no errors, no warnings\n"), "{}", said.err);
    assert_eq!(told.json(), serde_json::json!({ "ok": true, "errors": 0, "warnings": 0, "diagnostics": [] }));
}

#[test]
fn diagnostics_name_file_line_column_and_rule_and_the_command_fails() {
    let workspace = Workspace::new();
    put(&workspace, "pl/otp/sms.hbs", "Kod {{otp}}\n{{pan}}");
    put(&workspace, "en/otp/sms.hbs", "Please be so kind to use the following code: {{otp}} {{amount}} {{merchant}}");
    fs::remove_file(workspace.path("templates/de/card_locked/sms.hbs")).unwrap();

    let said = workspace.run(&["template", "check"]);
    let told = workspace.run(&["template", "check", "--json"]);
    let check = workspace.run(&["check"]);
    let serve = workspace.run(&["serve"]);

    let texts = workspace.path("templates").display().to_string();
    let lines: Vec<_> = said.out.lines().map(|line| line.replace(&format!("{texts}/"), "")).collect();
    assert_eq!(said.code, 1);
    assert!(lines[0].starts_with("de: error: missing: card_locked/sms.hbs; add them, or list"), "{lines:#?}");
    assert!(lines[1].starts_with("en/otp/sms.hbs: warning: the code comes after 45 characters"), "{lines:#?}");
    let unknown = "pl/otp/sms.hbs:2:1: error: unknown variable pan; variables of otp: otp, amount, merchant, until, brand, zero, unnamed";
    assert_eq!(lines[2..], [&format!("{unknown} [unknown-name]"), "2 errors, 1 warning"]);
    assert!(!said.out.contains('\u{1b}'), "no colours into a pipe");
    let last = &told.json()["diagnostics"][2];
    assert_eq!((&last["line"], &last["column"], &last["rule"]), (&2.into(), &1.into(), &"unknown-name".into()));
    assert_eq!(check.code, 2);
    for part in ["de: missing: card_locked/sms.hbs;", "pl/otp/sms.hbs:2:1: unknown variable pan", "(unknown-name)"] {
        assert_eq!(check.out.matches(part).count(), 1, "{}", check.out);
        assert!(serve.err.contains(part), "{}", serve.err);
    }
    assert_eq!(serve.code, 2);
    assert!(serve.err.contains("2 template errors:"), "{}", serve.err);
}

#[test]
fn a_draft_has_warnings_only() {
    let workspace = Workspace::new();
    put(&workspace, "sv/card_unlocked/sms.hbs", "{{pan}}");
    workspace.configure("locales = []", "locales = [\"en\", \"pl\"]");

    let said = workspace.run(&["template", "check"]);
    let list = workspace.run(&["template", "list"]);

    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("sv/card_unlocked/sms.hbs:1:1: warning: unknown variable pan"), "{}", said.out);
    assert!(list.out.lines().next().unwrap().contains("en   es*  fr*  it*  pl   ro*  sv*"), "{}", list.out);
    assert!(
        list.out.contains("*: a draft") && list.out.ends_with("all locales complete, 26 missing messages in drafts\n"),
        "{}",
        list.out
    );
}

#[test]
fn the_table_shows_own_templates_fallbacks_and_missing_ones_and_fits_a_terminal() {
    let workspace = Workspace::new();
    put(&workspace, "pl-PL/card_unlocked/sms.hbs", "Karta odblokowana.");
    fs::remove_file(workspace.path("templates/ro/transaction/email.text.hbs")).unwrap();

    let said = workspace.run(&["template", "list"]);
    let told = workspace.run(&["template", "list", "--json"]);

    let line = |start: &str| said.out.lines().find(|line| line.starts_with(start)).unwrap();
    assert_eq!(said.code, 0);
    let (unlocked, payment) = ("card_unlocked", "transaction ");
    assert!(line(unlocked).ends_with("  SPE  SPE  Spe    SPE  SPE"), "{}", said.out);
    assert!(line(payment).ends_with("  SPE  SPE  spe    SP-  SPE"), "{}", said.out);
    assert!(said.out.ends_with("\n1 missing message\n"), "{}", said.out);
    assert!(said.out.lines().all(|line| line.chars().count() <= 110), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "no colours into a pipe");
    let told = told.json();
    assert_eq!(told["missing"], 1);
    let of = |tag: &str| told["locales"].as_array().unwrap().iter().find(|it| it["locale"] == tag).unwrap().clone();
    assert_eq!(of("pl-PL")["templates"]["card_unlocked"]["sms"], "own");
    assert_eq!(of("pl-PL")["templates"]["card_unlocked"]["push"], "parent");
    assert_eq!(of("ro")["templates"]["transaction"]["email"], "default");
}

#[test]
fn a_file_is_validated_before_it_is_put_in_place() {
    let workspace = Workspace::new();
    put(&workspace, "../drafts/pl/otp/sms.hbs", "{{otp}} {{amount}}");
    let file = workspace.path("templates/../drafts/pl/otp/sms.hbs").display().to_string();
    fs::remove_file(workspace.path("templates/de/card_locked/sms.hbs")).unwrap();

    let wrong = workspace.run(&["template", "check", &file]);
    fs::write(&file, "{{otp}} {{amount}} {{merchant}}").unwrap();
    let right = workspace.run(&["template", "check", &file]);
    let nothing = workspace.run(&["template", "check", "/nowhere/pl/otp/sms.hbs"]);
    let no_text = workspace.run(&["template", "check", workspace.path("otpost.toml").to_str().unwrap()]);

    assert_eq!(wrong.code, 1, "{}", wrong.err);
    assert!(wrong.out.starts_with(&format!("{file}: error: merchant must be shown in every case")), "{}", wrong.out);
    assert_eq!((right.code, right.out.as_str()), (0, "no errors, no warnings\n"));
    assert_eq!((nothing.code, no_text.code), (2, 2));
    assert!(no_text.err.contains("<locale>/<kind>/<part>.hbs"), "{}", no_text.err);
}

#[test]
fn the_rules_are_listed_with_an_example_of_each() {
    let said = run(&["template", "check", "--rules"]);
    let told = run(&["template", "check", "--rules", "--json"]);

    assert_eq!(said.code, 0, "{}", said.err);
    for rule in otpost::render::RULES {
        assert!(said.out.lines().any(|line| line.split(' ').next() == Some(rule.name)), "{}\n{}", rule.name, said.out);
    }
    assert!(said.out.contains("en/card_locked/sms.hbs: Your card is locked: {{reason}}."), "{}", said.out);
    assert!(said.out.contains("\\u{202e}") && said.out.is_ascii(), "{}", said.out);
    assert_eq!(told.json()["rules"].as_array().unwrap().len(), otpost::render::RULES.len());
    assert_eq!(run(&["template", "check", "--rules", "x.hbs"]).code, 2);
}
