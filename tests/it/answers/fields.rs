//! The fields of an OTP.

use serde_json::{Value, json};

use super::{Accepted, CANARY, Expect, Rejected, Warned, check};
use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, otp, recipient};

#[tokio::test]
async fn an_otp_is_1_to_16_ascii_letters_or_digits() {
    let canary = |rest: &str| json!(format!("{CANARY}{rest}"));
    of(
        "otp",
        &[
            (json!("AbC123"), Accepted),
            (json!("004242"), Accepted),
            (json!("1234567890123456"), Accepted),
            (json!("1111"), Warned("otp: short")),
            (json!("0042"), Warned("otp: short")),
            (json!(123_456), Warned("otp: a number")),
            (json!(1111), Warned("otp: a number")),
            (Value::Null, Rejected("otp: ")),
            (json!(""), Rejected("otp: ")),
            (json!("   "), Rejected("otp: ")),
            (canary("\n"), Rejected("otp: ")),
            (json!(" 123456"), Rejected("otp: ")),
            (canary("12345678901"), Rejected("otp: ")),
            (json!("١٢٣٤٥٦"), Rejected("otp: ")),
            (json!("１２３４５６"), Rejected("otp: ")),
            (json!("12🔑34"), Rejected("otp: ")),
            (canary("<b>1"), Rejected("otp: ")),
            (json!("{{otp}}"), Rejected("otp: ")),
            (canary("\r\nBcc: x"), Rejected("otp: ")),
            (json!(12.5), Rejected("otp: ")),
            (json!(-1111), Rejected("otp: ")),
            (json!(true), Rejected("otp: ")),
            (json!([CANARY]), Rejected("otp: ")),
            (json!({"otp": CANARY}), Rejected("otp: ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_customer_is_1_to_20_digits_as_text_or_number() {
    of(
        "storageCustomerId",
        &[
            (json!("1"), Accepted),
            (json!("12345678901234567890"), Accepted),
            (json!("007"), Accepted),
            (json!(1337), Accepted),
            (Value::Null, Rejected("storageCustomerId: ")),
            (json!(""), Rejected("storageCustomerId: ")),
            (json!("-1"), Rejected("storageCustomerId: ")),
            (json!(-1), Rejected("storageCustomerId: ")),
            (json!("123456789012345678901"), Rejected("storageCustomerId: ")),
            (json!(format!("1 OR 1=1 {CANARY}")), Rejected("storageCustomerId: ")),
            (json!(13.37), Rejected("storageCustomerId: ")),
            (json!("1337.0"), Rejected("storageCustomerId: ")),
            (json!(" 1337"), Rejected("storageCustomerId: ")),
            (json!("١٣٣٧"), Rejected("storageCustomerId: ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_malformed_card_or_balance_is_accepted_with_a_warning() {
    let odd = [Value::Null, json!(""), json!(CANARY), json!(-1), json!(1.5), json!([]), json!("1".repeat(21))];
    for field in ["storageCardId", "balanceId"] {
        let rows: Vec<_> = odd.iter().map(|value| (value.clone(), Warned(field))).collect();
        of(field, &rows).await;
    }
    of("storageCardId", &[(json!(1337), Accepted), (json!("0001"), Accepted)]).await;
    let v4 = json!("1b4e28ba-2fa1-41d2-883f-0016d3cca427");
    of("balanceId", &[(v4, Accepted), (json!("B334B384-328C-11ED-A261-0242AC120002"), Accepted)]).await;
}

#[tokio::test]
async fn an_amount_is_1_to_19_digits_of_minor_units() {
    of(
        "amount",
        &[
            (json!("1000"), Accepted),
            (json!(1000), Accepted),
            (json!("0"), Accepted),
            (json!(0), Accepted),
            (json!("9999999999999999999"), Accepted),
            (Value::Null, Rejected("amount: ")),
            (json!(""), Rejected("amount: ")),
            (json!("-1000"), Rejected("amount: ")),
            (json!(-1000), Rejected("amount: ")),
            (json!("10.50"), Rejected("amount: ")),
            (json!(10.5), Rejected("amount: ")),
            (json!("1e3"), Rejected("amount: ")),
            (json!(1e3), Rejected("amount: ")),
            (json!(" 1000"), Rejected("amount: ")),
            (json!("1 000"), Rejected("amount: ")),
            (json!("1,000"), Rejected("amount: ")),
            (json!("12345678901234567890"), Rejected("amount: ")),
            (json!(format!("{CANARY}1")), Rejected("amount: ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_currency_is_three_letters() {
    of(
        "currency",
        &[
            (json!("PLN"), Accepted),
            (json!("JPY"), Accepted),
            (json!("KWD"), Accepted),
            (json!("pln"), Warned("currency: not in capitals")),
            (json!("XQQ"), Warned("currency: not listed")),
            (Value::Null, Rejected("currency: ")),
            (json!(""), Rejected("currency: ")),
            (json!("PL"), Rejected("currency: ")),
            (json!("PLNN"), Rejected("currency: ")),
            (json!("985"), Rejected("currency: ")),
            (json!(985), Rejected("currency: ")),
            (json!("P1N"), Rejected("currency: ")),
            (json!("PLŃ"), Rejected("currency: ")),
            (json!(CANARY), Rejected("currency: ")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_merchant_name_may_be_any_text() {
    let odd = [
        "x".repeat(5000),
        format!("{CANARY}\u{202e}abc"),
        "zero\u{200b}width".to_owned(),
        "two\nlines".to_owned(),
        format!("https://{CANARY}.example/pay"),
        "call +48 600 100 200".to_owned(),
        "pаypal".to_owned(),
        format!("<script>{CANARY}</script>"),
        "{{otp}}".to_owned(),
        "=CMD()".to_owned(),
        "4111 1111 1111 1111".to_owned(),
        "   ".to_owned(),
    ];
    let mut rows: Vec<(Value, Expect)> = odd.iter().map(|name| (json!(name), Warned("merchantName: "))).collect();
    rows.extend([
        (json!("Żabka Z1234"), Accepted),
        (json!("H&M"), Accepted),
        (Value::Null, Rejected("merchantName: ")),
        (json!(""), Rejected("merchantName: ")),
        (json!(7), Warned("merchantName: a number")),
        (json!([CANARY]), Rejected("merchantName: ")),
    ]);
    of("merchantName", &rows).await;
}

#[tokio::test]
async fn amounts_are_shown_with_the_decimals_of_their_currency() {
    for (currency, shown) in [("PLN", "12,34"), ("JPY", "1234"), ("KWD", "1,234"), ("XQQ", "1234")] {
        let text = sent(&otp().with("amount", "1234").with("currency", currency)).await;
        let plain = text.replace(['\u{a0}', '\u{202f}', ' '], "");
        assert!(plain.contains(shown), "{currency}: {text}");
    }
}

#[tokio::test]
async fn a_hostile_merchant_name_becomes_no_link_no_number_no_second_line_and_no_template() {
    for name in [
        "cancel at https://evil.example/x now",
        "call +48 600 100 200",
        "two\r\nlines",
        "\u{202e}elpmaxe",
        "{{otp}}",
        "<script>alert(1)</script>",
        "4111 1111 1111 1111",
    ] {
        let text = sent(&otp().with("merchantName", name)).await;
        let bad = ["https://", "evil.example", "600 100 200", "\n", "\r", "\u{202e}", "1111 1111"];
        assert!(bad.iter().all(|bad| !text.contains(bad)), "{name:?} became {text:?}");
        assert_eq!(text.matches("48151623").count(), 1, "{text}");
    }
}

#[tokio::test]
async fn leading_zeros_reach_the_recipient() {
    let text = sent(&otp().code("004200")).await;
    assert!(text.contains("004200"), "{text}");
}

async fn of(field: &str, rows: &[(Value, Expect)]) {
    let gateway = Gateway::start().await;
    let missing = rows.iter().find(|(value, _)| value.is_null());
    if let Some((_, expected)) = missing {
        check(&gateway, &format!("{field} missing"), &otp().without(field), *expected).await;
    }
    for (value, expected) in rows {
        let row: String = format!("{field} = {value}").chars().take(80).collect();
        check(&gateway, &row, &otp().with(field, value.clone()), *expected).await;
    }
}

async fn sent(notice: &SampleNotification) -> String {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600999888")]).await;
    gateway.post(notice).await.expect_status(204);
    gateway.drain().await;
    gateway.sms("primary").received()[0].text.clone()
}
