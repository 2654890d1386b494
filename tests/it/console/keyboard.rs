//! The console by the keyboard alone, at a zoom of 200 % and without JavaScript, in a real browser.

use otpost::domain::access::Role;
use serde_json::{Value, json};
use strum::IntoEnumIterator;

use super::tour::{SMS, gateway, next_message, pages};
use crate::support::console::{Browser, PASSWORD, signed_in};
use crate::support::node;

const SCRIPT: &str = include_str!("../support/console_keyboard.js");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_reaches_everything_on_every_page_and_nothing_is_cut_off_at_twice_the_size() {
    let gateway = gateway().await;
    let user = signed_in(&gateway, &Role::iter().collect::<Vec<_>>()).await;
    next_message(&gateway, "primary").await;
    let url = format!("http://{}", gateway.console_address());

    let asked = json!({ "url": url, "cookie": user.cookie, "paths": pages(&gateway, &user).await });
    let said = node::drive(SCRIPT, asked).await;

    assert_eq!(said["findings"], json!([]), "{said:#}");
}

/// What a user types to sign in, to search and to draft a text.
fn work(user: &Browser, code: usize, text: &str) -> Value {
    let code = user.recovery_codes[code].as_str();
    json!({
        "name": user.name, "password": PASSWORD, "code": code, "phone": "+48600100200", "path": SMS, "text": text,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_signs_in_searches_and_drafts_a_text_by_the_keyboard_alone_and_another_without_javascript() {
    let gateway = gateway().await;
    let roles = [Role::Author, Role::Operator];
    let (anna, ben) = (Browser::of(&gateway, "anna", &roles).await, Browser::of(&gateway, "ben", &roles).await);
    next_message(&gateway, "primary").await;
    gateway.clock.follow();
    let url = format!("http://{}", gateway.console_address());

    let asked = json!({
        "url": url,
        "cookie": anna.cookie,
        "keyboard": work(&anna, 0, "KEYS {{otp}} {{amount}} {{merchant}} {{brand}}"),
        "plain": work(&ben, 0, "PLAIN {{otp}} {{amount}} {{merchant}} {{brand}}"),
    });
    let said = node::drive(SCRIPT, asked).await;

    assert_eq!((&said["rows"], &said["plain"]["lines"]), (&json!(1), &json!(2)), "{said:#}");
    assert!(said["plain"]["preview"].as_str().unwrap().contains("PLAIN 012345"), "{said:#}");
    assert!(said["plain"]["address"].as_str().unwrap().ends_with("done=submitted"), "{said:#}");
    let changes = gateway.store().template_changes().waiting_changes().await.unwrap();
    let drafts: Vec<_> =
        changes.iter().map(|it| (it.authors.as_slice(), it.drafts[0].text.as_deref().unwrap())).collect();
    assert!(drafts.iter().any(|(by, text)| *by == ["anna"] && text.starts_with("KEYS ")), "{drafts:?}");
    assert!(drafts.iter().any(|(by, text)| *by == ["ben"] && text.starts_with("PLAIN ")), "{drafts:?}");
}
