//! Identity verifications: every field, and the order in which they are sent.

use serde_json::{Value, json};

use super::{Accepted, CANARY, Expect, Rejected, Warned, check};
use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, recipient, verification};

const STEPS: [&str; 3] = ["InProgress", "Accepted", "Rejected"];

#[tokio::test]
async fn a_status_of_another_path_is_rejected_and_an_unexpected_reason_is_accepted_with_a_warning() {
    let gateway = Gateway::start().await;

    for (row, notice, expected) in [
        ("REJECTED on -Accepted", verification("Accepted").with("status", "REJECTED"), Rejected("status: ")),
        ("ACCEPTED on -InProgress", verification("InProgress").with("status", "ACCEPTED"), Rejected("status: ")),
        ("IN_PROGRESS on -Rejected", verification("Rejected").with("status", "IN_PROGRESS"), Rejected("status: ")),
        ("reason on ACCEPTED", verification("Accepted").with("reason", "BLURRED_SELFIE"), Warned("reason: given")),
        ("reason on IN_PROGRESS", verification("InProgress").with("reason", CANARY), Warned("reason: given")),
        ("reason null on REJECTED", verification("Rejected").with("reason", Value::Null), Warned("reason: missing")),
        ("reason missing on REJECTED", verification("Rejected").without("reason"), Warned("reason: missing")),
        ("status in small letters", verification("Rejected").with("status", "rejected"), Warned("status: ")),
    ] {
        check(&gateway, row, &notice, expected).await;
    }
}

#[tokio::test]
async fn an_unknown_reason_is_described_in_general_terms_and_an_unknown_status_is_rejected() {
    let gateway = Gateway::start().await;

    for reason in [
        "INVALID_CUSTOMER_DATA",
        "BLURRED_DOCUMENT_PHOTO",
        "INVALID_DOCUMENT_PHOTO",
        "BLURRED_SELFIE",
        "INVALID_SELFIE",
    ] {
        check(&gateway, reason, &verification("Rejected").with("reason", reason), Accepted).await;
    }
    for reason in [json!(CANARY), json!("OTHER"), json!(""), json!(7), json!([CANARY])] {
        let notice = verification("Rejected").with("reason", reason.clone());
        check(&gateway, &reason.to_string(), &notice, Warned("reason: missing or unknown")).await;
    }
    for step in STEPS {
        for status in [json!(CANARY), json!("EXPIRED"), json!(""), Value::Null, json!(1), json!([])] {
            let notice = verification(step).with("status", status.clone());
            check(&gateway, &format!("{step} {status}"), &notice, Rejected("status: ")).await;
        }
        check(&gateway, "status missing", &verification(step).without("status"), Rejected("status: ")).await;
    }
}

#[tokio::test]
async fn a_verification_id_may_be_written_in_any_way_and_a_user_is_1_to_20_digits() {
    of(
        "verificationId",
        &[
            (json!("6faaa45a-41f6-4922-95fe-16e316ba7e91"), Accepted),
            (json!("b334b384-328c-11ed-a261-0242ac120002"), Warned("verificationId: ")),
            (json!("6FAAA45A-41F6-4922-95FE-16E316BA7E91"), Warned("verificationId: ")),
            (json!("{6faaa45a-41f6-4922-95fe-16e316ba7e91}"), Warned("verificationId: ")),
            (json!(CANARY), Warned("verificationId: ")),
            (json!(""), Warned("verificationId: ")),
            (json!(7), Warned("verificationId: ")),
            (Value::Null, Warned("verificationId: ")),
        ],
    )
    .await;
    of(
        "userId",
        &[
            (json!("1337"), Accepted),
            (json!("0042"), Accepted),
            (json!(1337), Accepted),
            (Value::Null, Rejected("userId: ")),
            (json!(""), Rejected("userId: ")),
            (json!("-1"), Rejected("userId: ")),
            (json!(-1), Rejected("userId: ")),
            (json!("1".repeat(21)), Rejected("userId: ")),
            (json!(CANARY), Rejected("userId: ")),
            (json!("6faaa45a-41f6-4922-95fe-16e316ba7e91"), Rejected("userId: ")),
            (json!([1337]), Rejected("userId: ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_mailbox_is_one_plain_address_or_absent() {
    of(
        "email",
        &[
            (Value::Null, Warned("email: missing")),
            (json!(format!("{CANARY}@example.org,b@example.org")), Rejected("email: ")),
            (json!(format!("{CANARY}@example.org\r\nBcc:x@example.org")), Rejected("email: ")),
            (json!(format!("TestRecipient <{CANARY}@example.org>")), Rejected("email: ")),
            (json!("one@żółw.example"), Accepted),
            (json!(format!("{}@example.org", "a".repeat(288))), Rejected("email: ")),
            (json!("\"a b\"@example.org"), Accepted),
            // Not in the table.
            (json!(""), Warned("email: empty")),
            (json!(mailbox_of(254)), Accepted),
            (json!(mailbox_of(255)), Rejected("email: ")),
            (json!("źdźbło@example.org"), Accepted),
            (json!("\"a..b\"@example.org"), Accepted),
            (json!(format!("{CANARY}..b@example.org")), Rejected("email: ")),
            (json!(format!(".{CANARY}@example.org")), Rejected("email: ")),
            (json!(format!("{CANARY}@-example.org")), Rejected("email: ")),
            (json!(format!("{CANARY}@192.0.2.1")), Rejected("email: ")),
            (json!(format!("\"ź{CANARY}\"@example.org")), Rejected("email: ")),
            (json!(format!("{CANARY}@example.org;b@example.org")), Rejected("email: ")),
            (json!(format!("{CANARY}@@example.org")), Rejected("email: ")),
            (json!(CANARY), Rejected("email: ")),
            (json!(7), Rejected("email: ")),
            (json!([CANARY]), Rejected("email: ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn without_a_mailbox_and_without_a_recipient_nothing_is_sent() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("with a phone only").user("2").phone("+48600100200")]).await;

    for step in STEPS {
        for (user, reason) in [("1", "unknown_recipient"), ("2", "no_contact")] {
            gateway.post(&verification(step).with("userId", user).without("email")).await.expect_status(204);
            gateway.drain().await;
            let line = gateway.last().await.line;
            assert_eq!((line.state.as_str(), line.end_reason.as_deref()), ("undeliverable", Some(reason)));
        }
    }

    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn an_e_mail_reaches_every_mailbox_that_is_accepted() {
    let gateway = Gateway::start().await;
    let rows = [
        ("\"a b\"@example.org".to_owned(), "\"a b\"@example.org".to_owned()),
        // Every relay accepts it in this form.
        ("one@żółw.example".to_owned(), "one@xn--w-uga1v8h.example".to_owned()),
        ("źdźbło@example.org".to_owned(), "źdźbło@example.org".to_owned()),
        ("\"a..b\"@example.org".to_owned(), "\"a..b\"@example.org".to_owned()),
        (mailbox_of(254), mailbox_of(254)),
    ];

    for (posted, reached) in rows {
        gateway.post(&verification("Accepted").with("email", posted.as_str())).await.expect_status(204);
        gateway.drain().await;
        assert_eq!(gateway.last().await.line.state, "sent", "{posted}");
        assert_eq!(gateway.email().received().last().unwrap().to, reached);
    }
}

#[tokio::test]
async fn a_name_may_be_any_text() {
    let odd = [
        json!(format!("<b>{CANARY}</b>")),
        json!(format!("{CANARY}\u{202e}abc")),
        json!("🙂"),
        json!("x".repeat(1000)),
        json!(""),
        Value::Null,
        json!("https://example.org/x"),
        json!("+48 600 100 200"),
        json!("{{otp}}"),
        json!("a\r\nb"),
        json!(7),
        json!([CANARY]),
    ];
    for field in ["firstName", "lastName"] {
        let mut rows: Vec<_> = odd.iter().map(|name| (name.clone(), Warned(field))).collect();
        rows.extend([(json!("Łucja"), Accepted), (json!("Anna-Maria"), Accepted), (json!("דוד"), Accepted)]);
        of(field, &rows).await;
    }
}

#[tokio::test]
async fn a_hostile_name_becomes_no_link_no_number_no_markup_and_no_template() {
    let gateway = Gateway::start().await;

    for name in [
        "https://evil.example/x",
        "www.evil.example",
        "+48 600 100 200",
        "<b>x</b><a href='https://evil.example'>",
        "\u{202e}elpmaxe",
        "{{otp}} {{{otp}}}",
        "x\r\nBcc: y@example.org",
    ] {
        for step in STEPS {
            gateway.post(&verification(step).with("firstName", name)).await.expect_status(204);
        }
    }
    gateway.drain().await;

    let mails = gateway.email().received();
    assert_eq!(mails.len(), 21);
    for mail in &mails {
        let bad = ["https://", "evil.example", "600 100 200", "\u{202e}", "\nBcc"];
        assert!(bad.iter().all(|bad| !mail.text.contains(bad)), "{}", mail.text);
        assert_eq!(mail.to, "one@example.org");
    }
}

#[tokio::test]
async fn every_identity_verification_is_sent_in_the_order_of_arrival() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("one").user("1337").app("token")]).await;

    for (key, step) in
        [("1", "Accepted"), ("2", "InProgress"), ("3", "InProgress"), ("4", "Rejected"), ("5", "Accepted")]
    {
        gateway.post(&verification(step).key(key)).await.expect_status(204);
    }
    gateway.drain().await;

    let titles: Vec<_> = gateway.push().received().iter().map(|push| push.title.clone().unwrap()).collect();
    let begun = "Sprawdzamy Twoje dane";
    let done = "Tożsamość potwierdzona";
    assert_eq!(titles, [done, begun, begun, "Nie udało się potwierdzić tożsamości", done]);
    let recorded: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.idempotency_key.unwrap()).collect();
    assert_eq!(recorded, ["1", "2", "3", "4", "5"]);
}

// Each row on all three endpoints.
async fn of(field: &'static str, rows: &[(Value, Expect)]) {
    let gateway = Gateway::start().await;
    for step in STEPS {
        for (value, expected) in rows {
            let notice: SampleNotification = verification(step);
            if value.is_null() {
                check(&gateway, &format!("{step}: {field} missing"), &notice.clone().without(field), *expected).await;
            }
            let row: String = format!("{step}: {field} = {value}").chars().take(80).collect();
            check(&gateway, &row, &notice.with(field, value.clone()), *expected).await;
        }
    }
}

// A mailbox of this many bytes: every part has its maximum length but the last one.
fn mailbox_of(bytes: usize) -> String {
    let rest = bytes - 64 - 1 - 64 - 64;
    format!("{}@{}.{}.{}", "a".repeat(64), "b".repeat(63), "c".repeat(63), "d".repeat(rest))
}
