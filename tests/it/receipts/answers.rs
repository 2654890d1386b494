//! Each input that a provider, or somebody who plays one, may send, and the answer it gets.

use std::time::Duration;

use super::{events, sent, tell};
use crate::support::desk::{Desk, SECRET, Slip, sign, slip};
use crate::support::sender::{Line, tls};
use crate::support::{Gateway, Setup, otp, recipient};

async fn nothing_happened(gateway: &Gateway) {
    assert_eq!(gateway.last().await.line.state, "sent");
    assert_eq!(events(gateway).await, ["accepted", "sent"]);
}

#[tokio::test]
async fn a_receipt_without_a_good_signature_is_refused_and_changes_nothing() {
    let (gateway, _desk, reference) = sent("").await;
    let good = || slip("desk", &reference, "DELIVRD");
    let foreign = sign("something else");

    for (row, wrong) in [
        ("missing", good().unsigned()),
        ("of something else", good().header("X-Signature", &foreign)),
        ("empty", good().header("X-Signature", "")),
        ("the secret itself", good().header("X-Signature", SECRET)),
        ("of another provider's path", good().unsigned().header("Authorization", SECRET)),
    ] {
        let answer = wrong.post(gateway.receipts_address()).await.expect_status_of(row, 401);
        assert_eq!(answer.body, r#"{"detail":"the signature or its time is not good"}"#, "{row}");
    }
    let mut twice = good();
    twice.headers.push(("X-Signature".to_owned(), sign(&twice.body)));
    twice.post(gateway.receipts_address()).await.expect_status_of("twice", 401);

    nothing_happened(&gateway).await;
}

#[tokio::test]
async fn a_signed_time_older_than_five_minutes_is_refused() {
    let (gateway, _desk, reference) = sent("timestamp_header = \"X-Time\"").await;
    let at = |moment: otpost::domain::clock::Timestamp| {
        let good = slip("desk", &reference, "DELIVRD");
        let time = (moment.micros() / 1_000_000).to_string();
        let signature = sign(&format!("{time}.{}", good.body));
        good.header("X-Time", &time).header("X-Signature", &signature)
    };

    let (now, late, early) = (gateway.now(), Duration::from_secs(302), Duration::from_secs(302));
    at(now.before(late)).post(gateway.receipts_address()).await.expect_status(401);
    at(now.after(early)).post(gateway.receipts_address()).await.expect_status(401);
    slip("desk", &reference, "DELIVRD").post(gateway.receipts_address()).await.expect_status(401);
    nothing_happened(&gateway).await;

    tell(&gateway, &at(now)).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn a_token_is_as_good_as_a_signature_where_it_is_configured() {
    let (gateway, _desk, reference) = sent("signature = \"token\"\nheader = \"X-Token\"").await;
    let good = || slip("desk", &reference, "DELIVRD").unsigned();

    good()
        .header("X-Token", "practice-secret-practice-secret?")
        .post(gateway.receipts_address())
        .await
        .expect_status(401);
    nothing_happened(&gateway).await;

    tell(&gateway, &good().header("X-Token", SECRET)).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn what_was_said_before_is_taken_and_changes_nothing() {
    let (gateway, _desk, reference) = sent("").await;
    let receipt = slip("desk", &reference, "DELIVRD");

    for _ in 0..3 {
        tell(&gateway, &receipt).await;
    }
    tell(&gateway, &slip("desk", "desk-1", "DELIVRD")).await;

    assert_eq!(events(&gateway).await, ["accepted", "sent", "confirmed"]);
}

#[tokio::test]
async fn nobody_learns_from_an_answer_which_messages_there_are() {
    let (gateway, _desk, reference) = sent("").await;
    let unknown = uuid::Uuid::now_v7().to_string();

    for reference in [unknown.as_str(), "desk-77", "0", &reference.replace('-', "")] {
        tell(&gateway, &slip("desk", reference, "BUFFERED")).await;
    }
    for reference in [unknown.as_str(), "desk-77", "0"] {
        tell(&gateway, &slip("desk", reference, "DELIVRD")).await;
    }

    nothing_happened(&gateway).await;
}

#[tokio::test]
async fn a_provider_has_no_word_about_anothers_message() {
    let (gateway, _desk, reference) = two_desks().await;

    tell(&gateway, &slip("other", &reference, "UNDELIV")).await;
    tell(&gateway, &slip("other", "desk-1", "UNDELIV")).await;
    nothing_happened(&gateway).await;

    tell(&gateway, &slip("desk", "desk-1", "DELIVRD")).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

async fn two_desks() -> (Gateway, Desk, String) {
    let desk = Desk::open().await;
    let both = desk.settings("desk", "", "") + &desk.settings("other", "", "");
    let more = both + "[receipts]\nlisten = \"127.0.0.1:0\"";
    let gateway = Setup::new().first(&more).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = desk.message().await;
    desk.answers();
    gateway.settle().await;
    (gateway, desk, reference)
}

#[tokio::test]
async fn what_is_no_receipt_is_refused() {
    let (gateway, _desk, reference) = sent("").await;
    let good = || slip("desk", &reference, "DELIVRD");
    let form = "application/x-www-form-urlencoded";
    let bomb = "a=1&".repeat(10_000);
    let xml = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>";

    for (row, slip, status) in [
        ("1 MB", good().body(&" ".repeat(1024 * 1024)), 413),
        ("64 KiB and a byte", good().body(&" ".repeat(64 * 1024 + 1)), 413),
        ("XML with entities", good().header("Content-Type", "application/xml").body(xml), 400),
        ("form bomb", good().header("Content-Type", form).body(&bomb), 400),
        ("nothing", good().body(""), 400),
        ("cut", good().body(r#"{"reference":"#), 400),
        ("no status", good().body(r#"{"reference":"a"}"#), 400),
        ("nested deep", good().body(&"[".repeat(10_000)), 400),
        ("GET with text", good().method("GET").path("/receipts/desk?text=73915046"), 405),
        ("PUT", good().method("PUT"), 405),
        ("nobody's", good().path("/receipts/nobody"), 404),
        ("one that reports nothing", good().path("/receipts/primary"), 404),
        ("slash behind", good().path("/receipts/desk/"), 404),
        ("no name", good().path("/receipts/"), 404),
        ("elsewhere", good().path("/notifications/otp"), 404),
    ] {
        let answer = slip.post(gateway.receipts_address()).await.expect_status_of(row, status);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{row}");
        assert!(answer.body.starts_with("{\"detail\":\"") && !answer.body.contains("73915046"), "{row}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "{row}");
    }

    nothing_happened(&gateway).await;
}

#[tokio::test]
async fn a_form_is_taken_like_json() {
    let (gateway, _desk, _) = sent("reference = \"/MsgId\"\nstatus = \"/status_name\"").await;
    let form = slip("desk", "", "").header("Content-Type", "application/x-www-form-urlencoded");

    tell(&gateway, &form.body("MsgId=desk-1&status_name=DELIVRD&to=48600100200")).await;

    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn the_door_can_stand_below_a_path_and_speak_tls() {
    let desk = Desk::open().await;
    let door = "[receipts]\nlisten = \"127.0.0.1:0\"\nbase_path = \"/otpost\"\n\
                certificate = \"pki/server.pem\"\nkey = \"pki/server.key\"\n";
    let gateway = Setup::new().first(&(desk.settings("desk", "", "") + door)).start().await;
    let request = |path: &str| {
        let Slip { body, headers, .. } = slip("desk", "x", "BUFFERED");
        let head = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect::<String>();
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {length}\r\n\r\n{body}")
    };

    let mut line = Line::try_open(gateway.receipts_address(), tls(None)).await.unwrap();
    for (path, status) in [("/otpost/receipts/desk", 200), ("/receipts/desk", 404)] {
        line.send(request(path).as_bytes()).await;
        line.answer().await.unwrap().expect_status_of(path, status);
    }
}
