//! The cost of SMS messages, and how merchant name, code and settings change it.

use super::*;
use crate::render::sms::budget;
use crate::render::sms::segments::{Encoding, SmsSize, count, measure};

fn size(text: &str) -> SmsSize {
    measure(text)
}

fn with_sms(text: &str, change: impl FnOnce(&mut Settings)) -> (tempfile::TempDir, Settings) {
    let (dir, mut settings) = shipped();
    fs::write(dir.path().join("pl/otp/sms.hbs"), text).unwrap();
    change(&mut settings);
    (dir, settings)
}

// Everything but the code in Polish is short enough for it.
fn with_one_segment(settings: &mut Settings) {
    (settings.brand, settings.sms.max_segments) = ("Bank".into(), 1);
    for (tag, kind) in SHIPPED_LOCALES.into_iter().flat_map(|tag| Kind::ALL.map(|kind| (tag, kind))) {
        let short = if kind == Kind::Otp { "{{otp}} {{amount}} {{merchant}}" } else { "{{brand}}" };
        if (tag, kind) != ("pl", Kind::Otp) {
            fs::write(settings.dir.join(format!("{tag}/{kind}/sms.hbs")), short).unwrap();
        }
    }
}

fn refused(settings: &Settings) -> String {
    Renderer::load(settings).err().unwrap().to_string()
}

fn of_budget(settings: &Settings) -> Vec<Diagnostic> {
    let mut diagnostics = validate_folder(settings).unwrap();
    diagnostics.retain(|diagnostic| diagnostic.rule == budget::RULE);
    diagnostics
}

fn in_polish(renderer: &Renderer, merchant: &str) -> String {
    sms(renderer, &otp(merchant), "pl")
}

#[test]
fn every_shipped_sms_is_within_the_budget_with_any_merchant_and_with_the_longest_brand() {
    let (_dir, mut settings) = shipped();
    (settings.time_zone, settings.reveal_fraud_reason) = ("Europe/Warsaw".into(), true);
    let usual = of_budget(&settings);
    settings.brand = "W".repeat(BRAND_MAX);
    let with_a_long_brand = of_budget(&settings);

    assert_eq!(usual, []);
    assert!(with_a_long_brand.iter().all(|diagnostic| !diagnostic.is_error), "{with_a_long_brand:#?}");
}

#[test]
fn a_template_that_may_need_more_segments_is_rejected_with_the_reason() {
    let long = "{{otp}} {{amount}} {{merchant}} ".to_owned() + &"ę–".repeat(90);
    let (_dir, mut settings) = with_sms(&long, |settings| settings.sms.transliterate.clear());

    let message = refused(&settings);
    settings.sms.max_segments = 4;
    let taken = Renderer::load(&settings);

    assert!(message.contains("pl/otp/sms.hbs: with the longest values it needs 4 segments ("), "{message}");
    let forcing = "in UCS-2); max_segments is 3; outside GSM 03.38: ę (U+0119), – (U+2013); replace them, or list the locale in transliterate";
    assert!(message.contains(forcing), "{message}");
    assert!(taken.is_ok());

    settings.sms = SmsSettings { max_segments: 3, transliterate: vec![locale("pl")] };
    assert!(Renderer::load(&settings).is_ok());
    settings.sms.max_segments = 0;
    assert_eq!(refused(&settings), "templates.sms.max_segments: must be 1 or more");
}

#[test]
fn a_merchant_name_that_may_exceed_the_budget_is_a_warning() {
    let (_dir, settings) = with_sms("{{otp}} {{amount}} {{merchant}}. Nie podawaj go nikomu.", with_one_segment);

    let diagnostics = of_budget(&settings);

    let of_code = diagnostics.iter().find(|diagnostic| diagnostic.path.ends_with("pl/otp/sms.hbs")).unwrap();
    assert_eq!((of_code.rule, of_code.is_error), (budget::RULE, false));
    assert_eq!(of_code.message, "with a merchant name outside GSM 03.38 it needs 2 segments");
}

#[test]
fn a_merchant_name_is_shortened_until_the_text_fits_and_never_below_eight_characters() {
    let padding = "x".repeat(90);
    let text = format!("{{{{otp}}}} {{{{amount}}}} {{{{merchant}}}} {padding}");
    let (_dir, settings) = with_sms(&text, with_one_segment);

    let renderer = Renderer::load(&settings).unwrap();
    let fits = in_polish(&renderer, "A shop whose name has forty characters..");
    let long = in_polish(&renderer, &"W".repeat(200));
    let mixed = in_polish(&renderer, "Żółty Łoś z Łodzi, ulica Długa");
    let flags = in_polish(&renderer, &"🇵🇱".repeat(40));
    let floods = in_polish(&renderer, &"क्".repeat(200));

    assert_eq!(fits, format!("048291 1234,50 PLN A shop whose name has forty characters.. {padding}"));
    assert_eq!(long, format!("048291 1234,50 PLN {}... {padding}", "W".repeat(39)));
    assert_eq!(mixed, format!("048291 1234,50 PLN Zolty Los z Lodzi, ulica Dluga {padding}"));
    assert_eq!(flags, format!("048291 1234,50 PLN {}... {padding}", "🇵🇱".repeat(8)));
    assert!(size(&floods).units < 160, "{floods}");
    for text in [fits, long, mixed] {
        assert_eq!(size(&text).segments, 1, "{text}");
    }
}

#[test]
fn letters_are_replaced_where_the_locale_or_the_provider_says_so() {
    let text = "Kod {{otp}}: płatność {{amount}} – „{{merchant}}”. Ważny do {{until}}.";
    let (_dir, mut settings) = with_sms(text, |settings| settings.sms.transliterate.clear());
    let said = |settings: &Settings, merchant: &str, transliterate| {
        let (renderer, tag) = (Renderer::load(settings).unwrap(), locale("pl"));
        let message =
            renderer.render(&otp(merchant), Channel::Sms, &RenderContext { transliterate, ..context(&tag) }).unwrap();
        parts(&message.message)[0].to_owned()
    };

    let usual = said(&settings, "Żabka", None);
    let asked = said(&settings, "Żabka", Some(true));
    settings.sms = SmsSettings::default();
    let set = said(&settings, "Żabka", None);
    let denied = said(&settings, "Żabka", Some(false));
    let in_vain = said(&settings, "Кав'ярня", None);

    let plain = "Kod 048291: platnosc 1234,50 PLN - \"Zabka\". Wazny do 11:35 UTC.";
    assert_eq!([asked.as_str(), set.as_str()], [plain; 2]);
    assert_eq!((usual.as_str(), size(&usual).encoding), (denied.as_str(), Encoding::Ucs2));
    assert!(usual.contains("płatność 1234,50 PLN – „Żabka”"), "{usual}");
    assert!(in_vain.contains("płatność 1234,50 PLN – „Кав'ярня”"), "{in_vain}");
}

#[test]
fn czech_polish_and_romanian_are_replaced_by_default_with_their_regions_and_no_other_language() {
    let settings = Settings::default().sms;
    let replaced = |tag| settings.transliterates(&locale(tag));

    assert!(["cs", "pl", "ro", "pl-PL", "RO-md", "cs-CZ"].into_iter().all(replaced));
    assert!(!["de", "fr", "hu", "sk", "pt", "ar"].into_iter().any(replaced));
}

// The files are written as the language is; what a phone shows is what it showed when they were not.
#[test]
fn the_templates_of_czech_polish_and_romanian_have_their_accents_and_the_messages_have_none() {
    let (_dir, settings) = shipped();
    let renderer = Renderer::load(&settings).unwrap();
    for tag in ["cs", "pl", "ro"] {
        for kind in Kind::ALL {
            let source = fs::read_to_string(settings.dir.join(format!("{tag}/{kind}/sms.hbs"))).unwrap();
            assert!(!source.is_ascii(), "{tag}/{kind}: {source}");
            for (about, content) in snapshots::cases(kind) {
                let text = sms(&renderer, &content, tag);
                assert!(text.is_ascii(), "{tag}/{kind}, {about}: {text}");
            }
        }
    }
}

#[test]
fn an_otp_ends_with_the_lines_for_phones_and_no_other_news_does() {
    let (_dir, mut settings) = shipped();
    settings.autofill = AutofillSettings { app_hash: "FA+9qCX9VSu".into(), domain: "pay.bank.example".into() };
    let renderer = Renderer::load(&settings).unwrap();

    let text = sms(&renderer, &otp("Allegro"), "pl");
    let news = sms(&renderer, &unlocked(), "pl");
    let push = rendered(&renderer, &otp("Allegro"), Channel::Push, "pl");

    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[1..], ["FA+9qCX9VSu", "@pay.bank.example #048291"]);
    assert_eq!((news.lines().count(), push[1].lines().count()), (1, 1));
    settings.autofill.domain = "https://pay.bank.example".into();
    assert!(refused(&settings).starts_with("templates.autofill.domain: must be an ASCII host name"));
}

#[test]
fn the_lines_for_phones_count_in_the_budget() {
    let text = format!("{{{{otp}}}} {{{{amount}}}} {{{{merchant}}}} {}", "x".repeat(410));
    let (_dir, mut settings) = with_sms(&text, |_| {});
    assert!(Renderer::load(&settings).is_ok());

    settings.autofill = AutofillSettings { app_hash: "FA+9qCX9VSu".into(), domain: "pay.bank.example".into() };

    assert!(refused(&settings).contains("it needs 4 segments"));
}

#[test]
fn what_recipients_are_shown_of_a_text_is_what_it_costs() {
    let unchanged = |settings: &mut Settings| settings.sms.transliterate.clear();
    let (_dir, settings) = with_sms("Kod {{otp}}: {{amount}}, {{merchant}} ł", unchanged);
    fs::write(settings.dir.join("de/otp/sms.hbs"), "{{#if").unwrap();
    fs::write(settings.dir.join("pl/card_locked/sms.hbs"), "{{otp}}").unwrap();
    let open = |tag| Previews::open(&settings, Kind::Otp, &locale(tag));

    let [typical, longest] = open("pl-PL").unwrap().samples(Channel::Sms, None, MORNING).unwrap();
    let [nearest, _] = open("pl").unwrap().samples(Channel::Sms, Some(true), MORNING).unwrap();

    assert_eq!((typical.locale.as_str(), typical.parts[0].0), ("pl", "sms"));
    assert_eq!(typical.parts[0].1, "Kod 012345: 49,90 €, Example Shop ł");
    assert_eq!(typical.cost, Some(count(&typical.parts[0].1)));
    assert!(longest.cost.unwrap().size.units > 60 && longest.parts[0].1.contains("0000000000"));
    assert_eq!(nearest.parts[0].1, "Kod 012345: 49,90 €, Example Shop l");
    assert!(open("de").err().unwrap().to_string().contains("de/otp/sms.hbs:1:1: "));
    assert_eq!(
        open("sv").err().unwrap().to_string(),
        "no templates for sv; locales with templates: ar, cs, de, en, es, fr, it, pl, ro, uk"
    );
}
