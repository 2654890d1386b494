//! Versions of templates, and messages rendered from old snapshots.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::money::{Currency, Money};
use crate::render::template::shipped::shipped;

fn settings() -> Settings {
    Settings { brand: "Bank Testowy".to_owned(), ..Settings::default() }
}

fn index(files: &[TemplateFile], settings: &Settings) -> VersionIndex {
    let (locale_settings, diagnostics) = LocaleSettingsIndex::parse(&shipped().locales);
    assert_eq!(diagnostics, []);
    VersionIndex::of(files, &locale_settings, settings)
}

fn find(template_versions: &VersionIndex, key: &str) -> TemplateSnapshot {
    template_versions.all().iter().find(|snapshot| snapshot.key.to_string() == key).unwrap().clone()
}

#[test]
fn each_message_of_each_locale_has_its_own_version_and_the_same_one_each_time() {
    let files = shipped().templates;

    let (one, other) = (index(&files, &settings()), index(&files, &settings()));

    let names: BTreeSet<_> = one.all().iter().map(|snapshot| snapshot.template_version).collect();
    assert_eq!((names.len(), one.all().len()), (270, 270));
    assert_eq!(one.all(), other.all());
}

#[test]
fn everything_that_changes_a_message_changes_its_version_and_no_other() {
    let files = shipped().templates;
    let before = index(&files, &settings());
    let mut edited = files.clone();
    edited.iter_mut().find(|file| file.name() == "pl/otp/push.title.hbs").unwrap().source.push('!');
    let changed = |after: &VersionIndex| -> Vec<String> {
        let differ = |snapshot: &&TemplateSnapshot| !before.all().contains(snapshot);
        after.all().iter().filter(differ).map(|snapshot| snapshot.key.to_string()).collect()
    };

    assert_eq!(changed(&index(&edited, &settings())), ["pl/otp/push"]);
    assert_eq!(changed(&index(&files, &Settings { brand: "B".to_owned(), ..settings() })).len(), 270);
    let mut plain = settings();
    plain.sms.transliterate.retain(|listed| listed.as_str() != "pl");
    let plain = changed(&index(&files, &plain));
    assert!(plain.len() == 9 && plain.iter().all(|key| key.starts_with("pl/") && key.ends_with("/sms")));
    let mut german = shipped().locales;
    german.retain(|file| file.locale().as_str() != "de");
    german.push(LocaleFile::of(&Locale::parse("de").unwrap(), "Laden"));
    let of_merchant = changed(&VersionIndex::of(&files, &LocaleSettingsIndex::parse(&german).0, &settings()));
    assert_eq!(of_merchant, ["de/otp/sms", "de/otp/push", "de/otp/email"]);
    let mut dark = settings();
    dark.mail.background = "#000000".to_owned();
    assert_eq!(changed(&index(&files, &dark)).len(), 90);
}

#[test]
fn text_that_moves_from_one_part_to_another_gives_another_version() {
    let key = TemplateKey { locale: Locale::parse("pl").unwrap(), kind: Kind::Otp, channel: Channel::Push };
    let parts = |title: &str, body: &str| {
        BTreeMap::from([("push.title.hbs".to_owned(), title.to_owned()), ("push.body.hbs".to_owned(), body.to_owned())])
    };

    assert_ne!(version(&key, &parts("ab", "c")), version(&key, &parts("a", "bc")));
}

#[test]
fn the_code_of_a_template_is_masked_and_other_variables_stay() {
    let shown = without_code("{{otp}} {{ otp }} {{~otp~}} {{merchant}} {{#if otpx}}{{otp}}{{/if}} {{otp");

    assert_eq!(shown, "•••••• •••••• •••••• {{merchant}} {{#if otpx}}••••••{{/if}} {{otp");
}

#[test]
fn a_snapshot_of_a_removed_locale_is_rendered_with_a_masked_code() {
    let mut snapshot = find(&index(&shipped().templates, &settings()), "pl/otp/sms");
    snapshot.parts.insert("sms.hbs".to_owned(), "{{otp}} za {{amount}} dla {{merchant}}. {{brand}}".to_owned());
    let money = Money { minor: 1050, currency: Currency::parse("PLN").unwrap() };
    let code = Code::parse("481516".to_owned()).unwrap();
    let content = Content::Otp(Otp { code, money, merchant: "Allegro".to_owned() });
    let until = Timestamp::from_micros(1_769_859_000_000_000).after(Duration::from_mins(5));
    let context = RenderContext { locale: &Locale::parse("en").unwrap(), zone: None, until, transliterate: None };

    let now = Settings { brand: "Another".to_owned(), ..Settings::default() };
    let parts = render_snapshot(&snapshot, &now, content, &context).unwrap();

    let (part, text) = &parts[0];
    assert_eq!((parts.len(), *part), (1, "text"));
    assert!(text.starts_with("•••••• za 10,50") && text.ends_with("dla Allegro. Bank Testowy"), "{text}");
}

#[test]
fn a_snapshot_keeps_the_text_for_a_merchant_without_a_name() {
    let mut snapshot = find(&index(&shipped().templates, &settings()), "pl/otp/sms");
    snapshot.parts.insert(MERCHANT.to_owned(), "sklep".to_owned());
    let money = Money { minor: 1050, currency: Currency::parse("PLN").unwrap() };
    let content =
        || Content::Otp(Otp { code: Code::parse("481516".to_owned()).unwrap(), money, merchant: String::new() });
    let until = Timestamp::from_micros(1_769_859_000_000_000);
    let context = RenderContext { locale: &Locale::parse("pl").unwrap(), zone: None, until, transliterate: None };

    let kept = render_snapshot(&snapshot, &settings(), content(), &context).unwrap();
    snapshot.parts.remove(MERCHANT);
    let older = render_snapshot(&snapshot, &settings(), content(), &context).unwrap();

    assert!(kept[0].1.contains("sklep"), "{kept:?}");
    assert!(older[0].1.contains("the merchant"), "{older:?}");
}
