//! Requests and answers of APNs. HTTP/2 itself is tested against Node.js, in tests/it/partners.

use super::super::es256::Es256Key;
use super::super::test_servers;
use super::*;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::Contact;
use crate::domain::secret::RenderedText;

const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

fn section(changes: &Value) -> Value {
    let key = Es256Key::generate().unwrap().key().private_key_to_pem().unwrap();
    let mut section = json!({
        "kind": "apns", "name": "app", "private_key": String::from_utf8(key).unwrap(), "key_id": "ABC123DEFG",
        "team": "DEF123GHIJ", "topic": "com.bank.app",
    });
    section.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    section
}

fn notifications(changes: &Value) -> Notifications {
    let mut section = section(changes);
    section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
    let common = test_servers::common("app", crate::domain::contact::Channel::Push);
    Notifications::new(&serde_json::from_value(section).unwrap(), &common).unwrap()
}

fn message(code: Option<&str>) -> OutboundMessage {
    let to = Contact::restore(crate::domain::contact::Channel::Push, TOKEN);
    let code = code.map(|code| RenderedText::new(code.to_owned()));
    OutboundMessage { to, code, ..test_servers::push("Confirm your payment", "Code 0042 to pay") }
}

fn sent(notifications: &Notifications, code: Option<&str>) -> (HttpRequest, Value) {
    let mut request = notifications.request(&message(code)).unwrap();
    let Body::Json(body) = &mut request.body else { unreachable!("APNs takes JSON") };
    let body = body.take();
    (request, body)
}

#[test]
fn a_request_names_topic_expiration_and_delivery_and_hides_the_code_from_a_locked_screen() {
    let (request, body) = sent(&notifications(&json!({})), Some("0042"));

    assert_eq!(request.url.as_str(), format!("https://api.push.apple.com/3/device/{TOKEN}"));
    let header = |name: &str| request.headers[name].to_str().unwrap();
    let delivery = test_servers::delivery().to_string();
    for (name, value) in [
        ("apns-topic", "com.bank.app"),
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-id", delivery.as_str()),
        ("apns-collapse-id", &delivery),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    let (expiration, now) = (header("apns-expiration").parse::<i64>().unwrap(), SystemClock.now().micros() / 1_000_000);
    assert!((now..=now + 299).contains(&expiration), "{expiration} {now}");
    assert!(header("authorization").starts_with("bearer ey") && request.headers["authorization"].is_sensitive());
    assert_eq!(
        body,
        json!({
            "aps": { "alert": { "title": "Confirm your payment" }, "sound": "default", "mutable-content": 1 },
            "title": "Confirm your payment", "body": "Code 0042 to pay", "reference": test_servers::delivery(),
        })
    );
}

#[test]
fn what_is_no_code_is_shown_and_a_code_too_if_the_settings_allow_it() {
    let whole = json!({ "title": "Confirm your payment", "body": "Code 0042 to pay" });
    assert_eq!(sent(&notifications(&json!({})), None).1["aps"]["alert"], whole);
    let shown = notifications(&json!({ "show_code_on_lock_screen": true, "environment": "sandbox" }));
    let (request, body) = sent(&shown, Some("0042"));
    assert_eq!(body["aps"]["alert"], whole);
    assert_eq!(request.url.host_str(), Some("api.sandbox.push.apple.com"));
}

#[test]
fn every_documented_answer_has_an_outcome() {
    let notifications = notifications(&json!({}));
    let outcome = |status: u16, reason: &str| {
        let body = json!({ "reason": reason }).to_string();
        assert_eq!(notifications.error_code(body.as_bytes()).as_deref(), Some(reason));
        notifications.outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    };
    let (deferred, rejected) = (Outcome::deferred, Outcome::rejected);
    for (status, reason, expected) in [
        (400, "BadCollapseId", deferred(Cause::Unclassified)),
        (400, "BadDeviceToken", rejected(Cause::InvalidContact)),
        (400, "BadExpirationDate", deferred(Cause::Unclassified)),
        (400, "BadMessageId", deferred(Cause::Unclassified)),
        (400, "BadPriority", deferred(Cause::Unclassified)),
        (400, "BadTopic", deferred(Cause::Account)),
        (400, "DeviceTokenNotForTopic", rejected(Cause::InvalidContact)),
        (400, "DuplicateHeaders", deferred(Cause::Unclassified)),
        (400, "IdleTimeout", deferred(Cause::ProviderDown)),
        (400, "InvalidPushType", deferred(Cause::Unclassified)),
        (400, "MissingDeviceToken", rejected(Cause::InvalidContact)),
        (400, "MissingTopic", deferred(Cause::Account)),
        (400, "PayloadEmpty", rejected(Cause::BadMessage)),
        (400, "TopicDisallowed", deferred(Cause::Account)),
        (403, "BadCertificate", deferred(Cause::Unauthorized)),
        (403, "BadCertificateEnvironment", deferred(Cause::Unauthorized)),
        (403, "BadEnvironmentKeyIdInToken", deferred(Cause::Unauthorized)),
        (403, "ExpiredProviderToken", deferred(Cause::Unauthorized)),
        (403, "Forbidden", deferred(Cause::Unauthorized)),
        (403, "InvalidProviderToken", deferred(Cause::Unauthorized)),
        (403, "MissingProviderToken", deferred(Cause::Unauthorized)),
        (403, "UnrelatedKeyIdInToken", deferred(Cause::Unauthorized)),
        (404, "BadPath", deferred(Cause::WrongUrl)),
        (405, "MethodNotAllowed", deferred(Cause::WrongUrl)),
        (410, "ExpiredToken", rejected(Cause::ContactGone)),
        (410, "Unregistered", rejected(Cause::ContactGone)),
        (413, "PayloadTooLarge", rejected(Cause::BadMessage)),
        (429, "TooManyProviderTokenUpdates", deferred(Cause::Throttled)),
        (429, "TooManyRequests", deferred(Cause::Throttled)),
        (500, "InternalServerError", deferred(Cause::ProviderDown)),
        (503, "ServiceUnavailable", deferred(Cause::ProviderDown)),
        (503, "Shutdown", deferred(Cause::ProviderDown)),
        (400, "SomethingNew", deferred(Cause::Unclassified)),
        // Another server answers: the URL is wrong, and no contact is gone.
        (410, "nothing of APNs", deferred(Cause::WrongUrl)),
    ] {
        assert_eq!(outcome(status, reason), expected, "{status} {reason}");
    }
    assert_eq!(notifications.outcome(StatusCode::OK, b""), Outcome::accepted(None));
    assert_eq!(notifications.outcome(StatusCode::NO_CONTENT, b""), Outcome::unknown(Cause::Unclassified));
}

#[tokio::test]
async fn a_contact_that_is_no_device_token_is_not_sent() {
    let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], "")).await;
    let provider = test_servers::connect(section(&json!({ "url": url })));
    for contact in ["../../v1/other", "dGVzdA:APA91b", "0a1b?x", &"0".repeat(201)] {
        let to = Contact::restore(crate::domain::contact::Channel::Push, contact);
        let result = provider.send(&OutboundMessage { to, ..message(None) }).await;
        assert_eq!(result.outcome, Outcome::rejected(Cause::InvalidContact), "{contact}");
    }
    assert_eq!(received.all().len(), 0);
}

#[test]
fn a_mistake_in_the_settings_is_named_by_its_key() {
    for (changes, error) in [
        (json!({ "private_key": "hush" }), "private_key: expected a key of APNs, a .p8 file in PEM"),
        (json!({ "key_id": "ABC" }), "key_id: expected ten letters and digits"),
        (json!({ "team": "ABC-123456" }), "team: expected ten letters and digits"),
        (json!({ "topic": "" }), "topic: expected a bundle id such as com.bank.app"),
        (json!({ "topic": "com.bank app" }), "topic: expected a bundle id such as com.bank.app"),
        (json!({ "url": "ftp://apns" }), "url: expected http:// or https:// and a host"),
        (json!({ "app": "a/b" }), "app: expected 1 to 64 letters, digits, dots, hyphens and underscores"),
    ] {
        let section = serde_json::from_value::<super::super::Settings>(section(&changes)).unwrap();
        assert_eq!(section.connect().err().unwrap().to_string(), format!("provider app: {error}"));
    }
}
