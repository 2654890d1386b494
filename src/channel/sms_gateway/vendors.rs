//! Vendors that need no code of their own: the files in `config/providers` against what the vendors document.

use serde_json::{Value, json};

use super::super::{Settings, test_servers};
use crate::channel::receipt_feed::ReceiptSource;
use crate::channel::test_servers::http_answer;
use crate::domain::clock::Timestamp;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection, ReceiptStatus};

const AFRICAS_TALKING: &str = include_str!("../../../config/providers/africas_talking.toml");
const TERMII: &str = include_str!("../../../config/providers/termii.toml");
const VONAGE_SMS: &str = include_str!("../../../config/providers/vonage_sms.toml");
const ZENVIA: &str = include_str!("../../../config/providers/zenvia.toml");

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The section of a file, with `SECRET` for its secrets.
fn section(file: &str) -> Value {
    let source = config::File::from_str(file, config::FileFormat::Toml);
    let file: Value = config::Config::builder().add_source(source).build().unwrap().try_deserialize().unwrap();
    let mut section = file["provider"][0].clone();
    with_secrets(&mut section);
    section
}

fn with_secrets(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("file:") => *text = SECRET.to_owned(),
        Value::Object(table) => table.values_mut().for_each(with_secrets),
        _ => {}
    }
}

/// The request of the vendor's section: its first line and headers, and its body. The outcome of `answer`.
async fn sent(file: &str, status: &str, answer: &str) -> (String, String, Outcome) {
    let (url, received) = test_servers::http(http_answer(status, &[], answer)).await;
    let mut section = section(file);
    let documented = reqwest::Url::parse(section["url"].as_str().unwrap()).unwrap();
    section["url"] = format!("{}{}", url.trim_end_matches("/send"), documented.path()).into();
    let outcome = test_servers::connect(section).send(&test_servers::sms("Kod 0042: ż & ok")).await.outcome;
    let request = received.all().concat();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned(), outcome)
}

fn receipts(file: &str, headers: &[(&str, &str)], query: &str, body: &str) -> Result<ReceiptBatch, ReceiptRejection> {
    let settings: Settings = serde_json::from_value(section(file)).unwrap();
    let header = |name: &str| {
        headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes())
    };
    let callback = Callback { header: &header, query, body: body.as_bytes(), now: Timestamp::from_micros(0) };
    let Some(ReceiptSource::Callbacks(reader)) = settings.connect().unwrap().receipts else { unreachable!() };
    reader.receipts(&callback)
}

fn only(batch: Result<ReceiptBatch, ReceiptRejection>) -> (String, ReceiptStatus) {
    let receipts = batch.unwrap().receipts;
    assert_eq!(receipts.len(), 1, "{receipts:?}");
    (receipts[0].reference.as_str().to_owned(), receipts[0].status)
}

// The fields and the header are those of the vendor's own library (PyPI africastalking 2.0.3, SMS.py).
#[tokio::test]
async fn africas_talking_gets_a_form_and_its_code_decides() {
    let answer = |code: u32, status: &str| {
        json!({ "SMSMessageData": { "Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [{
            "statusCode": code, "number": "+48600100200", "status": status, "cost": "KES 0.8000", "messageId": "ATPid_1",
        }] } })
        .to_string()
    };
    let (head, body, outcome) = sent(AFRICAS_TALKING, "201 Created", &answer(101, "Success")).await;

    assert!(head.starts_with("POST /version1/messaging HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("\r\napikey: {SECRET}\r\n")) && head.contains("\r\naccept: application/json\r\n"));
    let fields: Vec<_> =
        form_urlencoded::parse(body.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let expected = [
        ("bulkSMSMode", "1"),
        ("from", "YourBank"),
        ("message", "Kod 0042: ż & ok"),
        ("to", "+48600100200"),
        ("username", "your-app"),
    ];
    assert_eq!(fields, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(outcome, Outcome::accepted(Reference::new("ATPid_1")));

    for (code, status, expected) in [
        (403, "InvalidPhoneNumber", Outcome::rejected(Cause::InvalidContact)),
        (406, "UserInBlacklist", Outcome::rejected(Cause::InvalidContact)),
        (402, "InvalidSenderId", Outcome::deferred(Cause::Account)),
        (405, "InsufficientBalance", Outcome::deferred(Cause::Account)),
        (500, "InternalServerError", Outcome::deferred(Cause::Unclassified)),
    ] {
        assert_eq!(sent(AFRICAS_TALKING, "201 Created", &answer(code, status)).await.2, expected, "{status}");
    }
    let (_, _, empty) = sent(AFRICAS_TALKING, "201 Created", r#"{"SMSMessageData":{"Recipients":[]}}"#).await;
    assert_eq!(empty, Outcome::unknown(Cause::Unclassified));
}

#[test]
fn africas_talking_reports_by_a_form_to_a_url_with_a_secret() {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let token = format!("token={SECRET}");
    let read = |query: &str, status: &str| {
        let body = format!("id=ATPid_1&status={status}&phoneNumber=%2B48600100200&networkCode=63902&retryCount=0");
        receipts(AFRICAS_TALKING, &form, query, &body)
    };
    assert_eq!(only(read(&token, "Success")), ("ATPid_1".to_owned(), ReceiptStatus::Delivered));
    assert_eq!(only(read(&token, "Rejected")), ("ATPid_1".to_owned(), ReceiptStatus::Undelivered));
    assert!(read(&token, "Buffered").unwrap().receipts.is_empty());
    for wrong in ["", "token=", "token=0123456789abcdef", &format!("{token}&{token}")] {
        assert_eq!(read(wrong, "Success"), Err(ReceiptRejection::Unsigned), "{wrong}");
    }
}

#[tokio::test]
async fn termii_gets_its_key_in_the_document() {
    let answer =
        r#"{"message_id":"9122821270554876574","message":"Successfully Sent","balance":9,"user":"Peter Mcleish"}"#;
    let (head, body, outcome) = sent(TERMII, "200 OK", answer).await;

    assert!(head.starts_with("POST /api/sms/send HTTP/1.1\r\n"), "{head}");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({ "to": "48600100200", "from": "YourBank", "sms": "Kod 0042: ż & ok", "type": "plain", "channel": "dnd", "api_key": SECRET })
    );
    assert_eq!(outcome, Outcome::accepted(Reference::new("9122821270554876574")));
    assert_eq!(sent(TERMII, "401 Unauthorized", "{}").await.2, Outcome::deferred(Cause::Unauthorized));
    assert_eq!(sent(TERMII, "200 OK", "{}").await.2, Outcome::unknown(Cause::Unclassified));
}

#[test]
fn termii_signs_reports_with_sha_512() {
    // The example in Termii's documentation.
    let body = r#"{"type":"outbound","message_id":"5964465985113503103","receiver":"2343459509389","status":"DELIVERED | Message delivered to handset"}"#;
    let key = openssl::pkey::PKey::hmac(SECRET.as_bytes()).unwrap();
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha512(), &key).unwrap();
    let signature = hex::encode(signer.sign_oneshot_to_vec(body.as_bytes()).unwrap());
    let read = |signature: &str| receipts(TERMII, &[("X-Termii-Signature", signature)], "", body);
    assert_eq!(only(read(&signature)), ("5964465985113503103".to_owned(), ReceiptStatus::Delivered));
    assert_eq!(read(&signature.replace('a', "b")), Err(ReceiptRejection::Unsigned));
    assert_eq!(read(&signature[..64]), Err(ReceiptRejection::Unsigned));
}

// The document is that of the vendor's sample (github.com/zenvia/zenvia-openapi-spec, sms-messages/sample.sh).
#[tokio::test]
async fn zenvia_gets_the_text_in_a_list_of_contents() {
    let answer =
        r#"{"id":"z-1","from":"sender-identifier","to":"48600100200","direction":"OUT","channel":"sms","contents":[]}"#;
    let (head, body, outcome) = sent(ZENVIA, "200 OK", answer).await;

    assert!(head.starts_with("POST /v2/channels/sms/messages HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nx-api-token: {SECRET}\r\n")), "{head}");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({ "from": "sender-identifier", "to": "48600100200", "contents": [{ "type": "text", "text": "Kod 0042: ż & ok" }] })
    );
    assert_eq!(outcome, Outcome::accepted(Reference::new("z-1")));
    let error = r#"{"code":"VALIDATION_ERROR","message":"Validation error"}"#;
    assert_eq!(sent(ZENVIA, "400 Bad Request", error).await.2, Outcome::deferred(Cause::Unclassified));
}

#[test]
fn zenvia_reports_with_a_header_of_the_subscription() {
    let read = |token: &str, status: &str| {
        let body = json!({ "id": "e-1", "type": "MESSAGE_STATUS", "channel": "sms", "messageId": "z-1", "contentIndex": 0,
                           "messageStatus": { "timestamp": "2026-11-28T00:00:00Z", "code": status } });
        receipts(ZENVIA, &[("X-Otpost-Token", token)], "", &body.to_string())
    };
    assert_eq!(only(read(SECRET, "DELIVERED")), ("z-1".to_owned(), ReceiptStatus::Delivered));
    assert_eq!(only(read(SECRET, "NOT_DELIVERED")), ("z-1".to_owned(), ReceiptStatus::Undelivered));
    assert!(read(SECRET, "SENT").unwrap().receipts.is_empty());
    assert_eq!(read("wrong", "DELIVERED"), Err(ReceiptRejection::Unsigned));
}

// The fields and answers are those of the vendor's own description (Nexmo/api-specification, definitions/sms.yml 1.0.10).
#[tokio::test]
async fn the_older_sms_api_of_vonage_gets_milliseconds_and_its_status_inside_a_success_decides() {
    let answer = |status: &str| {
        json!({ "message-count": "1", "messages": [{ "to": "48600100200", "message-id": "aaaaaaaa-bbbb", "status": status,
                "remaining-balance": "3.14159265", "message-price": "0.03330000", "network": "12345" }] })
        .to_string()
    };
    let (head, body, outcome) = sent(VONAGE_SMS, "200 OK", &answer("0")).await;

    assert!(head.starts_with("POST /sms/json HTTP/1.1\r\n"), "{head}");
    let fields: Vec<_> =
        form_urlencoded::parse(body.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let reference = test_servers::delivery().to_string();
    let expected = [
        ("api_key", SECRET),
        ("api_secret", SECRET),
        ("client-ref", &reference),
        ("from", "YourBank"),
        ("text", "Kod 0042: ż & ok"),
        ("to", "48600100200"),
        ("ttl", "299000"),
        ("type", "unicode"),
    ];
    assert_eq!(fields, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(outcome, Outcome::accepted(Reference::new("aaaaaaaa-bbbb")));
    for (status, expected) in [
        ("1", Outcome::deferred(Cause::Throttled)),
        ("4", Outcome::deferred(Cause::Account)),
        ("5", Outcome::deferred(Cause::Unclassified)),
        ("7", Outcome::rejected(Cause::InvalidContact)),
        ("9", Outcome::deferred(Cause::Account)),
        ("12", Outcome::rejected(Cause::BadMessage)),
        ("33", Outcome::rejected(Cause::InvalidContact)),
    ] {
        assert_eq!(sent(VONAGE_SMS, "200 OK", &answer(status)).await.2, expected, "{status}");
    }
    assert_eq!(sent(VONAGE_SMS, "200 OK", "{}").await.2, Outcome::unknown(Cause::Unclassified));
}

#[test]
fn the_older_sms_api_of_vonage_reports_to_a_url_with_a_secret() {
    let token = format!("token={SECRET}");
    let read = |query: &str, status: &str| {
        let body = json!({ "msisdn": "48600100200", "to": "YourBank", "messageId": "aaaaaaaa-bbbb", "status": status, "err-code": "0" });
        receipts(VONAGE_SMS, &[("Content-Type", "application/json")], query, &body.to_string())
    };
    assert_eq!(only(read(&token, "delivered")), ("aaaaaaaa-bbbb".to_owned(), ReceiptStatus::Delivered));
    assert_eq!(only(read(&token, "rejected")), ("aaaaaaaa-bbbb".to_owned(), ReceiptStatus::Undelivered));
    assert_eq!(only(read(&token, "expired")), ("aaaaaaaa-bbbb".to_owned(), ReceiptStatus::Expired));
    assert!(read(&token, "buffered").unwrap().receipts.is_empty());
    assert_eq!(read("", "delivered"), Err(ReceiptRejection::Unsigned));
}
