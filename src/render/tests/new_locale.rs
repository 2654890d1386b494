//! A language that this program has never heard of is added as files, and nothing else.

use super::*;
use crate::render::template::locale_file::LocaleSettingsIndex;

// Swedish: `locale.toml`, and every template with the same short text.
fn with_swedish() -> (tempfile::TempDir, Settings) {
    let (dir, settings) = shipped();
    for kind in Kind::ALL {
        fs::create_dir_all(dir.path().join("sv").join(kind.name())).unwrap();
        for part in Channel::ALL.into_iter().flat_map(TemplatePart::of) {
            let text = match (kind, part.is_headline()) {
                (Kind::Otp, false) => "Kod {{otp}} till {{merchant}}: {{amount}}",
                _ => "Ditt kort",
            };
            fs::write(dir.path().join("sv").join(kind.name()).join(part.file()), text).unwrap();
        }
    }
    locale_file(dir.path(), "merchant = \"butiken\"\nfraud_words = [\"bedrägeri\"]\n");
    (dir, settings)
}

fn locale_file(dir: &std::path::Path, source: &str) {
    fs::write(dir.join("sv/locale.toml"), source).unwrap();
}

fn messages(settings: &Settings) -> Vec<String> {
    let in_file = |it: Diagnostic| format!("{}:{:?} {}", it.path.file_name().unwrap().display(), it.at, it.message);
    validate_folder(settings).unwrap().into_iter().map(in_file).collect()
}

#[test]
fn a_new_language_is_rendered_in_its_own_words() {
    let (_dir, settings) = with_swedish();

    let renderer = Renderer::load(&settings).unwrap();

    assert_eq!(sms(&renderer, &otp("Allegro"), "sv-FI"), "Kod 048291 till Allegro: 1 234,50 PLN");
    assert_eq!(sms(&renderer, &otp(""), "sv"), "Kod 048291 till butiken: 1 234,50 PLN");
    assert!(sms(&renderer, &otp(""), "fr").contains("le vendeur"));
    let mail = rendered(&renderer, &otp(""), Channel::Email, "sv");
    assert!(mail[2].contains("lang=\"sv\"") && mail[2].contains("butiken"), "{}", mail[2]);
}

#[test]
fn the_fraud_words_of_a_new_language_are_found() {
    let (dir, settings) = with_swedish();
    fs::write(dir.path().join("sv/card_locked/sms.hbs"), "Misstänkt BEDRAGERI").unwrap();

    let found = validate_folder(&settings).unwrap();

    assert_eq!(found.iter().map(|it| (it.rule, it.at)).collect::<Vec<_>>(), [("fraud-mentioned", Some((1, 11)))]);
}

#[test]
fn the_text_for_a_merchant_without_a_name_is_part_of_the_template_version() {
    let (dir, settings) = with_swedish();
    let version = || {
        let renderer = Renderer::load(&settings).unwrap();
        let swedish = locale("sv");
        renderer.render(&otp("Allegro"), Channel::Sms, &context(&swedish)).unwrap().template_version
    };
    let before = version();

    locale_file(dir.path(), "merchant = \"affären\"\nfraud_words = []\n");

    assert_ne!(version(), before);
}

#[test]
fn a_locale_without_a_locale_file_uses_that_of_a_shorter_tag_or_is_incomplete() {
    let (dir, settings) = with_swedish();
    fs::rename(dir.path().join("sv"), dir.path().join("sv-FI")).unwrap();
    fs::create_dir(dir.path().join("sv")).unwrap();
    fs::rename(dir.path().join("sv-FI/locale.toml"), dir.path().join("sv/locale.toml")).unwrap();
    let settings = Settings { locales: vec![locale("sv-FI")], ..settings };
    let renderer = Renderer::load(&settings).unwrap();
    assert!(sms(&renderer, &otp(""), "sv-FI").contains("butiken"));

    fs::remove_file(dir.path().join("sv/locale.toml")).unwrap();

    assert!(
        messages(&settings)[0].starts_with("sv-FI:None missing: locale.toml; add them"),
        "{:?}",
        messages(&settings)
    );
}

#[test]
fn an_invalid_locale_file_is_reported_with_its_position() {
    let found = |source: &str| {
        let file = LocaleFile { source: source.to_owned(), ..LocaleFile::of(&locale("sv"), "x") };
        let (_, diagnostics) = LocaleSettingsIndex::parse(&[file]);
        assert_eq!(diagnostics.len(), 1, "{source:?}: {diagnostics:#?}");
        (diagnostics[0].at, diagnostics[0].message.clone())
    };
    for (source, at, expected) in [
        ("merchant = ", (1, 12), "not valid TOML: "),
        ("merchant = \"\"\nfraud_words = []", (1, 12), "merchant: must be one line"),
        ("fraud_words = []\nmerchant = \"a.b/c\"", (2, 12), "merchant: must be one line"),
        ("merchant = \"x\"", (1, 1), "fraud_words: must be a list"),
        ("merchant = \"x\"\nfraud_words = [\"a b\"]", (2, 15), "fraud_words: must be a list"),
        ("merchant = \"x\"\nfraud_words = []\nshop = 1", (3, 1), "unknown key shop; known keys: merchant"),
    ] {
        let (found_at, message) = found(source);
        assert!(found_at == Some(at) && message.starts_with(expected), "{source:?}: {found_at:?} {message}");
    }
    assert_eq!(found(&" ".repeat(4097)), (Some((1, 4097)), "larger than 4096 bytes: shorten it".to_owned()));
}

#[test]
fn a_misspelt_locale_file_is_reported() {
    let (dir, settings) = with_swedish();
    fs::write(dir.path().join("sv/local.toml"), "").unwrap();

    let found = messages(&settings);

    assert_eq!(
        found,
        ["local.toml:None unknown file name; known names: locale.toml, dossier.toml: rename or remove it"]
    );
}

#[test]
fn a_locale_file_is_validated_before_it_is_put_in_place() {
    let (_dir, settings) = with_swedish();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("sv")).unwrap();
    let file = elsewhere.path().join("sv/locale.toml");
    fs::write(&file, "merchant = 1").unwrap();

    let found = validate_files(std::slice::from_ref(&file), &settings).unwrap();

    assert!(found.len() == 2 && found.iter().all(|it| it.path == file && it.rule == "locale-file"), "{found:#?}");
}
