//! Which locales must be complete, fallback between locales, and drafts.

use std::path::Path;

use super::*;
use crate::render::locale_tag::parents;

fn refusal(settings: &Settings) -> String {
    Renderer::load(settings).err().map(|error| error.to_string()).unwrap_or_default()
}

fn put(dir: &Path, file: &str, text: &str) {
    fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
    fs::write(dir.join(file), text).unwrap();
}

// Everything of `from` in a folder called `to`.
fn copy(dir: &Path, from: &str, to: &str) {
    for kind in Kind::ALL {
        for part in Channel::ALL.into_iter().flat_map(TemplatePart::of) {
            let text = fs::read_to_string(dir.join(from).join(kind.name()).join(part.file())).unwrap();
            put(dir, &format!("{to}/{kind}/{}", part.file()), &text);
        }
    }
    fs::copy(dir.join(from).join("locale.toml"), dir.join(to).join("locale.toml")).unwrap();
}

#[test]
fn every_locale_in_use_must_be_complete_and_all_missing_files_are_reported_at_once() {
    let (dir, settings) = shipped();
    for gone in ["en/otp/email.subject.hbs", "pl/card_locked/sms.hbs", "pl/otp/push.body.hbs"] {
        fs::remove_file(dir.path().join(gone)).unwrap();
    }
    let out = "add them, or list only complete locales in [templates] locales (coverage)";
    let hole =
        |locale: &str, files: &str| format!("\n  {}: missing: {files}; {out}", dir.path().join(locale).display());

    let all = refusal(&settings);
    let two = refusal(&Settings { locales: vec![locale("pl")], ..settings.clone() });
    let one = refusal(&Settings { locales: vec![locale("en")], ..settings.clone() });
    let unknown = refusal(&Settings { locales: vec![locale("sv"), locale("de")], ..settings });

    let both = hole("en", "otp/email.subject.hbs") + &hole("pl", "otp/push.body.hbs, card_locked/sms.hbs");
    assert_eq!(all, format!("2 template errors:{both}"));
    assert_eq!(two, all, "the default locale has to be complete too");
    let english = hole("en", "otp/email.subject.hbs");
    assert_eq!(one, format!("1 template error:{english}"));
    assert!(
        unknown.contains(&english) && unknown.contains("/sv: there are no templates for sv; add them, or list only"),
        "{unknown}"
    );
    assert!(!unknown.contains("/de:"), "{unknown}");
}

#[test]
fn a_region_is_complete_through_its_language() {
    let (dir, settings) = shipped();
    put(dir.path(), "pl-PL/card_unlocked/sms.hbs", "Karta odblokowana.");
    let settings = Settings { locales: vec![locale("PL-pl"), locale("en-GB")], ..settings };

    let renderer = Renderer::load(&settings).unwrap();

    assert_eq!(sms(&renderer, &unlocked(), "pl-PL"), "Karta odblokowana.");
    assert!(sms(&renderer, &unlocked(), "pl").starts_with("Bank Testowy: karta odblokowana"));
    assert_eq!(renderer.locales(), ["en", "pl", "pl-PL"].map(locale).iter().collect::<Vec<_>>());
    let elsewhere = Settings { locales: vec![locale("pl-PL"), locale("sv-FI")], ..settings };
    assert!(refusal(&elsewhere).contains("/sv-FI: there are no templates for sv-FI;"));
}

#[test]
fn a_draft_is_validated_and_neither_rejected_nor_used() {
    let (dir, settings) = shipped();
    put(dir.path(), "sv/card_unlocked/sms.hbs", "{{pan}}");
    put(dir.path(), "sv/card_unlocked/smss.hbs", "Kortet");
    put(dir.path(), "pl-PL/card_unlocked/sms.hbs", "Karta odblokowana.");
    assert!(refusal(&settings).contains("unknown variable pan"));
    let settings = Settings { locales: vec![locale("en"), locale("pl")], ..settings };

    let renderer = Renderer::load(&settings).unwrap();
    let diagnostics = validate_folder(&settings).unwrap();

    assert!(sms(&renderer, &unlocked(), "pl-PL").starts_with("Bank Testowy: karta"), "pl-PL is not listed");
    assert_eq!(renderer.locales(), ["en", "pl"].map(locale).iter().collect::<Vec<_>>());
    let reported: Vec<_> = diagnostics.iter().map(|diagnostic| (diagnostic.rule, diagnostic.is_error)).collect();
    assert_eq!(reported, [("unknown-name", false), ("unknown-file", false)]);
}

#[test]
fn a_tag_falls_back_to_shorter_ones_whatever_its_case() {
    let (dir, settings) = shipped();
    for to in ["zh", "zh-Hant"] {
        copy(dir.path(), "en", to);
        put(dir.path(), &format!("{to}/card_unlocked/sms.hbs"), &format!("in {to}"));
    }
    let renderer = Renderer::load(&settings).unwrap();

    let first_words = ["zh-Hant-TW", "ZH-HANT-tw", "zh-hant", "zh-Hant-x-old", "zh-TW", "zh", "zh-Hans-CN", "ja-JP"]
        .map(|tag| sms(&renderer, &unlocked(), tag).split(':').next().unwrap().to_owned());

    let (hant, zh) = ("in zh-Hant", "in zh");
    assert_eq!(first_words, [hant, hant, hant, hant, zh, zh, zh, "Bank Testowy"]);
    assert_eq!(parents("zh-hant-tw").collect::<Vec<_>>(), ["zh-hant", "zh"]);
    assert_eq!(parents("de-x-old").collect::<Vec<_>>(), ["de"]);
    assert_eq!(parents("de").count(), 0);
}

#[test]
fn a_file_is_validated_in_place_of_the_one_in_the_folder() {
    let (_dir, settings) = shipped();
    let elsewhere = tempfile::tempdir().unwrap();
    put(elsewhere.path(), "pl/otp/sms.hbs", "Kod {{otp}}");
    put(elsewhere.path(), "pl/otp/push.body.hbs", "{{otp}} {{amount}} {{merchant}}");
    let [wrong, right] = ["pl/otp/sms.hbs", "pl/otp/push.body.hbs"].map(|file| elsewhere.path().join(file));

    let both = validate_files(&[wrong.clone(), right.clone()], &settings).unwrap();
    let sound = validate_files(&[right], &settings).unwrap();
    let neither = validate_files(&[elsewhere.path().join("sms.hbs")], &settings);

    assert_eq!(both.iter().map(|it| (&it.path, it.rule)).collect::<Vec<_>>(), [(&wrong, "merchant-shown")]);
    assert_eq!(sound, []);
    assert!(neither.unwrap_err().to_string().contains("<locale>/<kind>/<part>.hbs"));
}
