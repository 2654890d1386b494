//! Finding deliveries, what a page shows of one, and what may be done with it.

use otpost::domain::access::Role;
use otpost::domain::audit_event::AuditKind;
use serde_json::json;
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::{PHONE, everybody, gateway, recorded};
use crate::support::console::signed_in;
use crate::support::{locked, otp, recipient};

#[tokio::test]
async fn a_delivery_is_found_by_whatever_an_operator_has_in_hand() {
    let gateway = gateway().await;
    gateway.post(&otp().key("order-4711")).await.expect_status(204);
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;
    let user = signed_in(&gateway, &[Role::Viewer]).await;
    let [code, other] = <[_; 2]>::try_from(gateway.deliveries().await).unwrap();
    let detail = gateway.store().reports().delivery(code.id).await.unwrap().unwrap();
    let reference = match &detail.attempts[0].outcome {
        otpost::domain::outcome::Outcome::Accepted { reference: Some(reference) } => reference.as_str().to_owned(),
        outcome => panic!("{outcome:?}"),
    };

    let recipient = code.recipient.unwrap().to_string();
    for text in ["storage_customer:1337", "%2B48+600+100+200", "48600100200", "order-4711", &reference, &recipient] {
        let page = user.page(&format!("/deliveries?q={text}")).await;
        assert!(page.contains(&code.id.to_string()) && !page.contains(&other.id.to_string()), "{text}: {page}");
        assert!(page.contains(PHONE[1]) && !page.contains(PHONE[0]), "{text}: {page}");
    }
    for id in [code.id, code.notification] {
        let answer = user.get(&format!("/deliveries?q={id}")).await.expect_status(303);
        assert_eq!(answer.header("location"), Some(format!("/deliveries/{id}").as_str()));
    }
    let page = user.page("/deliveries?kind=card_locked&state=undeliverable&reason=unknown_recipient&from=1h").await;
    assert!(page.contains(&other.id.to_string()) && !page.contains(&code.id.to_string()), "{page}");
    let page = user.page("/deliveries?q=storage_customer:4711").await;
    assert!(page.contains("No recipient has this storage customer"), "{page}");
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_before_ended() {
    let gateway = gateway().await;
    for number in 0..60 {
        gateway.post(&otp().key(&format!("key-{number}")).customer("4711")).await.expect_status(204);
    }
    gateway.drain().await;
    let user = everybody(&gateway).await;
    let ids = |page: &str| -> Vec<Uuid> {
        page.split("href=\"/deliveries/").skip(1).map(|rest| rest[..36].parse().unwrap()).collect()
    };
    let first = user.page("/deliveries?state=undeliverable").await;
    let next = first
        .split('"')
        .find(|part| part.starts_with("/deliveries?") && part.contains("before"))
        .unwrap()
        .replace("&amp;", "&")
        .replace("&#x3D;", "=");
    let second = user.page(&next).await;
    let mut all = [ids(&first), ids(&second)].concat();
    assert_eq!((ids(&first).len(), all.len()), (50, 60));
    assert!(all.is_sorted_by(|a, b| a > b), "the newest first");
    all.dedup();
    assert_eq!(all.len(), 60);
    assert!(!second.contains("rel=\"next\""), "{second}");
}

#[tokio::test]
async fn the_page_of_a_delivery_tells_every_decision_and_neither_code_nor_contact() {
    let gateway = gateway().await;
    gateway.sms("primary").answers(503);
    gateway.post(&otp().code("73915046")).await.expect_status(204);
    gateway.drain().await;
    let delivery = gateway.last().await.line.id;
    let user = signed_in(&gateway, &[Role::Viewer]).await;

    let page = user.page(&format!("/deliveries/{delivery}")).await;
    for shown in [
        "Accepted from processor",
        "Attempt 1: SMS through primary to +48*****0200",
        "Not accepted, and it may be later",
        "HTTP 503",
        "Attempt 2: SMS through backup to +48*****0200",
        "pl/otp/sms",
        "its content was deleted",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("73915046") && !page.contains(PHONE[0]), "{page}");
    assert!(!page.contains("/resend") && !page.contains("/dossier") && !page.contains("/reveal"), "a viewer may not");
    user.get(&format!("/deliveries/{}", Uuid::nil())).await.expect_status(404);
    user.get("/deliveries/-1").await.expect_status(404);
}

#[tokio::test]
async fn a_lock_is_sent_again_for_a_reason_and_a_code_never() {
    let gateway = gateway().await;
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;
    let failed = gateway.last().await.line.id;
    gateway.knows([recipient("card").card("11").phone("+48600100201")]).await;
    let support = signed_in(&gateway, &[Role::Support]).await;
    let path = format!("/deliveries/{failed}/resend");

    signed_in(&gateway, &[Role::Viewer]).await.post(&path, &[("reason", "please")]).await.expect_status(403);
    support.post(&path, &[("reason", " \n ")]).await.expect_status(422);
    let answer = support.post(&path, &[("reason", "imported since, ticket 7")]).await.expect_status(303);
    gateway.drain().await;
    let sent = gateway.last().await.line;
    assert_eq!(answer.header("location"), Some(format!("/deliveries/{}?done=resent", sent.id).as_str()));
    assert_eq!(sent.state, "sent");
    let page = support.page(answer.header("location").unwrap()).await;
    assert!(page.contains("The notification is sent again") && page.contains("imported since, ticket 7"), "{page}");
    let events = gateway.last().await.events;
    let resent = events.iter().find(|event| event.kind == AuditKind::DeliveryResent.name()).unwrap();
    assert!(resent.actor.starts_with("user:"), "{}", resent.actor);

    gateway.post(&otp().customer("4711")).await.expect_status(204);
    gateway.drain().await;
    let code = gateway.last().await.line.id;
    let refused = support.post(&format!("/deliveries/{code}/resend"), &[("reason", "again")]).await.expect_status(409);
    assert!(refused.body.contains("a code is never sent again"), "{}", refused.body);
    support.post(&format!("/deliveries/{}/resend", Uuid::nil()), &[("reason", "x")]).await.expect_status(404);
}

#[tokio::test]
async fn a_dossier_is_downloaded_and_recorded() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let delivery = gateway.last().await.line.id;
    let user = signed_in(&gateway, &[Role::Support]).await;
    let path = format!("/deliveries/{delivery}/dossier");

    let pdf = user.post(&path, &[("format", "pdf")]).await.expect_status(200);
    assert!(pdf.body.starts_with("%PDF-"), "{:.20}", pdf.body);
    assert_eq!(
        pdf.header("content-disposition"),
        Some(format!("attachment; filename=\"dossier-{delivery}.pdf\"").as_str())
    );
    let html = user.post(&path, &[("format", "html")]).await.expect_status(200);
    assert!(html.body.contains("lang=\"pl\""), "in the language of the recipient: {:.300}", html.body);
    user.post(&path, &[("format", "exe")]).await.expect_status(422);
    signed_in(&gateway, &[Role::Viewer]).await.post(&path, &[("format", "pdf")]).await.expect_status(403);
    assert_eq!(recorded(&gateway, "dossier_made").await, [json!({ "format": "pdf" }), json!({ "format": "html" })]);
}

#[tokio::test]
async fn a_search_is_exported_as_csv_by_those_who_may_and_recorded_without_what_was_searched_for() {
    let gateway = gateway().await;
    gateway.post(&otp().key("=HYPERLINK(1)")).await.expect_status(204);
    gateway.post(&otp().key("other").customer("4711")).await.expect_status(204);
    gateway.drain().await;

    for role in Role::iter().filter(|role| !role.may(otpost::domain::access::Action::ExportDeliveries)) {
        signed_in(&gateway, &[role]).await.post("/deliveries/export", &[]).await.expect_status(403);
    }
    assert!(recorded(&gateway, "deliveries_exported").await.is_empty());
    let user = signed_in(&gateway, &[Role::Operator]).await;
    let csv =
        user.post("/deliveries/export", &[("q", "storage_customer:1337"), ("before", "")]).await.expect_status(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.body.starts_with("received_at,id,") && csv.body.lines().count() == 2, "{}", csv.body);
    assert!(csv.body.contains(",'=HYPERLINK(1),") && csv.body.contains(PHONE[1]) && !csv.body.contains(PHONE[0]));
    assert_eq!(recorded(&gateway, "deliveries_exported").await, [json!({ "filters": "q" })]);
    user.post("/deliveries/export", &[("state", "no such state")]).await.expect_status(422);
}
