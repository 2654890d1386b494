//! Card payments: the fields that can reject one, and all those that cannot.

use serde_json::{Value, json};

use super::{Accepted, CANARY, Expect, Rejected, Warned, check};
use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, recipient, transaction};

#[tokio::test]
async fn a_payment_needs_an_id_a_card_an_amount_a_currency_and_two_statuses() {
    of(
        "transaction.id",
        &[
            (json!("91b7ab2c-4d5b-4b4f-9d6c-1d6b3f3f7a11"), Accepted),
            (json!("9".repeat(64)), Accepted),
            (json!(777), Accepted),
            (Value::Null, Rejected("transaction.id: ")),
            (json!(""), Rejected("transaction.id: ")),
            (json!("9".repeat(65)), Rejected("transaction.id: ")),
            (json!(format!("{CANARY} x")), Rejected("transaction.id: ")),
            (json!("żółw"), Rejected("transaction.id: ")),
            (json!({"id": CANARY}), Rejected("transaction.id: ")),
        ],
    )
    .await;
    of(
        "transaction.cardId",
        &[
            (json!("1337"), Accepted),
            (json!("0042"), Accepted),
            (json!(1337), Accepted),
            (Value::Null, Rejected("transaction.cardId: ")),
            (json!(""), Rejected("transaction.cardId: ")),
            (json!(CANARY), Rejected("transaction.cardId: ")),
            (json!("-1"), Rejected("transaction.cardId: ")),
            (json!("1".repeat(21)), Rejected("transaction.cardId: ")),
            (json!(13.37), Rejected("transaction.cardId: ")),
        ],
    )
    .await;
    of(
        "transaction.amount",
        &[
            (json!(1000), Accepted),
            (json!("1000"), Accepted),
            (json!(0), Accepted),
            (Value::Null, Rejected("transaction.amount: ")),
            (json!(-1000), Rejected("transaction.amount: ")),
            (json!(10.5), Rejected("transaction.amount: ")),
            (json!("10.50"), Rejected("transaction.amount: ")),
            (json!("12345678901234567890"), Rejected("transaction.amount: ")),
            (json!(CANARY), Rejected("transaction.amount: ")),
        ],
    )
    .await;
    of(
        "transaction.currency",
        &[
            (json!("PLN"), Accepted),
            (json!("pln"), Warned("transaction.currency: ")),
            (json!("XQQ"), Warned("transaction.currency: ")),
            (Value::Null, Rejected("transaction.currency: ")),
            (json!("985"), Rejected("transaction.currency: ")),
            (json!(CANARY), Rejected("transaction.currency: ")),
        ],
    )
    .await;
    for field in ["status", "transaction.status"] {
        let refused = if field == "status" { Rejected("status: ") } else { Rejected("transaction.status: ") };
        let rows = [Value::Null, json!(""), json!(1), json!([CANARY])].map(|value| (value, refused));
        of(field, &rows).await;
    }
}

#[tokio::test]
async fn an_unknown_status_is_described_in_general_terms() {
    let gateway = Gateway::start().await;
    let rows = [
        ("SUCCESS", "AUTHORIZED", Accepted),
        ("SUCCESS", "CLEARED", Accepted),
        ("SUCCESS", "REVERSED", Accepted),
        ("DECLINED", "AUTHORIZED", Accepted),
        ("INVALID", "AUTHORIZED", Accepted),
        ("DECLINED", CANARY, Accepted),
        ("SUCCESS", CANARY, Warned("status: unknown")),
        (CANARY, "AUTHORIZED", Warned("status: unknown")),
    ];

    for (at, (outcome, stage, expected)) in rows.into_iter().enumerate() {
        let notice = numbered(&gateway, at).with("status", outcome).with_inner("transaction.status", stage);
        check(&gateway, &format!("{outcome}, {stage}"), &notice, expected).await;
    }
}

#[tokio::test]
async fn no_other_field_rejects_a_payment() {
    let odd = [Value::Null, json!(""), json!("x".repeat(3000)), json!(-1.5), json!(true), json!([CANARY]), json!({})];
    let noted = [
        ("transaction.balanceId", Warned("transaction.balanceId: ")),
        ("transaction.category", Warned("transaction.category: ")),
        ("transaction.description", Warned("transaction.description: ")),
        ("transaction.transactionData.lastFourDigits", Warned("transaction.transactionData.lastFourDigits: ")),
        ("transaction.transactionData", Warned("transaction.transactionData.lastFourDigits: ")),
    ];
    let unread = [
        "date",
        "description",
        "transaction.resourceId",
        "transaction.resource",
        "transaction.externalTransactionId",
        "transaction.referenceExternalTransactionId",
        "transaction.type",
        "transaction.originalAmount",
        "transaction.originalCurrency",
        "transaction.date",
        "transaction.referenceExternalTransactionDate",
        "transaction.transactionData.mcc",
        "transaction.transactionData.merchantIdentifier",
        "transaction.transactionData.captureMode",
        "transaction.transactionData.acquirerCountry",
    ];

    for (field, expected) in noted.into_iter().chain(unread.map(|field| (field, Accepted))) {
        of(field, &odd.clone().map(|value| (value, expected))).await;
    }
    of("transaction.transactionData.lastFourDigits", &[(json!("0042"), Accepted), (json!(42), Accepted)]).await;
    of("transaction.category", &[(json!("CREDIT"), Accepted), (json!("debit"), Accepted)]).await;
}

#[tokio::test]
async fn a_transaction_without_a_payment_object_is_rejected() {
    let gateway = Gateway::start().await;
    let sample = transaction(gateway.now());

    for value in [json!(CANARY), json!([{"id": "1"}]), Value::Null, json!(7), json!(false), json!({})] {
        let row = format!("transaction = {value}");
        check(&gateway, &row, &sample.clone().with("transaction", value), Rejected("transaction.id: ")).await;
    }
    check(&gateway, "transaction missing", &sample.without("transaction"), Rejected("transaction.id: ")).await;
}

#[tokio::test]
async fn inner_objects_are_read_as_strictly_as_the_outer_one() {
    let gateway = Gateway::start().await;
    let json = transaction(gateway.now()).json();
    let inside = |more: &str| json.replacen("\"transaction\":{", &format!("\"transaction\":{{{more},"), 1);
    let deeper = |more: &str| json.replacen("\"transactionData\":{", &format!("\"transactionData\":{{{more},"), 1);
    let deep = format!("{}1{}", "{\"y\":".repeat(200), "}".repeat(200));
    let outside = |more: &str| format!("{},{more}}}", &json[..json.len() - 1]);

    for (row, body) in [
        ("a field twice", inside("\"id\":\"1\"")),
        ("a field twice, equal", inside("\"cardId\":\"1337\"")),
        ("a field twice, escaped", inside(&format!("\"\\u0069d\":\"{CANARY}\""))),
        ("a field twice, further in", deeper("\"lastFourDigits\":\"1234\"")),
        ("a field twice that is not needed", inside("\"category\":\"DEBIT\"")),
        ("an object twice", inside("\"transactionData\":{}")),
        ("an object twice, once as something else", inside("\"transactionData\":null")),
        ("the payment twice", outside("\"transaction\":{}")),
        ("nested 200 deep", inside(&format!("\"x\":{deep}"))),
        ("nested 200 deep, further in", deeper(&format!("\"x\":{deep}"))),
        ("nested 200 deep in a wanted field", inside(&format!("\"category\":{deep}"))),
        ("NUL", inside("\"x\":\"a\\u0000b\"")),
        ("lone surrogate", deeper("\"x\":\"\\ud800\"")),
    ] {
        check(&gateway, row, &transaction(gateway.now()).body(body), Rejected("")).await;
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_in_every_object_and_under_every_name() {
    let gateway = Gateway::start().await;
    let many = (0..700).map(|number| (number.to_string(), json!(0))).collect::<serde_json::Map<_, _>>();
    let rows = [
        ("inside", "transaction.x", json!(CANARY), Accepted),
        ("further in", "transaction.transactionData.x", json!([{"id": CANARY}]), Accepted),
        ("an object like one that is known", "transactionData", json!({"lastFourDigits": CANARY}), Accepted),
        ("a field like one inside", "id", json!(CANARY), Accepted),
        ("very many, further in", "transaction.transactionData", Value::Object(many), Warned("very many unknown")),
    ];

    for (at, (row, path, value, expected)) in rows.into_iter().enumerate() {
        check(&gateway, row, &numbered(&gateway, at).with_inner(path, value), expected).await;
    }
    for (at, name) in ["transaction.id", "transaction.", "transaction.transactionData", ".", ""].into_iter().enumerate()
    {
        for (of, value) in [json!(CANARY), json!({"lastFourDigits": CANARY, "mcc": 1})].into_iter().enumerate() {
            let notice = numbered(&gateway, 10 + 2 * at + of).with(name, value);
            check(&gateway, &format!("a field called {name:?}"), &notice, Accepted).await;
        }
    }
}

#[tokio::test]
async fn a_hostile_description_becomes_no_link_no_number_and_no_template() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").storage_card("1337").mailbox("one@example.org")]).await;
    let names = [
        "cancel at https://evil.example/x now",
        "call +48 600 100 200",
        "two\r\nlines",
        "\u{202e}elpmaxe",
        "{{amount}}",
        "<script>alert(1)</script>",
        "4111 1111 1111 1111",
    ];

    for (at, name) in names.into_iter().enumerate() {
        let notice = numbered(&gateway, at).with_inner("transaction.description", name);
        gateway.post(&notice).await.expect_status(204);
    }
    gateway.drain().await;

    let mails = gateway.email().received();
    assert_eq!(mails.len(), names.len());
    for mail in mails {
        let bad = ["https://", "evil.example", "600 100 200", "two\r", "two\n", "\u{202e}", "1111 1111"];
        assert!(bad.iter().all(|bad| !mail.text.contains(bad)), "{}", mail.text);
        assert_eq!(mail.text.matches("10,00").count(), 1, "{}", mail.text);
    }
}

// No two are duplicates.
fn numbered(gateway: &Gateway, at: usize) -> SampleNotification {
    transaction(gateway.now()).with_inner("transaction.id", format!("row-{at}"))
}

async fn of(field: &str, rows: &[(Value, Expect)]) {
    let gateway = Gateway::start().await;
    for (at, (value, expected)) in rows.iter().enumerate() {
        let notice = numbered(&gateway, 2 * at);
        if value.is_null() {
            let notice = numbered(&gateway, 2 * at + 1).without_inner(field);
            check(&gateway, &format!("{field} missing"), &notice, *expected).await;
        }
        let row: String = format!("{field} = {value}").chars().take(80).collect();
        check(&gateway, &row, &notice.with_inner(field, value.clone()), *expected).await;
    }
}
