//! Passkeys: made, used in place of a code, and what is refused. An authenticator of the tests answers, and that of Chromium.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use otpost::domain::access::Role;
use serde_json::json;

use crate::support::console::{Browser, CONSOLE, PASSWORD, Request, one_time_code, try_sign_in};
use crate::support::identity_provider::PUBLIC_URL;
use crate::support::sender::Answer;
use crate::support::{Gateway, Setup, node};

const SCRIPT: &str = include_str!("../../support/console_passkey.js");

/// Present and verified.
const VERIFIED: u8 = 0b101;
const NEW_KEY: u8 = 0b100_0000;

async fn with_user() -> (Gateway, Browser) {
    let gateway = Setup::new().more(&format!("{CONSOLE}public_url = \"{PUBLIC_URL}\"\n")).start().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    (gateway, user)
}

/// A security key that counts.
struct SecurityKey {
    key: PKey<Private>,
    counter: u32,
}

impl SecurityKey {
    fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self { key: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(), counter: 0 }
    }

    fn said(&self, flags: u8) -> Vec<u8> {
        [&sha256(b"console.localhost")[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn make(&self, challenge: &str) -> String {
        let said = [&self.said(VERIFIED | NEW_KEY)[..], &[0; 16], &[0, 3], b"id1"].concat();
        let key = encoded(&self.key.public_key_to_der().unwrap());
        json!({ "client": client("webauthn.create", challenge), "authenticator": encoded(&said), "key": key })
            .to_string()
    }

    fn answer(&mut self, challenge: &str) -> String {
        self.counter += 1;
        let (said, client) = (self.said(VERIFIED), client("webauthn.get", challenge));
        let signed = [&said[..], &sha256(&URL_SAFE_NO_PAD.decode(&client).unwrap())].concat();
        let signature = Signer::new(MessageDigest::sha256(), &self.key).unwrap().sign_oneshot_to_vec(&signed).unwrap();
        json!({
            "id": encoded(b"id1"), "client": client, "authenticator": encoded(&said), "signature": encoded(&signature),
        })
        .to_string()
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn client(kind: &str, challenge: &str) -> String {
    let client = json!({ "type": kind, "challenge": challenge, "origin": PUBLIC_URL, "crossOrigin": false });
    encoded(client.to_string().as_bytes())
}

fn challenge(page: &str) -> String {
    page.split_once("data-challenge=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

async fn challenge_to_sign_in(gateway: &Gateway) -> String {
    challenge(&Request::get("/sign-in").send(gateway.console_address()).await.expect_status(200).body)
}

async fn add(user: &Browser, key: &SecurityKey) -> Answer {
    let answer = key.make(&challenge(&user.page("/account").await));
    user.post("/account/passkeys", &[("password", PASSWORD), ("name", "phone"), ("passkey", &answer)]).await
}

async fn sign_in_with(gateway: &Gateway, name: &str, password: &str, passkey: &str) -> Answer {
    let fields = [("name", name), ("password", password), ("code", ""), ("passkey", passkey)];
    Request::post("/sign-in", &fields).send(gateway.console_address()).await
}

#[tokio::test]
async fn a_passkey_takes_the_place_of_the_code_and_each_answer_counts_once() {
    let (gateway, user) = with_user().await;
    let mut key = SecurityKey::new();
    add(&user, &key).await.expect_status(303);

    let challenge = challenge_to_sign_in(&gateway).await;
    let answer = key.answer(&challenge);
    sign_in_with(&gateway, "anna", PASSWORD, &answer).await.expect_status(303);

    sign_in_with(&gateway, "anna", PASSWORD, &answer).await.expect_status(401);
    let again = key.answer(&challenge);
    sign_in_with(&gateway, "anna", PASSWORD, &again).await.expect_status(401);
    let late = challenge_to_sign_in(&gateway).await;
    gateway.clock.move_on(Duration::from_mins(30));
    sign_in_with(&gateway, "anna", PASSWORD, &key.answer(&late)).await.expect_status(401);
    let code = one_time_code(&user.secret, gateway.now());
    try_sign_in(&gateway, "anna", PASSWORD, &code).await.expect_status(303);
    let events = gateway.files.audit().await;
    let with: Vec<_> =
        events.iter().filter(|(kind, _)| kind == "signed_in").map(|(_, it)| it["with"].clone()).collect();
    assert_eq!(with, ["set-up code", "passkey", "one-time code"]);
}

#[tokio::test]
async fn a_passkey_is_of_its_user_and_asks_for_the_password_besides() {
    let (gateway, user) = with_user().await;
    let other = Browser::of(&gateway, "ben", &[Role::Viewer]).await;
    let mut key = SecurityKey::new();
    let of_other = key.make(&challenge(&other.page("/account").await));
    let fields = |answer| [("password", PASSWORD), ("name", "phone"), ("passkey", answer)];
    user.post("/account/passkeys", &fields(&of_other)).await.expect_status(422);
    user.post("/account/passkeys", &fields("{}")).await.expect_status(422);
    let own = key.make(&challenge(&user.page("/account").await));
    user.post("/account/passkeys", &[("password", "wrong"), ("name", "phone"), ("passkey", &own)])
        .await
        .expect_status(422);
    user.post("/account/passkeys", &[("password", PASSWORD), ("name", " "), ("passkey", &own)])
        .await
        .expect_status(422);
    add(&user, &key).await.expect_status(303);
    add(&user, &key).await.expect_status(422);

    for (name, password) in [("anna", "another horse battery"), ("ben", PASSWORD), ("cleo", PASSWORD)] {
        let answer = key.answer(&challenge_to_sign_in(&gateway).await);
        sign_in_with(&gateway, name, password, &answer).await.expect_status_of(name, 401);
    }
    let of_another_key = SecurityKey::new().answer(&challenge_to_sign_in(&gateway).await);
    sign_in_with(&gateway, "anna", PASSWORD, &of_another_key).await.expect_status(401);
    for broken in ["{}", "null", "[", "{\"id\":\"aWQx\",\"client\":\"\",\"authenticator\":\"\",\"signature\":\"\"}"] {
        sign_in_with(&gateway, "anna", PASSWORD, broken).await.expect_status_of(broken, 401);
        gateway.clock.move_on(Duration::from_mins(15));
    }
}

#[tokio::test]
async fn a_removed_passkey_and_one_of_a_user_who_was_reset_open_nothing() {
    let (gateway, user) = with_user().await;
    let mut key = SecurityKey::new();
    add(&user, &key).await.expect_status(303);
    let id = encoded(b"id1");

    user.post("/account/passkeys/remove", &[("password", "wrong"), ("id", &id)]).await.expect_status(422);
    user.post("/account/passkeys/remove", &[("password", PASSWORD), ("id", "other")]).await.expect_status(404);
    user.post("/account/passkeys/remove", &[("password", PASSWORD), ("id", &id)]).await.expect_status(303);

    let answer = key.answer(&challenge_to_sign_in(&gateway).await);
    sign_in_with(&gateway, "anna", PASSWORD, &answer).await.expect_status(401);
    add(&user, &key).await.expect_status(303);
    let by = otpost::domain::audit_event::Actor::Operator("test".to_owned());
    gateway.users().reset(&by, "anna").await.unwrap();
    assert!(gateway.users().all().await.unwrap()[0].passkeys.is_empty());
    let events = gateway.files.audit().await;
    let changes: Vec<_> =
        events.iter().map(|(kind, _)| kind.as_str()).filter(|kind| kind.contains("passkey")).collect();
    assert_eq!(changes, ["user_passkey_added", "user_passkey_removed", "user_passkey_added"]);
}

#[tokio::test]
async fn without_a_public_address_there_are_no_passkeys() {
    let gateway = Setup::new().more(CONSOLE).start().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;

    assert!(!user.page("/account").await.contains("passkey"));
    let fields = [("password", PASSWORD), ("name", "phone"), ("passkey", "{}")];
    user.post("/account/passkeys", &fields).await.expect_status(422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_made_and_used_in_a_browser() {
    let (gateway, user) = with_user().await;
    let asked = json!({
        "url": PUBLIC_URL,
        "port": gateway.console_address().port(),
        "cookie": user.cookie,
        "name": "anna",
        "password": PASSWORD,
    });

    let said = node::drive(SCRIPT, asked).await;

    assert_eq!((&said["findings"], &said["blocked"]), (&json!([]), &json!([])), "{said:#}");
    assert_eq!((&said["listed"], &said["left"]), (&json!(1), &json!(0)), "{said:#}");
    assert!(said["unverified"].as_str().unwrap().starts_with("The passkey was not used: "), "{said:#}");
    let events = gateway.files.audit().await;
    let signed_in: Vec<_> =
        events.iter().filter(|(kind, _)| kind == "signed_in").map(|(_, it)| it["with"].clone()).collect();
    assert_eq!(signed_in, ["set-up code", "passkey"]);
}
