//! What a provider, or an impostor, may send, and the answer.

use std::time::Duration;

use super::{events, report, sent};
use crate::support::receipt_provider::{ReceiptProvider, SECRET, SignedReceipt, sign, signed_receipt};
use crate::support::sender::{Line, tls};
use crate::support::{Gateway, Setup, otp, recipient};

async fn assert_unchanged(gateway: &Gateway) {
    assert_eq!(gateway.last().await.line.state, "sent");
    assert_eq!(events(gateway).await, ["accepted", "sent"]);
}

#[tokio::test]
async fn a_receipt_without_a_valid_signature_is_rejected_and_changes_nothing() {
    let (gateway, _desk, reference) = sent("").await;
    let good = || signed_receipt("sms_provider", &reference, "DELIVRD");
    let foreign = sign("something else");

    for (row, wrong) in [
        ("missing", good().unsigned()),
        ("of another text", good().header("X-Signature", &foreign)),
        ("empty", good().header("X-Signature", "")),
        ("the secret itself", good().header("X-Signature", SECRET)),
        ("of another provider's path", good().unsigned().header("Authorization", SECRET)),
    ] {
        let answer = wrong.post(gateway.receipts_address()).await.expect_status_of(row, 401);
        assert_eq!(answer.body, r#"{"detail":"the signature or its time is not valid"}"#, "{row}");
    }
    let mut twice = good();
    twice.headers.push(("X-Signature".to_owned(), sign(&twice.body)));
    twice.post(gateway.receipts_address()).await.expect_status_of("twice", 401);

    assert_unchanged(&gateway).await;
}

#[tokio::test]
async fn a_signed_time_more_than_five_minutes_off_is_rejected() {
    let (gateway, _desk, reference) = sent("timestamp_header = \"X-Time\"").await;
    let at = |moment: otpost::domain::clock::Timestamp| {
        let good = signed_receipt("sms_provider", &reference, "DELIVRD");
        let time = (moment.micros() / 1_000_000).to_string();
        let signature = sign(&format!("{time}.{}", good.body));
        good.header("X-Time", &time).header("X-Signature", &signature)
    };

    let (now, late, early) = (gateway.now(), Duration::from_secs(302), Duration::from_secs(302));
    at(now.before(late)).post(gateway.receipts_address()).await.expect_status(401);
    at(now.after(early)).post(gateway.receipts_address()).await.expect_status(401);
    signed_receipt("sms_provider", &reference, "DELIVRD").post(gateway.receipts_address()).await.expect_status(401);
    assert_unchanged(&gateway).await;

    report(&gateway, &at(now)).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn a_token_replaces_the_signature_where_it_is_configured() {
    let (gateway, _desk, reference) = sent("signature = \"token\"\nheader = \"X-Token\"").await;
    let good = || signed_receipt("sms_provider", &reference, "DELIVRD").unsigned();

    good()
        .header("X-Token", "practice-secret-practice-secret?")
        .post(gateway.receipts_address())
        .await
        .expect_status(401);
    assert_unchanged(&gateway).await;

    report(&gateway, &good().header("X-Token", SECRET)).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn a_repeated_receipt_is_accepted_and_changes_nothing() {
    let (gateway, _desk, reference) = sent("").await;
    let receipt = signed_receipt("sms_provider", &reference, "DELIVRD");

    for _ in 0..3 {
        report(&gateway, &receipt).await;
    }
    report(&gateway, &signed_receipt("sms_provider", "sms_provider-1", "DELIVRD")).await;

    assert_eq!(events(&gateway).await, ["accepted", "sent", "confirmed"]);
}

#[tokio::test]
async fn no_answer_reveals_which_messages_exist() {
    let (gateway, _desk, reference) = sent("").await;
    let unknown = uuid::Uuid::now_v7().to_string();

    for reference in [unknown.as_str(), "sms_provider-77", "0", &reference.replace('-', "")] {
        report(&gateway, &signed_receipt("sms_provider", reference, "BUFFERED")).await;
    }
    for reference in [unknown.as_str(), "sms_provider-77", "0"] {
        report(&gateway, &signed_receipt("sms_provider", reference, "DELIVRD")).await;
    }

    assert_unchanged(&gateway).await;
}

#[tokio::test]
async fn a_provider_cannot_change_the_delivery_of_another_provider() {
    let (gateway, _desk, reference) = two_desks().await;

    report(&gateway, &signed_receipt("other", &reference, "UNDELIV")).await;
    report(&gateway, &signed_receipt("other", "sms_provider-1", "UNDELIV")).await;
    assert_unchanged(&gateway).await;

    report(&gateway, &signed_receipt("sms_provider", "sms_provider-1", "DELIVRD")).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

async fn two_desks() -> (Gateway, ReceiptProvider, String) {
    let sms_provider = ReceiptProvider::open().await;
    let both = sms_provider.settings("sms_provider", "", "") + &sms_provider.settings("other", "", "");
    let more = both + "[receipts]\nlisten = \"127.0.0.1:0\"";
    let gateway = Setup::new().first(&more).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;
    (gateway, sms_provider, reference)
}

#[tokio::test]
async fn anything_but_a_receipt_is_rejected() {
    let (gateway, _desk, reference) = sent("").await;
    let good = || signed_receipt("sms_provider", &reference, "DELIVRD");
    let form = "application/x-www-form-urlencoded";
    let bomb = "a=1&".repeat(10_000);
    let xml = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>";

    for (row, receipt, status) in [
        ("1 MB", good().body(&" ".repeat(1024 * 1024)), 413),
        ("64 KiB and a byte", good().body(&" ".repeat(64 * 1024 + 1)), 413),
        ("XML with entities", good().header("Content-Type", "application/xml").body(xml), 400),
        ("form bomb", good().header("Content-Type", form).body(&bomb), 400),
        ("empty", good().body(""), 400),
        ("truncated", good().body(r#"{"reference":"#), 400),
        ("no status", good().body(r#"{"reference":"a"}"#), 400),
        ("deeply nested", good().body(&"[".repeat(10_000)), 400),
        ("GET without a signature", good().method("GET").unsigned().path("/receipts/sms_provider?text=73915046"), 401),
        ("PUT", good().method("PUT"), 405),
        ("unknown provider", good().path("/receipts/unknown"), 404),
        ("a provider without receipts", good().path("/receipts/primary"), 404),
        ("trailing slash", good().path("/receipts/sms_provider/"), 404),
        ("no name", good().path("/receipts/"), 404),
        ("elsewhere", good().path("/notifications/otp"), 404),
    ] {
        let answer = receipt.post(gateway.receipts_address()).await.expect_status_of(row, status);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{row}");
        assert!(answer.body.starts_with("{\"detail\":\"") && !answer.body.contains("73915046"), "{row}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, POST"), "{row}");
    }

    assert_unchanged(&gateway).await;
}

#[tokio::test]
async fn a_form_is_accepted_like_json() {
    let (gateway, _desk, _) = sent("reference = \"/MsgId\"\nstatus = \"/status_name\"").await;
    let form = signed_receipt("sms_provider", "", "").header("Content-Type", "application/x-www-form-urlencoded");

    report(&gateway, &form.body("MsgId=sms_provider-1&status_name=DELIVRD&to=48600100200")).await;

    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn the_listener_supports_a_base_path_and_tls() {
    let sms_provider = ReceiptProvider::open().await;
    let listener = "[receipts]\nlisten = \"127.0.0.1:0\"\nbase_path = \"/otpost\"\n\
                certificate = \"pki/server.pem\"\nkey = \"pki/server.key\"\n";
    let gateway = Setup::new().first(&(sms_provider.settings("sms_provider", "", "") + listener)).start().await;
    let request = |path: &str| {
        let SignedReceipt { body, headers, .. } = signed_receipt("sms_provider", "x", "BUFFERED");
        let head = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect::<String>();
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {length}\r\n\r\n{body}")
    };

    let mut line = Line::try_open(gateway.receipts_address(), tls(None)).await.unwrap();
    for (path, status) in [("/otpost/receipts/sms_provider", 200), ("/receipts/sms_provider", 404)] {
        line.send(request(path).as_bytes()).await;
        line.answer().await.unwrap().expect_status_of(path, status);
    }
}

#[tokio::test]
async fn a_provider_reads_the_answer_that_it_expects_and_the_others_read_ok() {
    let sms_provider = ReceiptProvider::open().await;
    let listener = "[receipts]\nlisten = \"127.0.0.1:0\"\nanswers = { sms_provider = \"ACK/otpost\" }\n";
    let providers = sms_provider.settings("sms_provider", "", "") + &sms_provider.settings("other", "", "");
    let gateway = Setup::new().first(&(providers + listener)).start().await;

    for (name, expected) in [("sms_provider", "ACK/otpost"), ("other", "OK")] {
        let answer = signed_receipt(name, "x", "BUFFERED").post(gateway.receipts_address()).await.expect_status(200);
        assert_eq!(answer.body, expected, "{name}");
    }
    let refused = signed_receipt("sms_provider", "x", "BUFFERED").unsigned().post(gateway.receipts_address()).await;
    assert_eq!((refused.status, refused.body.contains("ACK")), (401, false));
}
