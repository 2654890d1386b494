//! Messages, access tokens and answers of FCM, over real sockets.

use openssl::rsa::Rsa;
use serde_json::{Value, json};

use super::super::test_servers;
use super::*;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::Channel;
use crate::domain::outcome::Reference;
use crate::domain::secret::RenderedText;

fn service_account(token_uri: &str) -> String {
    let key = openssl::pkey::PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    json!({
        "type": "service_account", "project_id": "bank-1", "client_email": "otpost@bank-1.example", "token_uri": token_uri,
        "private_key": String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap(),
    })
    .to_string()
}

async fn token_server() -> (String, test_servers::ReceivedRequests) {
    let answer = r#"{"access_token":"ya29.t-0","expires_in":3599,"token_type":"Bearer"}"#;
    test_servers::http(test_servers::http_answer("200 OK", &[], answer)).await
}

fn section(url: &str, token_uri: &str) -> Value {
    json!({ "kind": "fcm", "name": "app", "service_account": service_account(token_uri), "url": url })
}

fn code() -> OutboundMessage {
    let code = Some(RenderedText::new("0042".to_owned()));
    OutboundMessage { code, ..test_servers::push("Confirm your payment", "Code 0042 to pay") }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_a_code_travels_in_the_data_only() {
    let (token_uri, asked) = token_server().await;
    let answer = test_servers::http_answer("200 OK", &[], r#"{"name":"projects/bank-1/messages/0:1"}"#);
    let (url, received) = test_servers::http(answer).await;
    let provider = test_servers::connect(section(&url, &token_uri));

    for _ in 0..2 {
        let outcome = provider.send(&code()).await.outcome;
        assert_eq!(outcome, Outcome::accepted(Reference::new("projects/bank-1/messages/0:1")));
    }

    assert_eq!(asked.all().len(), 1);
    assert!(asked.all()[0].contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"));
    let request = &received.all()[1];
    assert!(request.starts_with("POST /v1/projects/bank-1/messages:send HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer ya29.t-0\r\n"), "{request}");
    let message: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let message = &message["message"];
    assert_eq!(
        (&message["token"], &message["notification"]),
        (&json!("token-1"), &json!({ "title": "Confirm your payment" }))
    );
    let expiration: i64 = message["apns"]["headers"]["apns-expiration"].as_str().unwrap().parse().unwrap();
    let now = SystemClock.now().micros() / 1_000_000;
    assert!((now..=now + 299).contains(&expiration), "{expiration} {now}");
    assert_eq!((&message["data"]["body"], &message["android"]["ttl"]), (&json!("Code 0042 to pay"), &json!("299s")));
}

#[tokio::test]
async fn what_is_no_code_is_shown_and_a_code_too_if_the_settings_allow_it() {
    let provider = |changes: Value| {
        let mut given = json!({ "service_account": service_account("https://oauth2.example/token") });
        given.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let settings: Settings = serde_json::from_value(given).unwrap();
        let common = test_servers::common("app", Channel::Push);
        let account = ServiceAccount::parse("app", &settings.service_account).unwrap();
        let tokens = Arc::new(AccessTokens::of_account(&common, account, SCOPE).unwrap());
        Messages { url: "https://fcm.example".parse().unwrap(), settings, tokens }
    };
    let body = |messages: &Messages, message: &OutboundMessage| match messages.request(message).unwrap().body {
        Body::Json(body) => body["message"].clone(),
        Body::Form(_) | Body::Sealed(_) | Body::None => unreachable!("FCM takes JSON"),
    };
    let plain = body(&provider(json!({})), &test_servers::push("Card locked", "Your card is locked"));
    assert_eq!(plain["notification"], json!({ "title": "Card locked", "body": "Your card is locked" }));
    let shown = body(&provider(json!({ "show_code_on_lock_screen": true, "address": "fid" })), &code());
    assert_eq!((&shown["notification"]["body"], &shown["fid"]), (&json!("Code 0042 to pay"), &json!("token-1")));
    assert_eq!(shown["token"], Value::Null);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_reason_is_said() {
    let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], "{}")).await;
    for (status, body, cause, detail) in [
        ("400 Bad Request", r#"{"error":"invalid_grant"}"#, Cause::Unauthorized, "no access token: HTTP 400"),
        ("503 Down", "", Cause::Unreachable, "no access token: HTTP 503"),
        ("200 OK", "<html>", Cause::Unreachable, "no access token: the answer is no access token"),
    ] {
        let (token_uri, _) = test_servers::http(test_servers::http_answer(status, &[], body)).await;
        let result = test_servers::connect(section(&url, &token_uri)).send(&code()).await;
        assert_eq!((result.outcome, result.detail.unwrap().as_str()), (Outcome::deferred(cause), detail));
    }
    assert_eq!(received.all().len(), 0);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_asked_for_anew() {
    let (token_uri, asked) = token_server().await;
    let answer = r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#;
    let (url, _) = test_servers::http(test_servers::http_answer("401 No", &[], answer)).await;
    let provider = test_servers::connect(section(&url, &token_uri));

    for _ in 0..2 {
        assert_eq!(provider.send(&code()).await.outcome, Outcome::deferred(Cause::Unauthorized));
    }

    assert_eq!(asked.all().len(), 2);
}

#[test]
fn every_documented_answer_has_an_outcome() {
    let settings: Settings =
        serde_json::from_value(json!({ "service_account": service_account("https://oauth2.example/token") })).unwrap();
    let account = ServiceAccount::parse("app", &settings.service_account).unwrap();
    let tokens =
        Arc::new(AccessTokens::of_account(&test_servers::common("app", Channel::Push), account, SCOPE).unwrap());
    let messages = Messages { url: "https://fcm.example".parse().unwrap(), settings, tokens };
    let error = |status: &str, code: &str| {
        let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
        json!({ "error": { "status": status, "details": [{ "@type": kind, "errorCode": code }] } }).to_string()
    };
    let violation = |field: &str| {
        json!({ "error": { "status": "INVALID_ARGUMENT", "details": [{ "fieldViolations": [{ "field": field }] }] } })
            .to_string()
    };
    for (status, body, outcome) in [
        (
            200,
            r#"{"name":"projects/p/messages/1"}"#.to_owned(),
            Outcome::accepted(Reference::new("projects/p/messages/1")),
        ),
        (200, "{}".to_owned(), Outcome::unknown(Cause::Unclassified)),
        (404, error("NOT_FOUND", "UNREGISTERED"), Outcome::rejected(Cause::ContactGone)),
        (403, error("PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Outcome::rejected(Cause::InvalidContact)),
        (400, violation("message.token"), Outcome::rejected(Cause::InvalidContact)),
        (400, violation("message.data"), Outcome::rejected(Cause::BadMessage)),
        (429, error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Outcome::deferred(Cause::Throttled)),
        (401, error("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), Outcome::deferred(Cause::Account)),
        (403, r#"{"error":{"status":"PERMISSION_DENIED"}}"#.to_owned(), Outcome::deferred(Cause::Unauthorized)),
        (404, "{}".to_owned(), Outcome::deferred(Cause::WrongUrl)),
        (503, error("UNAVAILABLE", "UNAVAILABLE"), Outcome::deferred(Cause::ProviderDown)),
        (500, error("INTERNAL", "INTERNAL"), Outcome::deferred(Cause::ProviderDown)),
    ] {
        assert_eq!(messages.outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()), outcome, "{body}");
    }
    assert_eq!(messages.error_code(error("NOT_FOUND", "UNREGISTERED").as_bytes()).as_deref(), Some("UNREGISTERED"));
}

#[test]
fn a_file_that_is_no_key_is_named_without_its_content() {
    let error = |file: &str| {
        let section = json!({ "kind": "fcm", "name": "app", "service_account": file });
        serde_json::from_value::<super::super::Settings>(section).unwrap().connect().err().unwrap().to_string()
    };
    assert!(error("not json").starts_with("provider app: service_account: expected the JSON key file"));
    let broken =
        json!({ "project_id": "p", "client_email": "e", "token_uri": "https://a.example", "private_key": "hush" });
    assert_eq!(error(&broken.to_string()), "provider app: service_account: private_key is no key in PEM");
}
