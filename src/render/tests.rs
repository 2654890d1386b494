//! What the renderer keeps to, whatever the templates say.

mod shipped;

use std::fs;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::notification::{CardLocked, CardUnlocked, Otp};
use crate::domain::secret::Code;

/// 31 January 2026, 11:30 UTC.
const MORNING: Timestamp = Timestamp::from_micros(1_769_859_000_000_000);

fn shipped() -> (tempfile::TempDir, Settings) {
    let dir = tempfile::tempdir().unwrap();
    write_shipped(dir.path()).unwrap();
    let settings = Settings { dir: dir.path().to_owned(), brand: "Bank Testowy".into(), ..Settings::default() };
    (dir, settings)
}

fn renderer() -> Renderer {
    Renderer::load(&shipped().1).unwrap()
}

fn otp(merchant: &str) -> Content {
    let money = Money { minor: 123_450, currency: Currency::parse("PLN").unwrap() };
    Content::Otp(Otp { code: Code::parse("048291".into()).unwrap(), money, merchant: merchant.into() })
}

fn locked(reason: LockReason) -> Content {
    Content::CardLocked(CardLocked { at: MORNING, reason })
}

fn unlocked() -> Content {
    Content::CardUnlocked(CardUnlocked { at: MORNING })
}

fn locale(tag: &str) -> Locale {
    Locale::parse(tag).unwrap()
}

fn parts(message: &Message) -> Vec<&str> {
    match message {
        Message::Sms { text } => vec![text.reveal()],
        Message::Push { title, body } => vec![title.reveal(), body.reveal()],
        Message::Email { subject, text, html } => vec![subject.reveal(), text.reveal(), html.reveal()],
    }
}

fn written(renderer: &Renderer, content: &Content, channel: Channel, tag: &str) -> Vec<String> {
    let message = renderer.render(content, channel, &locale(tag)).unwrap();
    assert_eq!(message.channel(), channel);
    parts(&message).into_iter().map(str::to_owned).collect()
}

fn sms(renderer: &Renderer, content: &Content, tag: &str) -> String {
    written(renderer, content, Channel::Sms, tag).remove(0)
}

#[test]
fn a_suspicion_of_fraud_is_not_told_and_cannot_be_told_apart() {
    let renderer = renderer();
    for channel in Channel::ALL {
        for tag in ["en", "pl"] {
            let suspected = written(&renderer, &locked(LockReason::SuspectedFraud), channel, tag);
            assert_eq!(suspected, written(&renderer, &locked(LockReason::Other), channel, tag));
            assert!(!suspected.concat().contains("fraud") && !suspected.concat().contains("oszust"));
        }
    }
}

#[test]
fn every_shipped_sms_fits_one_segment_of_160() {
    let renderer = renderer();
    let contents = LockReason::ALL.map(locked).into_iter().chain([otp("Allegro Sp. z o.o."), unlocked()]);
    for content in contents {
        for tag in ["en", "pl"] {
            let text = sms(&renderer, &content, tag);
            assert!(text.is_ascii(), "{text}");
            assert!(text.len() <= 160, "{} characters: {text}", text.len());
        }
    }
}

#[test]
fn a_merchants_name_can_neither_link_nor_run_nor_break_the_line() {
    let renderer = renderer();
    let text = sms(&renderer, &otp("{{otp}}\r\nhttps://evil.example +48 600 100 200"), "en");
    assert!(text.contains("to {{otp}} https evil. example +***. Do not"), "{text}");
    assert!(sms(&renderer, &otp(&"W".repeat(5000)), "en").contains(&format!("to {}.... Do", "W".repeat(39))));
    assert!(sms(&renderer, &otp("\u{202e}"), "pl").contains("odbiorca: sprzedawca."));
    let html = written(&renderer, &otp("<script>alert('x')</script>"), Channel::Email, "en").remove(2);
    assert!(html.contains("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") && !html.contains("<script"));
}

#[test]
fn a_code_is_never_in_a_headline() {
    let renderer = renderer();
    for tag in ["en", "pl"] {
        for channel in [Channel::Push, Channel::Email] {
            let texts = written(&renderer, &otp("Allegro"), channel, tag);
            assert!(!texts[0].contains("048291") && !texts[0].contains('\n'));
            assert!(texts[1..].iter().all(|text| text.contains("048291")));
        }
    }
}

#[test]
fn whoever_has_no_text_of_their_own_reads_their_language_or_the_default() {
    let renderer = renderer();
    let start = |tag| sms(&renderer, &otp("Allegro"), tag).split(' ').nth(1).unwrap().to_owned();
    assert_eq!(
        ["pl-PL", "PL-pl", "pl-Latn-PL", "en-GB", "fr", "fr-CA"].map(start),
        ["to", "to", "to", "is", "is", "is"]
    );
    assert_eq!(renderer.locales(), [&locale("en"), &locale("pl")]);
}

#[test]
fn a_locale_that_lacks_a_part_lends_the_whole_message_from_the_next_one() {
    let (dir, settings) = shipped();
    fs::remove_file(dir.path().join("pl/otp/email.subject.hbs")).unwrap();
    let renderer = Renderer::load(&settings).unwrap();
    let mail = written(&renderer, &otp("Allegro"), Channel::Email, "pl");
    assert!(mail[0].ends_with("the code for your payment") && mail[1].starts_with("Your code"));
    assert!(sms(&renderer, &otp("Allegro"), "pl").contains("to kod"));
}

#[test]
fn the_default_locale_has_to_be_complete() {
    let (dir, settings) = shipped();
    fs::remove_file(dir.path().join("en/otp/email.subject.hbs")).unwrap();
    fs::remove_file(dir.path().join("en/card_locked/sms.hbs")).unwrap();
    let error = Renderer::load(&settings).err().unwrap().to_string();
    assert_eq!(error, "the templates of en are not complete: otp/email.subject.hbs, card_locked/sms.hbs missing");
    let elsewhere = Settings { default_locale: locale("de"), ..settings };
    assert!(Renderer::load(&elsewhere).err().unwrap().to_string().contains("otp/sms.hbs"));
}

#[test]
fn a_refused_template_is_named_with_line_and_column() {
    let (dir, settings) = shipped();
    let file = dir.path().join("pl/card_unlocked/sms.hbs");
    fs::write(&file, "Karta\n  {{otp}}").unwrap();
    let error = Renderer::load(&settings).err().unwrap().to_string();
    let expected = "line 2, column 3: there is no otp here; card_unlocked has brand, date";
    assert_eq!(error, format!("{}: {expected}", file.display()));

    fs::write(&file, "x".repeat(4097)).unwrap();
    assert!(Renderer::load(&settings).err().unwrap().to_string().ends_with("is larger than 4096 bytes"));
    fs::write(&file, [0xff]).unwrap();
    assert!(matches!(Renderer::load(&settings), Err(Error::Unreadable { .. })));
    fs::write(&file, "x".repeat(1001)).unwrap();
    let error = Renderer::load(&settings).err().unwrap().to_string();
    assert_eq!(error, "pl/card_unlocked/sms.hbs writes more than 1000 characters");
}

#[test]
fn a_misspelt_template_is_refused_not_ignored() {
    let (dir, settings) = shipped();
    fs::rename(dir.path().join("pl/otp/sms.hbs"), dir.path().join("pl/otp/sm.hbs")).unwrap();
    let error = Renderer::load(&settings).err().unwrap().to_string();
    assert!(error.contains("pl/otp/sm.hbs: no part of a message is called so; there are sms.hbs, "), "{error}");
}

#[test]
fn only_folders_of_languages_are_read() {
    let (dir, settings) = shipped();
    for folder in ["console", "backup old", "pl_PL"] {
        fs::create_dir_all(dir.path().join(folder).join("otp")).unwrap();
        fs::write(dir.path().join(folder).join("otp/sms.hbs"), "{{> broken").unwrap();
    }
    assert_eq!(Renderer::load(&settings).unwrap().locales().len(), 2);
}

#[test]
fn hours_are_told_in_the_zone_of_the_settings() {
    let (_dir, mut settings) = shipped();
    settings.time_zone = "Europe/Warsaw".into();
    let renderer = Renderer::load(&settings).unwrap();
    assert!(sms(&renderer, &unlocked(), "pl").contains("31.01.2026 12:30 CET"));
    settings.time_zone = "Mars/Olympus".into();
    assert!(Renderer::load(&settings).err().unwrap().to_string().starts_with("Mars/Olympus is not a time zone"));
}

#[test]
fn a_brand_is_one_short_line() {
    let (_dir, settings) = shipped();
    for bad in ["", "  ", "a\nb", &"x".repeat(41)] {
        let bad = Settings { brand: bad.into(), ..settings.clone() };
        assert!(matches!(Renderer::load(&bad), Err(Error::Brand)));
    }
}

#[test]
fn writing_out_the_shipped_templates_keeps_what_was_edited() {
    let (dir, _settings) = shipped();
    let file = dir.path().join("en/otp/sms.hbs");
    fs::write(&file, "edited").unwrap();
    write_shipped(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "edited");
}

#[test]
fn a_renderer_can_be_shared_and_says_nothing_of_what_it_wrote() {
    fn shared<T: Send + Sync>() {}
    shared::<Renderer>();
    let message = renderer().render(&otp("Allegro"), Channel::Sms, &locale("en")).unwrap();
    assert_eq!(format!("{message:?}"), "Sms { text: Rendered(..) }");
}
