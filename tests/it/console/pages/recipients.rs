//! Finding recipients, and what may be done with their data.

use otpost::domain::access::Role;
use serde_json::{Value, json};

use super::{PHONE, gateway, recorded};
use crate::support::console::{hidden, signed_in};
use crate::support::{otp, recipient};

#[tokio::test]
async fn a_recipient_is_found_by_an_identifier_a_contact_or_its_own_id() {
    let gateway = gateway().await;
    gateway.knows([recipient("second").customer("7").phone("+48600100209")]).await;
    let user = signed_in(&gateway, &[Role::Support]).await;
    let found = user.get("/recipients?q=storage_customer:1337").await.expect_status(303);
    let path = found.header("location").unwrap().to_owned();

    let page = user.page(&path).await;
    assert!(
        page.contains(PHONE[1]) && !page.contains(PHONE[0]) && page.contains("kept as keyed hashes only"),
        "{page}"
    );
    assert!(!page.contains("/export") && !page.contains("/erase"), "support may not");
    let page = user.page("/recipients?q=%2B48600100299").await;
    assert!(page.contains("No recipient was found."), "{page}");
    let found = user.get("/recipients?q=%2B48600100200").await.expect_status(303);
    assert_eq!(found.header("location"), Some(path.as_str()), "no delivery went there yet");
    let found = user.get("/recipients?q=recipient:holder").await.expect_status(303);
    assert_eq!(found.header("location"), Some(path.as_str()));
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let found = user.get("/recipients?q=%2B48600100200").await.expect_status(303);
    assert_eq!(found.header("location"), Some(path.as_str()));
    assert!(user.page(&path).await.contains(&gateway.last().await.line.id.to_string()));

    user.get("/recipients?q=storage_customer:x").await.expect_status(422);
    user.get("/recipients?q=nobody").await.expect_status(422);
    signed_in(&gateway, &[Role::Viewer]).await.get(&path).await.expect_status(403);
}

#[tokio::test]
async fn contacts_are_shown_in_clear_once_for_a_reason_that_is_recorded() {
    let gateway = gateway().await;
    let user = signed_in(&gateway, &[Role::Support]).await;
    let found = user.get("/recipients?q=storage_customer:1337").await;
    let path = found.header("location").unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap().to_owned();

    signed_in(&gateway, &[Role::Operator])
        .await
        .post(&format!("{path}/reveal"), &[("reason", "x")])
        .await
        .expect_status(403);
    user.post(&format!("{path}/reveal"), &[("reason", " ")]).await.expect_status(422);
    assert!(recorded(&gateway, "contact_revealed").await.is_empty());
    let page = user.post(&format!("{path}/reveal"), &[("reason", "caller, ticket 7")]).await.expect_status(200);
    assert!(page.body.contains("+48600100200"), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    user.get(&format!("{path}/reveal")).await.expect_status(404);
    let events = recorded(&gateway, "contact_revealed").await;
    assert_eq!(events, [json!({ "recipient": id, "reason": "caller, ticket 7" })]);
}

#[tokio::test]
async fn a_recipient_is_exported_and_erased_by_those_who_may() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let delivery = gateway.last().await.line.id;
    let user = signed_in(&gateway, &[Role::Security]).await;
    let found = user.get("/recipients?q=storage_customer:1337").await;
    let path = found.header("location").unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap().to_owned();

    for action in ["export", "erase"] {
        let support = signed_in(&gateway, &[Role::Support]).await;
        support.post(&format!("{path}/{action}"), &[("reason", "x"), ("confirmed", "yes")]).await.expect_status(403);
    }
    let export = user.post(&format!("{path}/export"), &[]).await.expect_status(200);
    let data: Value = serde_json::from_str(&export.body).unwrap();
    assert_eq!(data["recipient"]["contacts"][0]["contact"], PHONE[0]);
    assert_eq!(data["deliveries"][0]["id"], delivery.to_string());
    assert_eq!(recorded(&gateway, "recipient_exported").await, [json!({ "recipient": id })]);

    assert!(user.page(&format!("{path}/erase")).await.contains("This cannot be undone"));
    user.post(&format!("{path}/erase"), &[("reason", "asked for it")]).await.expect_status(422);
    user.post(&format!("{path}/erase"), &[("reason", ""), ("confirmed", "yes")]).await.expect_status(422);
    let answer = user.post(&format!("{path}/erase"), &[("reason", "asked for it"), ("confirmed", "yes")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/recipients?done=erased")));
    user.get(&path).await.expect_status(404);
    assert_eq!(recorded(&gateway, "recipient_erased").await, [json!({ "recipient": id, "reason": "asked for it" })]);
    let page = user.page(&format!("/deliveries/{delivery}")).await;
    assert!(page.contains("erased") && !page.contains("/reveal"), "{page}");
}

#[tokio::test]
async fn a_file_is_checked_before_it_is_imported_and_wrong_rows_are_named_without_their_values() {
    let gateway = gateway().await;
    let user = signed_in(&gateway, &[Role::Operator]).await;
    let file = b"recipient;locale;storage_customer;sms\nc-1;pl;4711;+48600100300\nc-2;pl;4712;600100400\n";
    let path = "/recipients/import";

    assert!(user.page("/recipients").await.contains(path));
    signed_in(&gateway, &[Role::Support])
        .await
        .upload(path, &[("do", "import")], ("a.csv", file))
        .await
        .expect_status(403);
    let checked = user.upload(path, &[("do", "check")], ("a.csv", file)).await.expect_status(200).body;
    assert!(checked.contains("a.csv: 1 would be imported, 1 rejected"), "{checked}");
    assert!(checked.contains("has no country code") && !checked.contains("600100400"), "{checked}");
    assert!(user.page("/recipients?q=storage_customer:4711").await.contains("No recipient was found"));

    let stored =
        user.upload(path, &[("do", "import"), ("country", "pl")], ("a.csv", file)).await.expect_status(200).body;
    assert!(stored.contains("a.csv: 2 imported, 0 rejected"), "{stored}");
    user.get("/recipients?q=storage_customer:4712").await.expect_status(303);

    for (name, content) in [("a.exe", &b"x"[..]), ("", b""), ("a.csv", b"\x89PNG\r\n"), ("a.csv", b"nonsense\n1\n")] {
        user.upload(path, &[("do", "check")], (name, content)).await.expect_status_of(name, 422);
    }
    let shared = b"recipient;locale;storage_customer\nc-9;pl;1337\n";
    let refused = user.upload(path, &[("do", "check")], ("a.csv", shared)).await.expect_status(200).body;
    assert!(
        refused.contains("0 would be imported, 1 rejected") && refused.contains("in the database has the same one"),
        "{refused}"
    );
    let large = vec![b'x'; 6 * 1024 * 1024];
    let answer = user.upload(path, &[("do", "check")], ("a.csv", &large)).await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
}

#[tokio::test]
async fn settings_are_changed_for_a_reason_and_only_if_nobody_changed_them_meanwhile() {
    let gateway = gateway().await;
    let user = signed_in(&gateway, &[Role::Support]).await;
    let found = user.get("/recipients?q=storage_customer:1337").await;
    let path = found.header("location").unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap().to_owned();
    let edit = format!("{path}/edit");
    let page = user.page(&edit).await;
    let base = hidden(&page, "base");
    let fields = |more: &[(&'static str, &'static str)]| {
        let mut fields: std::collections::BTreeMap<_, _> = [
            ("base", base.as_str()),
            ("status", "opted_out"),
            ("locale", "en-gb"),
            ("first", "push"),
            ("second", "sms"),
            ("third", ""),
            ("time_zone", "europe/warsaw"),
            ("reason", "asked by phone, ticket 7"),
        ]
        .into();
        fields.extend(more.iter().copied());
        fields.into_iter().collect::<Vec<_>>()
    };

    for (wrong, said) in [
        (("reason", " "), "The reason is empty"),
        (("locale", "english please"), "Locale: "),
        (("second", "push"), "push is chosen twice"),
        (("third", "fax"), "Channels: "),
        (("time_zone", "Mars/Olympus"), "Time zone: expected the name of a time zone such as Europe/Warsaw."),
        (("status", "sleepy"), "expected active, opted_out, blocked or deceased"),
    ] {
        let page = user.post(&edit, &fields(&[wrong])).await.expect_status(422).body;
        assert!(page.contains(said) && page.contains("ticket 7") != (wrong.0 == "reason"), "{said}: {page}");
    }
    user.post(&edit, &fields(&[("base", "x")])).await.expect_status(422);
    signed_in(&gateway, &[Role::Security]).await.post(&edit, &fields(&[])).await.expect_status(403);
    assert!(recorded(&gateway, "recipient_changed").await.is_empty());

    user.post(&edit, &fields(&[])).await.expect_status(303);

    let page = user.page(&format!("{path}?done=changed")).await;
    for shown in ["The settings are changed", "opted out", "en-GB", "push, sms", "Europe/Warsaw"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let changed = json!(["status", "locale", "channels", "time_zone"]);
    let expected = json!({ "recipient": id, "reason": "asked by phone, ticket 7", "changed": changed });
    assert_eq!(recorded(&gateway, "recipient_changed").await, [expected]);
    let late = user.post(&edit, &fields(&[("status", "blocked")])).await.expect_status(409).body;
    assert!(late.contains("The recipient was changed meanwhile"), "{late}");
    assert_eq!(recorded(&gateway, "recipient_changed").await.len(), 1);
    user.get("/recipients/00000000-0000-4000-8000-000000000000/edit").await.expect_status(404);
}
