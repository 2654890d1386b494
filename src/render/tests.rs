//! What the renderer guarantees, whatever the templates say.

mod coverage;
mod hostile;
mod mail;
mod malformed;
mod new_locale;
mod rejected;
mod sms;
mod snapshots;

use std::fs;
use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{
    CardLocked, CardUnlocked, LockChange, LockHolder, LockReason, Otp, RejectionReason, Transaction, TransactionResult,
    TransactionalLock, TransactionalLockReason, Verification, VerificationStatus,
};
use crate::domain::secret::Code;

/// The locales with shipped templates, in order.
const SHIPPED_LOCALES: [&str; 10] = ["ar", "cs", "de", "en", "es", "fr", "it", "pl", "ro", "uk"];

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

fn checked(status: VerificationStatus, first_name: &str) -> Content {
    Content::Verification(Verification { reference: String::new(), status, first_name: first_name.into(), email: None })
}

fn held(change: LockChange, reason: TransactionalLockReason, holder: LockHolder) -> Content {
    Content::TransactionalLock(TransactionalLock { change, at: MORNING, reason, holder })
}

fn paid(result: TransactionResult, incoming: bool, merchant: &str, last_four: &str) -> Content {
    Content::Transaction(Transaction {
        reference: "1".into(),
        money: Money { minor: 123_450, currency: Currency::parse("PLN").unwrap() },
        result,
        incoming,
        merchant: merchant.into(),
        last_four: last_four.into(),
    })
}

// The same for nothing: the shop only asks whether the card is good.
fn for_nothing(mut content: Content) -> Content {
    match &mut content {
        Content::Otp(otp) => otp.money.minor = 0,
        Content::Transaction(payment) => payment.money.minor = 0,
        Content::CardLocked(_)
        | Content::CardUnlocked(_)
        | Content::Verification(_)
        | Content::TransactionalLock(_) => {}
    }
    content
}

fn revealing() -> Renderer {
    let (_dir, settings) = shipped();
    Renderer::load(&Settings { reveal_fraud_reason: true, ..settings }).unwrap()
}

fn locale(tag: &str) -> Locale {
    Locale::parse(tag).unwrap()
}

fn context(locale: &Locale) -> RenderContext<'_> {
    RenderContext { locale, zone: None, until: MORNING.after(Duration::from_mins(5)), transliterate: None }
}

fn parts(message: &RenderedMessage) -> Vec<&str> {
    match message {
        RenderedMessage::Sms { text } => vec![text.reveal()],
        RenderedMessage::Push { title, body } => vec![title.reveal(), body.reveal()],
        RenderedMessage::Email { subject, text, html, .. } => vec![subject.reveal(), text.reveal(), html.reveal()],
    }
}

fn rendered(renderer: &Renderer, content: &Content, channel: Channel, tag: &str) -> Vec<String> {
    let message = renderer.render(content, channel, &context(&locale(tag))).unwrap().message;
    assert_eq!(message.channel(), channel);
    parts(&message).into_iter().map(str::to_owned).collect()
}

fn sms(renderer: &Renderer, content: &Content, tag: &str) -> String {
    rendered(renderer, content, Channel::Sms, tag).remove(0)
}

#[test]
fn a_suspicion_of_fraud_is_not_shown_and_cannot_be_distinguished() {
    let renderer = renderer();
    for channel in Channel::ALL {
        for tag in ["en", "pl"] {
            let suspected = rendered(&renderer, &locked(LockReason::SuspectedFraud), channel, tag);
            assert_eq!(suspected, rendered(&renderer, &locked(LockReason::Other), channel, tag));
            assert!(!suspected.concat().contains("fraud") && !suspected.concat().contains("oszust"));
            for (change, holder) in [LockChange::Added, LockChange::Removed]
                .map(|c| [(c, LockHolder::User), (c, LockHolder::Corporation)])
                .concat()
            {
                let told = |reason| rendered(&renderer, &held(change, reason, holder), channel, tag);
                assert_eq!(told(TransactionalLockReason::FraudSuspected), told(TransactionalLockReason::Other));
            }
        }
    }
}

#[test]
fn a_template_sees_no_fraud_reason_unless_the_settings_reveal_it() {
    let (dir, settings) = shipped();
    let asking = "Held{{#if (eq reason \"fraud_suspected\")}} for fraud{{/if}}";
    fs::write(dir.path().join("en/transactional_lock_added/sms.hbs"), asking).unwrap();
    fs::write(dir.path().join("en/card_locked/sms.hbs"), asking.replace("fraud_suspected", "suspected_fraud")).unwrap();
    let suspected = held(LockChange::Added, TransactionalLockReason::FraudSuspected, LockHolder::User);

    for (reveal, told) in [(false, "Held"), (true, "Held for fraud")] {
        let renderer = Renderer::load(&Settings { reveal_fraud_reason: reveal, ..settings.clone() }).unwrap();
        assert_eq!(sms(&renderer, &suspected, "en"), told);
        assert_eq!(sms(&renderer, &locked(LockReason::SuspectedFraud), "en"), told);
    }
}

#[test]
fn every_shipped_sms_fits_one_segment_or_two_in_arabic_and_cyrillic() {
    // The longest month and the longest name of a zone that a European bank has.
    let late = Timestamp::from_micros(1_790_764_200_000_000);
    let (_dir, mut settings) = shipped();
    (settings.time_zone, settings.reveal_fraud_reason) = ("Europe/Warsaw".into(), true);
    let renderer = Renderer::load(&settings).unwrap();
    let cases = Kind::ALL.into_iter().flat_map(snapshots::cases).filter(|(about, _)| !about.contains("a long"));
    for (about, mut content) in cases {
        match &mut content {
            Content::CardLocked(lock) => lock.at = late,
            Content::CardUnlocked(unlock) => unlock.at = late,
            Content::TransactionalLock(lock) => lock.at = late,
            Content::Otp(_) | Content::Verification(_) | Content::Transaction(_) => {}
        }
        for tag in SHIPPED_LOCALES {
            let text = sms(&renderer, &content, tag);
            // Letters that GSM 03.38 has, and has in one place.
            let gsm = |c: char| "àéèìòùñöüäßÄÖÜÑÉ".contains(c) || (c.is_ascii() && !"^{}[]~\\|`".contains(c));
            let room = if ["ar", "uk"].contains(&tag) { 2 * 67 } else { 160 };
            assert!(room < 160 || text.chars().all(gsm), "{tag}, {about}: {text}");
            let length = text.chars().count();
            assert!(length <= room, "{tag}, {about}: {length} characters: {text}");
        }
    }
}

#[test]
fn no_payer_is_asked_to_confirm_a_payment_of_zero() {
    let renderer = renderer();
    for tag in SHIPPED_LOCALES {
        for channel in Channel::ALL {
            let paid = rendered(&renderer, &otp("Allegro"), channel, tag);
            let free = rendered(&renderer, &for_nothing(otp("Allegro")), channel, tag);
            for (paid, free) in paid.iter().zip(&free).filter(|(paid, _)| !paid.starts_with('<')) {
                let words = |text: &str| text.replace(|c: char| c.is_numeric() || ".,\u{a0} ".contains(c), "");
                assert_ne!(words(paid), words(free), "{tag}");
            }
        }
    }
}

#[test]
fn a_merchant_without_a_name_is_marked_as_such() {
    let renderer = renderer();
    let said = |merchant| rendered(&renderer, &otp(merchant), Channel::Email, "en").remove(1);
    assert!(said("\u{202e}").contains("\nTo: the merchant (name not given)\n"));
    assert!(said("the merchant").contains("\nTo: the merchant\n"));
}

#[test]
fn values_are_isolated_in_right_to_left_text_but_the_code_can_be_copied() {
    let renderer = renderer();
    let marks = |text: &str| text.contains(['\u{200e}', '\u{200f}', '\u{61c}', '\u{2068}', '\u{2069}']);

    let push = rendered(&renderer, &otp("Allegro S.A."), Channel::Push, "ar").remove(1);
    let mail =
        rendered(&renderer, &paid(TransactionResult::Cleared, false, "Allegro", ""), Channel::Email, "ar").remove(1);
    let short = sms(&renderer, &otp("Allegro S.A."), "ar");

    assert!(push.contains(": 048291\n") && push.contains("\u{2068}Allegro S. A.\u{2069}"), "{push}");
    assert!(mail.contains("\u{2068}\u{200f}1,234.50\u{a0}PLN\u{2069}."), "{mail}");
    assert!(short.contains("1,234.50 PLN") && !marks(&short), "{short}");
    assert!(!marks(&rendered(&renderer, &otp("Allegro"), Channel::Email, "pl").concat()));
}

#[test]
fn every_reason_has_its_own_text_and_an_unknown_one_has_none() {
    let renderer = revealing();
    for tag in SHIPPED_LOCALES {
        let texts: std::collections::BTreeSet<_> =
            LockReason::ALL.iter().map(|reason| sms(&renderer, &locked(*reason), tag)).collect();
        assert_eq!(texts.len(), LockReason::ALL.len(), "{texts:#?}");
    }
    assert!(sms(&renderer, &locked(LockReason::Other), "en").contains("11:30 UTC. Contact us"));
    assert!(sms(&renderer, &locked(LockReason::SuspectedFraud), "en").contains("because we suspect fraud"));
}

#[test]
fn foreign_text_in_a_mail_is_text_whatever_it_looks_like() {
    let renderer = renderer();
    let cut = format!("{}…", "x".repeat(39));
    for (words, shown) in [
        ("<b>Al</b>", "&lt;b&gt;Al&lt;/b&gt;"),
        ("a\" onload=\"x", "a&quot; onload=&quot;x"),
        ("\u{202e}alA", "alA"),
        ("דוד", "דוד"),
        ("Ala 🙂", "Ala 🙂"),
        (&"x".repeat(1000), &cut),
        ("{{otp}}", "{{otp}}"),
        ("{{{brand}}}", "{{{brand}}}"),
        ("&amp;", "&amp;amp;"),
        ("https://evil.example/x", "https evil. example/x"),
        ("www.evil.example", "www. evil. example"),
        ("ala@evil.example", "ala@ evil. example"),
        ("+48 600 100 200 Ala", "*** Ala"),
    ] {
        let greeted = rendered(&renderer, &checked(VerificationStatus::Accepted, words), Channel::Email, "en");
        assert!(greeted[2].contains(&format!(">Hello <bdi>{shown}</bdi>,</p>")), "{words:?}: {}", greeted[2]);
        for tag in ["en", "pl"] {
            let told = rendered(&renderer, &paid(TransactionResult::Cleared, false, words, ""), Channel::Email, tag);
            assert!(told[2].contains(&format!(": <strong><bdi>{shown}</bdi></strong></p>")), "{words:?}: {}", told[2]);
            let plain = rendered(&renderer, &paid(TransactionResult::Cleared, false, "Ala", ""), Channel::Email, tag);
            assert_eq!(told[2].matches('<').count(), plain[2].matches('<').count(), "{}", told[2]);
        }
    }
}

#[test]
fn a_merchant_name_can_neither_link_nor_run_nor_break_the_line() {
    let renderer = renderer();
    let text = sms(&renderer, &otp("{{otp}}\r\nhttps://evil.example +48 600 100 200"), "en");
    assert!(text.contains("to {{otp}} https evil. example ***, valid until"), "{text}");
    assert!(sms(&renderer, &otp(&"W".repeat(5000)), "en").contains(&format!("to {}..., valid", "W".repeat(39))));
    assert!(sms(&renderer, &otp("\u{202e}"), "pl").contains("(odbiorca: sprzedawca)"));
    let html = rendered(&renderer, &otp("<script>alert('x')</script>"), Channel::Email, "en").remove(2);
    assert!(html.contains("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") && !html.contains("<script"));
}

#[test]
fn a_code_is_never_in_a_headline() {
    let renderer = renderer();
    for tag in ["en", "pl"] {
        for channel in [Channel::Push, Channel::Email] {
            let texts = rendered(&renderer, &otp("Allegro"), channel, tag);
            assert!(!texts[0].contains("048291") && !texts[0].contains('\n'));
            assert!(texts[1..].iter().all(|text| text.contains("048291")));
        }
    }
}

#[test]
fn a_locale_without_templates_falls_back_to_its_language_or_the_default() {
    let renderer = renderer();
    let start = |tag| sms(&renderer, &otp("Allegro"), tag).split(' ').nth(1).unwrap().to_owned();
    assert_eq!(
        ["pl-PL", "PL-pl", "pl-Latn-PL", "en-GB", "sv", "sv-FI"].map(start),
        ["to", "to", "to", "is", "is", "is"]
    );
    assert_eq!(renderer.locales(), SHIPPED_LOCALES.map(locale).iter().collect::<Vec<_>>());
}

#[test]
fn a_locale_that_lacks_a_part_takes_the_whole_message_from_the_next_one() {
    let (dir, settings) = shipped();
    fs::create_dir_all(dir.path().join("pl-PL/otp")).unwrap();
    for (file, text) in
        [("sms", "{{otp}} {{amount}} {{merchant}}"), ("email.text", "Tu: {{otp}} {{amount}} {{merchant}}")]
    {
        fs::write(dir.path().join(format!("pl-PL/otp/{file}.hbs")), text).unwrap();
    }

    let renderer = Renderer::load(&settings).unwrap();

    let mail = rendered(&renderer, &otp("Allegro"), Channel::Email, "pl-PL");
    assert!(mail[0].ends_with("kod do potwierdzenia płatności") && mail[1].starts_with("Kod: 048291"));
    assert_eq!(sms(&renderer, &otp("Allegro"), "pl-PL"), "048291 1234,50 PLN Allegro");
    assert!(sms(&renderer, &otp("Allegro"), "pl").contains("to kod"));
}

#[test]
fn only_folders_of_languages_are_loaded() {
    let (dir, settings) = shipped();
    for folder in ["console", "backup old", "pl_PL"] {
        fs::create_dir_all(dir.path().join(folder).join("otp")).unwrap();
        fs::write(dir.path().join(folder).join("otp/sms.hbs"), "{{> broken").unwrap();
    }
    assert_eq!(Renderer::load(&settings).unwrap().locales().len(), SHIPPED_LOCALES.len());
}

#[test]
fn times_are_in_the_zone_of_the_settings() {
    let (_dir, mut settings) = shipped();
    settings.time_zone = "Europe/Warsaw".into();
    let renderer = Renderer::load(&settings).unwrap();
    assert!(sms(&renderer, &unlocked(), "pl").contains("31.01.2026, 12:30 CET"));
    settings.time_zone = "Mars/Olympus".into();
    assert!(
        Renderer::load(&settings)
            .err()
            .unwrap()
            .to_string()
            .starts_with("templates.time_zone: Mars/Olympus is not a time zone")
    );
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
fn a_renderer_can_be_shared_and_a_rendered_message_hides_its_text() {
    fn shared<T: Send + Sync>() {}
    shared::<Renderer>();
    let message = renderer().render(&otp("Allegro"), Channel::Sms, &context(&locale("en"))).unwrap().message;
    assert_eq!(format!("{message:?}"), "Sms { text: RenderedText(..) }");
}
