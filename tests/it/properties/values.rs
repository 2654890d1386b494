//! Contacts, locales and currencies: an accepted value is what it claims to be, and it is displayed masked.

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::money::Currency;
use otpost::domain::recipient::Locale;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::cases;

#[test]
fn a_contact_is_kept_as_written_and_displayed_masked() {
    let text = prop_oneof![
        "\\+[1-9][0-9]{5,16}",
        "[a-z0-9._+-]{1,70}@([a-z0-9-]{0,64}\\.){0,4}[a-z]{0,10}",
        "\"[ -~]{0,12}\"@[a-z]{1,4}\\.[a-z]{2}",
        "[!-~]{1,80}",
        "\\PC{0,60}",
    ];
    let tried = TestRunner::new(cases(1000)).run(&(select(Channel::ALL.to_vec()), text), |(channel, text)| {
        let Ok(address) = Contact::parse(channel, &text) else { return Ok(()) };

        prop_assert_eq!(address.expose(), &text);
        prop_assert_eq!(address.channel(), channel);
        prop_assert!(!text.chars().any(char::is_control) && text.len() <= 4096);
        let shown = format!("{address} {address:?}");
        prop_assert!(text.chars().count() < 8 || !shown.contains(&text), "{} shows {}", shown, text);
        match channel {
            Channel::Sms => prop_assert!(text[1..].bytes().all(|byte| byte.is_ascii_digit())),
            Channel::Push => prop_assert!(text.is_ascii()),
            Channel::Email => {
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert!(text.len() <= 254 && !text.contains([',', ';', ':', '<', '>', '[', '\\', '\r', '\n']));
                let local = text.split('@').next().unwrap();
                prop_assert!(local.chars().count() < 3 || !shown.contains(local), "{} shows {}", shown, local);
            }
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_locale_is_safe_in_a_path_and_has_a_finite_chain_of_parents() {
    let text = prop_oneof!["[a-zA-Z]{2,9}(-[a-zA-Z0-9]{1,9}){0,5}", "[a-z./_-]{0,10}", "\\PC{0,10}"];
    let tried = TestRunner::new(cases(600)).run(&text, |text| {
        let Ok(locale) = Locale::parse(&text) else { return Ok(()) };

        prop_assert_eq!(locale.as_str(), &text);
        prop_assert!(text.len() <= 35 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        let parents: Vec<_> = std::iter::successors(Some(locale), Locale::parent).collect();
        prop_assert_eq!(parents.len(), text.split('-').count());
        prop_assert!(parents.iter().all(|parent| Locale::parse(parent.as_str()).as_ref() == Ok(parent)));
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_currency_is_its_letters_in_capitals() {
    let tried = TestRunner::new(cases(300)).run(&prop_oneof!["[a-zA-Z]{3}", "\\PC{0,4}"], |text| {
        let letters = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        match Currency::parse(&text) {
            Ok(currency) => prop_assert!(letters && currency.as_str() == text.to_ascii_uppercase()),
            Err(_) => prop_assert!(!letters),
        }
        Ok(())
    });
    tried.unwrap();
}
