//! The page of plans and explanations.

use super::{gateway, signed_in};
use crate::support::recipient;

#[tokio::test]
async fn the_plan_of_every_kind_is_shown() {
    let (_gateway, browser) = gateway().await;
    let page = browser.page("/routing").await;
    page.shows("otp push → sms").shows("transaction push → email").shows("5m");
}

#[tokio::test]
async fn an_explanation_says_who_would_be_tried_with_masked_contacts() {
    let (gateway, browser) = gateway().await;
    let one = recipient("anna").customer("1337").phone("+48600100200");
    gateway.knows([one]).await;

    let by_identifier = browser.page("/routing?kind=otp&by=storage_customer&value=1337&at=22%3A30").await;
    by_identifier.shows("send with primary to").shows("1. serves all countries").shows("no contact on this channel");
    assert!(!by_identifier.text().contains("600100200"), "a contact is shown in clear");

    let by_contact = browser.page("/routing?kind=otp&by=contact&value=%2B48600100300").await;
    by_contact.shows("send with primary to").shows("Nothing is sent.");
    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn what_cannot_be_explained_is_said_on_the_page() {
    let (gateway, browser) = gateway().await;
    for (query, problem) in [
        ("kind=otp&by=storage_customer&value=1338", "No recipient has this identifier."),
        ("kind=otp&by=storage_customer&value=abc", "expected 1 to 20 digits"),
        ("kind=otp&by=contact&value=%2B12", "a phone number is written as"),
        ("kind=otp&by=contact&value=%2B48600100200&at=25%3A00", "is not a time"),
        ("kind=nothing&by=contact&value=%2B48600100200", "Choose a kind of notification."),
    ] {
        browser.page(&format!("/routing?{query}")).await.shows(problem);
    }
    let evil = browser.page("/routing?kind=otp&by=contact&value=%3Cscript%3Ealert(1)%3C/script%3E%22%3E").await;
    assert!(evil.text().contains("&lt;script&gt;"));
    assert_eq!(signed_in(&gateway, &["admin"]).await.get("/routing").await.status, 403);
}
