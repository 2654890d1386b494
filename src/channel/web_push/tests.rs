//! Requests and answers of Web Push, over real sockets. `encryption` has the example of the RFC.

use serde_json::Value;

use super::super::test_servers;
use super::*;
use crate::domain::contact::{Channel, Contact};
use crate::domain::outbound_message::RenderedMessage;
use crate::domain::secret::RenderedText;

fn section(changes: &Value) -> Value {
    let key = Es256Key::generate().unwrap().key().private_key_to_pem().unwrap();
    let mut section = json!({
        "kind": "web_push", "name": "web", "private_key": String::from_utf8(key).unwrap(), "subject": "mailto:ops@bank.example",
    });
    section.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    section
}

fn messages(changes: &Value) -> SealedMessages {
    let mut section = section(changes);
    section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
    SealedMessages::new(&serde_json::from_value(section).unwrap(), &test_servers::common("web", Channel::Push)).unwrap()
}

fn subscription(endpoint: &str) -> String {
    let public = URL_SAFE_NO_PAD.encode(Es256Key::generate().unwrap().public().unwrap());
    json!({ "endpoint": endpoint, "keys": { "p256dh": public, "auth": "BTBZMqHH6r4Tts7J_aSIgg" } }).to_string()
}

fn message(to: &str) -> OutboundMessage {
    let (to, code) = (Contact::restore(Channel::Push, to), Some(RenderedText::new("0042".to_owned())));
    OutboundMessage { to, code, ..test_servers::push("Confirm your payment", "Code 0042 to pay") }
}

#[test]
fn a_request_is_encrypted_signed_and_valid_as_long_as_the_message() {
    let messages = messages(&json!({}));
    let request = messages.request(&message(&subscription("https://fcm.googleapis.com/fcm/send/abc?x=1"))).unwrap();

    assert_eq!(request.url.as_str(), "https://fcm.googleapis.com/fcm/send/abc?x=1");
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!((header("ttl"), header("urgency"), header("content-encoding")), ("299", "high", "aes128gcm"));
    assert_eq!(header("topic"), test_servers::delivery().0.simple().to_string());
    let credentials = header("authorization");
    let (token, key) = credentials.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(key, messages.public_key);
    let part = |at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "typ": "JWT", "alg": "ES256" }));
    assert_eq!(
        (&part(1)["aud"], &part(1)["sub"]),
        (&json!("https://fcm.googleapis.com"), &json!("mailto:ops@bank.example"))
    );
    assert!(request.headers["authorization"].is_sensitive());
    assert!(matches!(&request.body, Body::Sealed(bytes) if bytes.len() > 103));
}

#[test]
fn a_code_is_in_the_data_only_unless_the_settings_show_it() {
    let to = subscription("https://fcm.googleapis.com/fcm/send/abc");
    let read = |messages: &SealedMessages, message| serde_json::from_str::<Value>(&messages.text(&message)).unwrap();
    let hidden = read(&messages(&json!({})), message(&to));
    assert_eq!(hidden["notification"], json!({ "title": "Confirm your payment" }));
    assert_eq!(hidden["data"]["body"], "Code 0042 to pay");
    let shown = read(&messages(&json!({ "show_code_on_lock_screen": true })), message(&to));
    assert_eq!(shown["notification"]["body"], "Code 0042 to pay");
    let plain = read(&messages(&json!({})), OutboundMessage { code: None, ..message(&to) });
    assert_eq!(plain["notification"]["body"], "Code 0042 to pay");
}

#[test]
fn only_push_services_are_asked_and_none_at_a_private_address() {
    let usual = messages(&json!({}));
    let own = messages(&json!({ "services": ["push.bank.example", "10.0.0.7"] }));
    let private = messages(&json!({ "services": ["push.bank.example", "10.0.0.7"], "allow_private": true }));
    for (endpoint, allowed) in [
        ("https://fcm.googleapis.com/x", [true, false, false]),
        ("https://updates.push.services.mozilla.com/wpush/v2/x", [true, false, false]),
        ("https://web.push.apple.com/x", [true, false, false]),
        ("https://wns2-par02p.notify.windows.com/w/?token=x", [true, false, false]),
        ("https://push.apple.com.evil.example/x", [false, false, false]),
        ("https://evilpush.apple.com/x", [false, false, false]),
        ("http://fcm.googleapis.com/x", [false, false, false]),
        ("https://push.bank.example/x", [false, true, true]),
        ("http://push.bank.example/x", [false, false, true]),
        ("https://10.0.0.7/x", [false, false, true]),
        ("https://localhost/x", [false, false, false]),
        ("https://169.254.169.254/latest", [false, false, false]),
    ] {
        let url: Url = endpoint.parse().unwrap();
        assert_eq!([&usual, &own, &private].map(|messages| messages.allows(&url)), allowed, "{endpoint}");
    }
}

#[tokio::test]
async fn what_is_no_subscription_and_what_is_too_long_is_not_sent() {
    let (url, received) = test_servers::http(test_servers::http_answer("201 Created", &[], "")).await;
    let provider = test_servers::connect(section(&json!({ "services": ["127.0.0.1"], "allow_private": true })));
    let good = subscription(&url);
    for contact in [
        "token-1".to_owned(),
        "{}".to_owned(),
        subscription("ftp://127.0.0.1/x"),
        subscription("https://elsewhere.example/x"),
        subscription(&url.replace("://", "://user@")),
        good.replace("BTBZ", "BTB"),
        good.replace("\"p256dh\":\"B", "\"p256dh\":\"A"),
    ] {
        let outcome = provider.send(&message(&contact)).await.outcome;
        assert_eq!(outcome, Outcome::rejected(Cause::InvalidContact), "{contact}");
    }
    let long =
        RenderedMessage::Push { title: RenderedText::new("t".to_owned()), body: RenderedText::new("x".repeat(4000)) };
    let outcome = provider.send(&OutboundMessage { rendered: long, ..message(&good) }).await.outcome;
    assert_eq!(outcome, Outcome::rejected(Cause::BadMessage));
    assert_eq!(received.all().len(), 0);
}

#[test]
fn every_documented_answer_has_an_outcome() {
    let messages = messages(&json!({}));
    for (status, outcome) in [
        (200, Outcome::accepted(None)),
        (201, Outcome::accepted(None)),
        (202, Outcome::accepted(None)),
        (204, Outcome::unknown(Cause::Unclassified)),
        (301, Outcome::deferred(Cause::WrongUrl)),
        (400, Outcome::deferred(Cause::Unclassified)),
        (401, Outcome::deferred(Cause::Unauthorized)),
        (403, Outcome::deferred(Cause::Unauthorized)),
        (404, Outcome::rejected(Cause::ContactGone)),
        (410, Outcome::rejected(Cause::ContactGone)),
        (413, Outcome::rejected(Cause::BadMessage)),
        (429, Outcome::deferred(Cause::Throttled)),
        (500, Outcome::deferred(Cause::ProviderDown)),
        (503, Outcome::deferred(Cause::ProviderDown)),
    ] {
        assert_eq!(messages.outcome(StatusCode::from_u16(status).unwrap(), b""), outcome, "{status}");
    }
}

#[test]
fn a_mistake_in_the_settings_is_named_by_its_key() {
    for (changes, error) in [
        (json!({ "private_key": "hush" }), "private_key: expected a key on P-256, in PEM or in base64url"),
        (json!({ "subject": "ops@bank.example" }), "subject: expected mailto: and an address, or an https: URL"),
        (json!({ "services": [] }), "services: expected host names, such as fcm.googleapis.com or *.push.apple.com"),
        (
            json!({ "services": ["https://a"] }),
            "services: expected host names, such as fcm.googleapis.com or *.push.apple.com",
        ),
    ] {
        let section = serde_json::from_value::<super::super::Settings>(section(&changes)).unwrap();
        assert_eq!(section.connect().err().unwrap().to_string(), format!("provider web: {error}"));
    }
}
