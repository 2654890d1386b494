//! Messages to a system of the operator's own, over real sockets.

use std::io::Write as _;

use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use tempfile::NamedTempFile;

use super::super::test_servers;
use super::*;
use crate::domain::contact::Channel;
use crate::domain::outcome::{Cause, Reference};
use crate::test_ca::TestCa;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn section(url: &str, changes: &Value) -> Value {
    let mut section = json!({
        "kind": "webhook", "name": "crm", "channel": "push", "url": url, "secret": SECRET, "allow_private": true,
    });
    section.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    section
}

fn error(section: Value) -> String {
    match serde_json::from_value::<super::super::Settings>(section) {
        Ok(settings) => settings.connect().err().unwrap().to_string(),
        Err(error) => error.to_string(),
    }
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_of_each_channel_is_posted_with_its_texts_and_its_deadline() {
    let (url, received) = test_servers::http(test_servers::http_answer("202 Accepted", &[], r#"{"id":"m-1"}"#)).await;
    for (channel, message, texts) in [
        ("sms", test_servers::sms("Code 0042"), json!({ "text": "Code 0042", "to": "+48600100200" })),
        (
            "push",
            test_servers::push("Bank", "Code 0042"),
            json!({ "title": "Bank", "body": "Code 0042", "to": "token-1" }),
        ),
        (
            "email",
            test_servers::email("Bank", "plain", "<p>html</p>"),
            json!({ "subject": "Bank", "text": "plain", "html": "<p>html</p>", "locale": "pl", "to": "leon@mail.example" }),
        ),
    ] {
        let provider = test_servers::connect(section(&url, &json!({ "channel": channel })));
        assert_eq!(provider.send(&message).await.outcome, Outcome::accepted(Reference::new("m-1")));
        let request = received.all().pop().unwrap();
        let delivery = test_servers::delivery().to_string();
        assert!(request.contains(&format!("webhook-id: {delivery}\r\n")), "{request}");
        assert!(request.contains("webhook-signature: v1,"), "{request}");
        let mut body = body_of(&request);
        assert_eq!(body["type"], "message.send");
        let data = body["data"].as_object_mut().unwrap();
        let expires: jiff::Timestamp = data.remove("expires_at").unwrap().as_str().unwrap().parse().unwrap();
        let sent: jiff::Timestamp = body["timestamp"].as_str().unwrap().parse().unwrap();
        assert_eq!(expires.duration_since(sent).as_secs(), 299);
        let mut expected = json!({ "channel": channel, "reference": delivery, "seconds_valid": 299 });
        expected.as_object_mut().unwrap().extend(texts.as_object().unwrap().clone());
        assert_eq!(body["data"], expected);
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let (url, received) = test_servers::http(test_servers::http_answer("200 OK", &[], "{}")).await;
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    // The name of this machine is resolved like any other, so it stands for one that an attacker resolves.
    let guarded = ConnectionOptions { guard: AddressGuard::Public, identity: None };
    let common = test_servers::common("crm", Channel::Push);
    let url = format!("http://localhost:{port}/send");
    let mut settings = section(&url, &json!({}));
    settings.as_object_mut().unwrap().retain(|key, _| !["kind", "name", "channel"].contains(&key.as_str()));
    let webhook = Webhook::new(&serde_json::from_value(settings).unwrap(), &common).unwrap();
    let adapter = http::guarded_adapter(&common, 1, webhook, false, guarded).unwrap();

    let result = adapter.provider.send(&test_servers::push("Bank", "Code 0042")).await;

    assert_eq!(result.outcome, Outcome::deferred(Cause::Unreachable));
    let detail = result.detail.unwrap();
    assert_eq!(detail.as_str(), "the name leads to a private address, which allow_private would permit");
    assert_eq!(received.all().len(), 0);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    let ca = TestCa::new();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&ca.cert.to_pem().unwrap()).unwrap();
    let (certificate, key) = ca.issue("localhost");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.cert_store_mut().add_cert(ca.cert.clone()).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let (url, received) = test_servers::https(test_servers::http_answer("200 OK", &[], "{}"), acceptor.build()).await;
    let (own, own_key) = ca.issue("otpost");
    let pem = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let mutual = json!({
        "ca": file.path(), "client_certificate": pem(own.to_pem().unwrap()),
        "client_private_key": pem(own_key.private_key_to_pem_pkcs8().unwrap()),
    });
    let message = test_servers::push("Bank", "Code 0042");

    let without = test_servers::connect(section(&url, &json!({ "ca": file.path() }))).send(&message).await;
    assert!(!without.outcome.is_accepted(), "{without:?}");
    assert_eq!(received.all().len(), 0);
    let with = test_servers::connect(section(&url, &mutual)).send(&message).await;
    assert_eq!(with.outcome, Outcome::accepted(None), "{with:?}");

    let other = pem(ca.issue("other").1.private_key_to_pem_pkcs8().unwrap());
    for (changes, expected) in [
        (
            json!({ "client_certificate": pem(own.to_pem().unwrap()) }),
            "client_certificate and client_private_key: expected both or none",
        ),
        (
            json!({ "client_certificate": "x", "client_private_key": other }),
            "client_certificate: expected certificates in PEM",
        ),
        (
            json!({ "client_certificate": pem(own.to_pem().unwrap()), "client_private_key": "hush" }),
            "client_private_key: expected a private key in PEM, without a passphrase",
        ),
        (
            json!({ "client_certificate": pem(own.to_pem().unwrap()), "client_private_key": other }),
            "client_private_key: is not the key of client_certificate",
        ),
    ] {
        assert_eq!(error(section(&url, &changes)), format!("provider crm: {expected}"));
    }
}

#[test]
fn a_mistake_in_the_settings_is_named_by_its_key() {
    let mut without = section("https://crm.example/hook", &json!({}));
    without.as_object_mut().unwrap().remove("channel");
    assert_eq!(error(without), "missing field `channel`");
    let private = "url: is at a private address; set allow_private = true if that is intended";
    for (url, changes, expected) in [
        ("https://10.0.0.1/hook", json!({ "allow_private": false }), private),
        ("https://localhost/hook", json!({ "allow_private": false }), private),
        ("https://[fd00::1]/hook", json!({ "allow_private": false }), private),
        ("hook", json!({}), "url: expected http:// or https:// and a host"),
    ] {
        assert_eq!(error(section(url, &changes)), format!("provider crm: {expected}"));
    }
    let unknown = error(section("https://crm.example/hook", &json!({ "channel": "email", "countries": ["+48"] })));
    assert!(unknown.starts_with("countries: unknown field `countries`"), "{unknown}");
}
