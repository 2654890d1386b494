//! That words have one name each, and that old words can still be read.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::template::loader::{Shipped, Source};
use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::money::{Currency, Money};

fn settings() -> Settings {
    Settings { brand: "Bank Testowy".to_owned(), ..Settings::default() }
}

fn find(template_versions: &VersionIndex, topic: &str) -> TemplateSnapshot {
    template_versions.all().iter().find(|words| words.topic.to_string() == topic).unwrap().clone()
}

#[test]
fn each_message_of_each_language_has_words_of_its_own_and_the_same_ones_each_time() {
    let files = Shipped.files().unwrap().all;

    let (one, other) = (VersionIndex::of(&files, &settings()), VersionIndex::of(&files, &settings()));

    let names: BTreeSet<_> = one.all().iter().map(|words| words.template_version).collect();
    assert_eq!((names.len(), one.all().len()), (270, 270));
    assert_eq!(one.all(), other.all());
}

#[test]
fn whatever_decides_how_a_message_reads_changes_its_name_and_no_other() {
    let files = Shipped.files().unwrap().all;
    let before = VersionIndex::of(&files, &settings());
    let mut edited = files.clone();
    edited.iter_mut().find(|file| file.path() == "pl/otp/push.title.hbs").unwrap().source.push('!');
    let changed = |after: &VersionIndex| -> Vec<String> {
        let differ = |words: &&TemplateSnapshot| !before.all().contains(words);
        after.all().iter().filter(differ).map(|words| words.topic.to_string()).collect()
    };

    assert_eq!(changed(&VersionIndex::of(&edited, &settings())), ["pl/otp/push"]);
    assert_eq!(changed(&VersionIndex::of(&files, &Settings { brand: "B".to_owned(), ..settings() })).len(), 270);
    let mut plain = settings();
    plain.sms.transliterate = vec![Locale::parse("PL").unwrap()];
    let plain = changed(&VersionIndex::of(&files, &plain));
    assert!(plain.len() == 9 && plain.iter().all(|topic| topic.starts_with("pl/") && topic.ends_with("/sms")));
    let mut dark = settings();
    dark.mail.background = "#000000".to_owned();
    assert_eq!(changed(&VersionIndex::of(&files, &dark)).len(), 90);
}

#[test]
fn a_text_that_moves_from_one_part_to_the_next_is_another_template_version() {
    let topic = TemplateKey { locale: Locale::parse("pl").unwrap(), kind: Kind::Otp, channel: Channel::Push };
    let parts = |title: &str, body: &str| {
        BTreeMap::from([("push.title.hbs".to_owned(), title.to_owned()), ("push.body.hbs".to_owned(), body.to_owned())])
    };

    assert_ne!(name(&topic, &parts("ab", "c")), name(&topic, &parts("a", "bc")));
}

#[test]
fn the_place_of_a_code_is_marked_and_other_names_stay() {
    let shown = without_code("{{otp}} {{ otp }} {{~otp~}} {{merchant}} {{#if otpx}}{{otp}}{{/if}} {{otp");

    assert_eq!(shown, "•••••• •••••• •••••• {{merchant}} {{#if otpx}}••••••{{/if}} {{otp");
}

#[test]
fn words_of_a_language_that_is_gone_are_filled_in_again_and_the_code_is_masked() {
    let mut words = find(&VersionIndex::of(&Shipped.files().unwrap().all, &settings()), "pl/otp/sms");
    words.parts.insert("sms.hbs".to_owned(), "{{otp}} za {{amount}} dla {{merchant}}. {{brand}}".to_owned());
    let money = Money { minor: 1050, currency: Currency::parse("PLN").unwrap() };
    let code = Code::parse("481516".to_owned()).unwrap();
    let content = Content::Otp(Otp { code, money, merchant: "Allegro".to_owned() });
    let until = Timestamp::from_micros(1_769_859_000_000_000).after(Duration::from_mins(5));
    let context = RenderContext { locale: &Locale::parse("en").unwrap(), zone: None, until, transliterate: None };

    let now = Settings { brand: "Another".to_owned(), ..Settings::default() };
    let parts = filled(&words, &now, content, &context).unwrap();

    let (part, text) = &parts[0];
    assert_eq!((parts.len(), *part), (1, "text"));
    assert!(text.starts_with("•••••• za 10,50") && text.ends_with("dla Allegro. Bank Testowy"), "{text}");
}
