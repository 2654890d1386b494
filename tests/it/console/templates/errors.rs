//! Texts that are refused: with line and column, beside what was typed, and without a change of anything.

use super::{Browser, gateway};

#[tokio::test]
async fn a_text_with_an_error_is_refused_with_line_and_column_and_stays_in_the_editor() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;
    let nested = "{{#if brand}}".repeat(10_000);
    let (long, includes) = ("x".repeat(1024 * 1024), "{{> footer}}");
    for (file, text, expected) in [
        ("pl/otp/sms.hbs", "{{otp}} is your code to pay {{amount}}.", "Line 1, column 1, about the whole text"),
        ("pl/otp/email.html.hbs", "<p>{{otp}} {{amount}}</p>\n<p>{{{merchant}}}</p>", "Line 2, column 4"),
        ("pl/otp/sms.hbs", "{{otp}} {{amount}} {{merchant}} {{log otp}}", "Line 1, column 33"),
        ("pl/otp/sms.hbs", includes, "Line 1, column 1"),
        ("pl/otp/sms.hbs", &long, "Line 1, column 4097"),
        ("pl/otp/push.title.hbs", "{{otp}} is your code", "Line 1, column 1"),
        ("pl/otp/email.subject.hbs", "Your code {{otp}}", "Line 1, column 11"),
        ("pl/otp/sms.hbs", &nested, "Line 1, column 4097"),
        ("pl/otp/sms.hbs", &"{{#if brand}}".repeat(20), "Line 1, column"),
        ("pl/locale.toml", "merchant = \"\"\nfraud_words = []", "Line 1, column 12"),
    ] {
        let address = format!("/templates/text/{file}");
        let editor = browser.get(&address).await;

        let fields = [("base", &*editor.field("base")), ("text", text), ("do", "save")];
        let refused = browser.post(&address, &fields).await;

        let start = &text[..text.len().min(60)];
        assert_eq!(refused.status, 422, "{file}: {start}");
        assert!(refused.html.contains(expected), "{file}: {start}\n{}", &refused.html[..refused.html.len().min(9000)]);
        assert!(refused.html.contains("The draft is not saved"), "{file}: {start}");
    }
    assert!(gateway.store().template_changes().changes(i64::MAX, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn markup_in_a_text_is_shown_and_never_run() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;
    let text = "</textarea><script>alert(1)</script> {{otp}} {{amount}} {{merchant}}";
    let base = browser.get("/templates/text/pl/otp/sms.hbs").await.field("base");

    let saved =
        browser.post("/templates/text/pl/otp/sms.hbs", &[("base", &base), ("text", text), ("do", "save")]).await;
    let note = "<img src=x onerror=alert(2)>";
    browser.post("/templates/changes/1/submit", &[("note", note)]).await;

    assert_eq!(saved.status, 303, "{}", saved.html);
    for page in ["/templates", "/templates/changes", "/templates/changes/1", "/templates/text/pl/otp/sms.hbs?change=1"]
    {
        let page = browser.get(page).await;
        assert!(!page.html.contains("<script>alert") && !page.html.contains("<img src=x"), "{}", page.html);
        assert!(page.policy.contains("script-src 'self'") && !page.policy.contains("unsafe"), "{}", page.policy);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let gateway = gateway("").await;
    let browser = Browser::of(&gateway).await;

    for page in [
        "/templates/text/xx",
        "/templates/text/..%2F..%2Fetc%2Fpasswd",
        "/templates/text/pl/otp/sms.hbs?change=99",
        "/templates/text/pl/otp/sms.hbs?change=x",
        "/templates/changes/99",
        "/templates/changes/x",
        "/templates/versions/zz",
        "/templates/versions/",
        "/templates/mail/00000000-0000-4000-8000-000000000000",
        "/templates/mail/x",
    ] {
        assert_eq!(browser.get(page).await.status, 404, "{page}");
    }
    assert_eq!(browser.post("/templates/changes/1/other", &[]).await.status, 404);
    assert_eq!(browser.post("/templates/changes/1/submit", &[("note", "x")]).await.status, 404);
    assert_eq!(browser.post("/templates/restore", &[("seq", "99")]).await.status, 404);
}
