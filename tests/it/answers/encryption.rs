//! Encrypted bodies: they have the effect of plain ones, and every one that cannot be decrypted gets the same answer.

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use otpost::pki::jwe_keys::PublicKeyFormat;
use otpost::sim::jwe;
use serde_json::json;

use super::{CANARY, Expect, check, is_a_detail};
use crate::support::gateway_files::client;
use crate::support::jose::{self, DecryptionKeys, public, published};
use crate::support::sample_notification::SampleNotification;
use crate::support::sender::Answer;
use crate::support::{Gateway, Setup, otp, recipient};

const THIRD: &str = "[[ingest.client]]\nname = \"third\"\nsubject = \"CN=third,O=Processor\"\njwe = ";

/// The answer without its date.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    (answer.status, headers, answer.body.clone())
}

#[tokio::test]
async fn an_encrypted_otp_is_delivered_like_a_plain_one() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
    let key = published(&gateway).await;

    let encrypted = gateway.post(&otp().code("73519").sealed(&key)).await;
    gateway.drain().await;

    assert_eq!((encrypted.status, encrypted.body.as_str()), (204, ""));
    assert!(gateway.sms("primary").received()[0].text.contains("73519"));
    let mut invalid = otp().with("amount", CANARY).sealed(&key);
    check(&gateway, "a field of an encrypted body", &invalid, Expect::Rejected("amount")).await;
    invalid = otp().with("otp", 1111).sealed(&key);
    check(&gateway, "a number in an encrypted body", &invalid, Expect::Warned("otp")).await;
}

#[tokio::test]
async fn an_independent_library_encrypts_to_the_key_in_each_of_its_formats() {
    for format in <PublicKeyFormat as strum::VariantNames>::VARIANTS {
        let gateway = Setup::new().ingest(&format!("public_key_format = \"{format}\"")).start().await;
        gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
        published(&gateway).await;
        let answer = gateway.post(&otp().method("GET").path("/public-key").without_body()).await.expect_status(200);
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let key = answer["publicKey"].as_str().unwrap();

        for (alg, code) in [("RSA-OAEP-256", "73519"), ("RSA-OAEP", "73520")] {
            let notice = otp().code(code);
            let sealed = jose::seal(&json!({ "alg": alg, "enc": "A256GCM" }), &notice.json(), key, format);
            gateway.post(&notice.encrypted(&sealed)).await.expect_status(204);
        }
        let compressed = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF" });
        let compressed = jose::seal(&compressed, &otp().json(), key, format);
        gateway.post(&otp().encrypted(&compressed)).await.expect_status(422);
        gateway.drain().await;

        let texts: Vec<_> = gateway.sms("primary").received().iter().map(|message| message.text.clone()).collect();
        assert!(texts.len() == 2 && texts[0].contains("73519") && texts[1].contains("73520"), "{format}: {texts:?}");
    }
}

#[test]
fn an_independent_library_decrypts_what_the_simulator_encrypts() {
    let key = PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap();
    let text = otp().json();

    let sealed = jwe::seal(&public(&key), text.as_bytes()).unwrap();

    assert_eq!(jose::open(&sealed, &key), text);
}

#[tokio::test]
async fn every_encrypted_body_that_cannot_be_decrypted_gets_the_same_answer() {
    let gateway = Gateway::start().await;
    let key = published(&gateway).await;
    let unknown = public(&PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
    let longer = public(&PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap());
    let seal = |text: &[u8]| jwe::seal(&key, text).unwrap();
    let good = seal(&otp().bytes());
    let parts: Vec<&str> = good.split('.').collect();
    let with = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part;
        otp().encrypted(&parts.join("."))
    };
    let announced = |body: &str| otp().header("Encrypted-Request", "true").body(body);
    let other = seal(&otp().bytes());
    let other: Vec<&str> = other.split('.').collect();
    let rows = [
        ("not base64", with(3, "C4n4ry!")),
        ("padded base64", with(4, &format!("{}==", parts[4]))),
        ("another header", with(0, "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0")),
        ("a header that is no JSON", with(0, "C4n4ry")),
        ("no header", with(0, "")),
        ("bad padding", with(1, &"A".repeat(342))),
        ("not below the modulus", with(1, &format!("{}w", "_".repeat(341)))),
        ("a wrapped key of no length", with(1, "")),
        ("another content key", with(1, other[1])),
        ("another IV", with(2, other[2])),
        ("another ciphertext", with(3, other[3])),
        ("another tag", with(4, other[4])),
        ("a short tag", with(4, &parts[4][..12])),
        ("to an unknown key", otp().sealed(&unknown)),
        ("to a longer key", otp().sealed(&longer)),
        ("truncated", otp().encrypted(&good[..good.len() - 30])),
        ("cut in half", otp().encrypted(&good[..good.len() / 2])),
        ("six parts", otp().encrypted(&format!("{good}.C4n4ry"))),
        ("no parts", otp().encrypted(CANARY)),
        ("nothing", otp().encrypted("")),
        ("not UTF-8 inside", otp().encrypted(&seal(b"{\"otp\":\"\xff\"}"))),
        ("too long inside", otp().encrypted(&seal(&vec![b' '; 16 * 1024 + 1]))),
        ("a plain body with a bad field", announced(&otp().with("amount", CANARY).json())),
        ("a plain body with trailing garbage", announced(&format!("{} x", otp().json()))),
        ("no JSON", announced(CANARY)),
        ("a number", announced("{\"payload\":1}")),
        ("payload twice", announced(&format!("{{\"payload\":\"{good}\",\"payload\":\"{good}\"}}"))),
        ("empty", announced("")),
        ("32 KiB and one byte", announced(&"x".repeat(32 * 1024 + 1))),
        ("a megabyte", otp().encrypted(&CANARY.repeat(1024 * 1024 / CANARY.len()))),
    ];

    let first = comparable(&gateway.post(&rows[0].1).await);
    for (row, notice) in &rows {
        // Twice on one connection, which stays open.
        let mut line = gateway.line().await;
        for _ in 0..2 {
            line.send(&notice.request()).await;
            assert_eq!(comparable(&line.answer().await.unwrap()), first, "{row}");
        }
    }

    assert_eq!(first.0, 422);
    assert!(is_a_detail(&first.2) && !first.2.contains(CANARY), "{}", first.2);
    assert!(gateway.deliveries().await.is_empty());
    gateway.post(&otp().encrypted(&good)).await.expect_status(204);
}

#[tokio::test]
async fn a_plain_body_that_is_announced_as_encrypted_is_accepted_with_a_warning_where_encryption_is_optional() {
    for (policy, status) in [("off", 422), ("optional", 204), ("required", 422)] {
        let gateway = Setup::new().more(&format!("{THIRD}\"{policy}\"")).start().await;
        let third = client(&gateway.files.authority, "third");

        for (row, notice) in [
            ("plain", otp()),
            ("with a payload of its own", otp().with("payload", "a.b.c.d.e")),
            ("with a number as payload", otp().with("payload", 1)),
            ("spaced", otp().body(format!("{}{}", otp().json(), " ".repeat(9000)))),
        ] {
            let answer = gateway.post_as(&third, &notice.header("Encrypted-Request", "true")).await;
            assert_eq!(answer.status, status, "{policy}, {row}: {}", answer.body);
            if status == 204 {
                let warnings = gateway.last().await.line.warnings.unwrap_or_default();
                assert!(
                    warnings.contains("Encrypted-Request: true, but the body is not encrypted"),
                    "{row}: {warnings}"
                );
            }
        }
        let longest = otp().json();
        let padded = |length: usize| otp().body(format!("{longest}{}", " ".repeat(length - longest.len())));
        for (length, expected) in [(16 * 1024, status), (16 * 1024 + 1, 422)] {
            let answer = gateway.post_as(&third, &padded(length).header("Encrypted-Request", "true")).await;
            assert_eq!(answer.status, expected, "{policy}, {length} bytes: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn an_encrypted_body_that_is_announced_as_too_large_is_rejected_at_once() {
    let gateway = Gateway::start().await;
    let first = gateway.post(&otp().encrypted("")).await;

    let head =
        b"POST /notifications/otp HTTP/1.1\r\nHost: x\r\nEncrypted-Request: true\r\nContent-Length: 1000000000\r\n\r\n";
    let endless = gateway.exchange(&gateway.files.processor, head).await;

    assert_eq!((endless.status, &endless.body), (422, &first.body));
    assert!(endless.closes(), "the rest of the body is not read");
}

#[tokio::test]
async fn a_plain_and_an_encrypted_request_with_the_same_key_and_fields_are_one_notification() {
    let gateway = Gateway::start().await;
    let key = published(&gateway).await;

    gateway.post(&otp().key("k-1")).await.expect_status(204);
    gateway.post(&otp().key("k-1").sealed(&key)).await.expect_status(204);
    gateway.post(&otp().key("k-1").sealed(&key)).await.expect_status(204);
    let other = gateway.post(&otp().key("k-1").with("amount", "7").sealed(&key)).await;

    assert_eq!(other.status, 422);
    assert!(other.body.contains("used before"), "{}", other.body);
    assert_eq!(gateway.deliveries().await.len(), 1);
}

#[tokio::test]
async fn encryption_can_be_required_or_forbidden_for_a_client() {
    for (policy, plain, encrypted) in [("off", 204, 422), ("optional", 204, 204), ("required", 422, 204)] {
        let gateway = Setup::new().more(&format!("{THIRD}\"{policy}\"")).start().await;
        let key = published(&gateway).await;
        let third = client(&gateway.files.authority, "third");
        let unannounced = otp().body(otp().sealed(&key).bytes());

        for (row, notice, status) in [
            ("plain", otp(), plain),
            ("encrypted", otp().sealed(&key), encrypted),
            ("encrypted and not announced", unannounced, encrypted),
            ("plain, and announced as not encrypted", otp().header("Encrypted-Request", "false"), plain),
        ] {
            let answer = gateway.post_as(&third, &notice).await;
            assert_eq!(answer.status, status, "{policy}, {row}: {}", answer.body);
            assert!(status == 204 || is_a_detail(&answer.body), "{policy}, {row}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn an_encrypted_body_is_recognised_by_its_header_in_any_case_or_by_its_only_field() {
    let gateway = Gateway::start().await;
    let key = published(&gateway).await;
    let body = otp().sealed(&key).bytes();
    let with = |name: &str, value: &str| otp().header(name, value).body(body.clone());
    let and_more = String::from_utf8(body.clone()).unwrap().replace('}', ",\"more\":1}");

    for (row, notice, status) in [
        ("as documented", with("Encrypted-Request", "true"), 204),
        ("in capitals", with("ENCRYPTED-REQUEST", "TRUE"), 204),
        ("with white space", with("encrypted-request", "\t True "), 204),
        ("said to be plain, and nothing but a payload", with("Encrypted-Request", "false"), 204),
        ("announced, with another field", with("Encrypted-Request", "true").body(and_more.clone()), 204),
        ("not announced, with another field", otp().body(and_more), 422),
        ("not announced, and no JWE", otp().body("{\"payload\":\"a.b.c\"}"), 422),
        ("a field of a plain body", otp().with("payload", "a.b.c.d.e"), 204),
    ] {
        gateway.post(&notice).await.expect_status_of(row, status);
    }
}

#[tokio::test]
async fn an_encrypted_body_may_hold_as_much_as_a_plain_one() {
    let gateway = Gateway::start().await;
    let key = published(&gateway).await;
    let padded = |length: usize| {
        let json = otp().json();
        otp().body(format!("{json}{}", " ".repeat(length - json.len())))
    };

    let largest = padded(16 * 1024).sealed(&key);

    assert!(largest.bytes().len() > 16 * 1024);
    gateway.post(&largest).await.expect_status(204);
    gateway.post(&padded(16 * 1024 + 1).sealed(&key)).await.expect_status(422);
}

#[tokio::test]
async fn during_a_rotation_both_keys_decrypt_and_afterwards_the_old_one_does_not() {
    let gateway = Gateway::start().await;
    let mut keys = DecryptionKeys::of(&gateway);
    let (old, new) = (keys.stage(&gateway), keys.stage(&gateway));
    keys.activate(&old, gateway.now(), &gateway);
    gateway.reload().await.unwrap();
    let to = |id: &str, keys: &DecryptionKeys| otp().sealed(&keys.public(id));

    gateway.post(&to(&old, &keys)).await.expect_status(204);
    gateway.post(&to(&new, &keys)).await.expect_status(204);
    keys.activate(&new, gateway.now(), &gateway);
    gateway.reload().await.unwrap();
    gateway.post(&to(&old, &keys)).await.expect_status(204);
    gateway.post(&to(&new, &keys)).await.expect_status(204);
    keys.retire(&old, &gateway);
    gateway.reload().await.unwrap();

    gateway.post(&to(&old, &keys)).await.expect_status(422);
    gateway.post(&to(&new, &keys)).await.expect_status(204);
}

#[tokio::test]
async fn new_keys_that_cannot_be_read_leave_the_old_ones_active() {
    let gateway = Gateway::start().await;
    let key = published(&gateway).await;
    std::fs::write(gateway.files.path("pki/encryption/index.json"), "{").unwrap();

    let refused = gateway.reload().await;

    assert!(refused.is_err());
    gateway.post(&otp().sealed(&key)).await.expect_status(204);
}

#[tokio::test]
async fn without_keys_an_encrypted_body_is_answered_like_any_that_cannot_be_decrypted() {
    let gateway = Gateway::start().await;
    let key = public(&PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());

    let without = comparable(&gateway.post(&otp().sealed(&key)).await);
    published(&gateway).await;
    let with: SampleNotification = otp().sealed(&key);

    assert_eq!(comparable(&gateway.post(&with).await), without);
    assert_eq!(without.0, 422);
}
