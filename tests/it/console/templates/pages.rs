//! What the pages about templates show, with and without JavaScript.

use super::{APPROVER, Browser, NEW, SMS, approved, base, gateway, path};

#[tokio::test]
async fn the_grid_shows_coverage_what_is_older_and_what_is_drafted() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;
    let grid = browser.get("/templates").await;
    assert!(grid.html.contains("aria-label=\"pl/otp/sms.hbs: own\"") && !grid.html.contains(">older<"));
    assert!(grid.html.len() < 100 * 1024, "{}", grid.html.len());

    // Polish is the default locale of this gateway.
    gateway.clock.move_on(std::time::Duration::from_mins(1));
    let id = approved(&gateway, NEW).await;
    let drafted = browser.get("/templates").await.html;
    assert!(drafted.contains("Change 1</a>") && drafted.contains("approved") && drafted.contains(">draft</span>"));
    gateway.templates().publish(APPROVER, id).await.unwrap();

    let grid = browser.get("/templates").await.html;
    assert!(grid.contains("aria-label=\"en/otp/sms.hbs: older\""), "{grid}");
    assert!(grid.contains("aria-label=\"pl/otp/sms.hbs: own\"") && grid.contains("No change waits"));
}

#[tokio::test]
async fn the_preview_names_segments_encoding_forcing_characters_and_lost_placeholders() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;
    let text = "Kod {{otp}}: {{amount}} dla {{merchant}} \u{2014} 漢";

    let fragment = browser.post("/templates/preview/pl/otp/sms.hbs", &[("text", text)]).await;

    assert_eq!(fragment.status, 200);
    assert!(!fragment.html.contains("<html"), "only the part below the text");
    assert!(fragment.html.contains("UCS-2") && fragment.html.contains("漢 (U+6F22)"), "{}", fragment.html);
    assert!(fragment.html.contains("<ins class=\"add\">") && fragment.html.contains("<del class=\"del\">"));
    let lost = browser.post("/templates/preview/pl/otp/sms.hbs", &[("text", "Kod {{otp}}")]).await;
    assert!(
        lost.html.contains("This text no longer uses <code>amount</code>, <code>brand</code>, <code>merchant</code>"),
        "{}",
        lost.html
    );
    for (sample, expected) in [("yen", "5"), ("zero_amount", "0"), ("right_to_left", "متجر"), ("longest", "WWW")] {
        let page = browser.get(&format!("/templates/text/pl/otp/push.body.hbs?sample={sample}")).await;
        let push = page.html.split("preview-push").nth(1).unwrap_or_else(|| panic!("{sample}: {}", page.html));
        assert!(push[..push.len().min(600)].contains(expected), "{sample}: {push}");
    }
}

#[tokio::test]
async fn the_preview_button_works_without_javascript_and_saves_nothing() {
    let gateway = gateway("").await;
    let fields = [("text", NEW), ("sample", "longest"), ("do", "preview")];

    let page = Browser::of(&gateway).await.post("/templates/text/pl/otp/sms.hbs", &fields).await;

    assert!(page.status == 200 && page.html.contains("NEW TEXT {{otp}}"), "{}", page.html);
    assert!(page.html.contains("<option value=\"longest\" selected>") && page.html.contains("NEW TEXT 0000000000"));
    assert!(gateway.store().template_changes().changes(i64::MAX, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mail_is_shown_in_a_frame_with_a_policy_of_its_own() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;

    let page = browser.get("/templates/text/pl/otp/email.text.hbs").await;
    let frame = page.html.split("src=\"/templates/mail/").nth(1).unwrap().split('"').next().unwrap();
    let mail = browser.get(&format!("/templates/mail/{frame}")).await;

    assert!(page.html.contains("iframe class=\"preview-mail-phone\" tabindex=\"0\" sandbox"));
    assert!(mail.html.contains("Test Bank") && mail.html.contains("012345"), "{}", mail.html);
    assert!(mail.policy.contains("default-src 'none'") && mail.policy.ends_with("sandbox"), "{}", mail.policy);
}

#[tokio::test]
async fn a_missing_text_can_be_drafted_with_the_default_one_as_reference() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;
    let page = browser.get("/templates/text/en-GB/otp/sms.hbs").await;
    assert!(page.html.contains("there is no live text") && page.html.contains(SMS), "{}", page.html);

    let fields = [("base", &*page.field("base")), ("text", "Code {{otp}} {{amount}} {{merchant}}"), ("do", "save")];
    let saved = browser.post("/templates/text/en-GB/otp/sms.hbs", &fields).await;

    assert_eq!(saved.status, 303, "{}", saved.html);
    let change = browser.get("/templates/changes/1").await.html;
    assert!(change.contains("<span class=\"badge badge-quiet\">new</span>"), "{change}");
    assert_eq!(gateway.templates().live_set().text(&path("en-GB/otp/sms.hbs")), None);
    assert_ne!(base(&gateway, SMS), base(&gateway, "en-GB/otp/sms.hbs"));
}
