//! Push services and webhooks against programs of other hands: HTTP/2 of Node.js, a client of APNs from npm, and the libraries of Python
//! that a receiver would use.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::pkey::PKey;
use otpost::domain::outcome::{Cause, Outcome};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::apns::{Apns, KEY_ID, TEAM, TOPIC, new_key};
use crate::support::toxic::{End, Proxy, Toxic};
use crate::support::{Gateway, Setup, node, otp, python, recipient};

const DEVICE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// A server that answers each request alike, and keeps them.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

#[derive(Clone)]
struct ReceivedRequest {
    head: String,
    body: Vec<u8>,
}

impl ReceivedRequest {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

impl Server {
    async fn open(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&server.requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut inbox = Vec::new();
                while stream.read_buf(&mut inbox).await.is_ok_and(|read| read > 0) {
                    let Some(end) = inbox.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8(inbox[..end].to_vec()).unwrap();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    if inbox.len() < end + 4 + length.parse::<usize>().unwrap() {
                        continue;
                    }
                    requests.lock().unwrap().push(ReceivedRequest { head, body: inbox.split_off(end + 4) });
                    inbox.clear();
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        server
    }

    /// The only request that came.
    fn request(&self) -> ReceivedRequest {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }
}

/// A gateway whose first provider is this one, and a recipient with these push contacts and a phone.
async fn gateway(provider: &str, contacts: &[&str]) -> Gateway {
    let gateway = Setup::new().first(provider).start().await;
    let phone = recipient("phone").customer("1337").phone("+48600100200");
    gateway.knows([contacts.iter().fold(phone, |phone, contact| phone.app(contact))]).await;
    gateway
}

async fn outcomes(gateway: &Gateway) -> Vec<(String, Outcome)> {
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    gateway.last().await.attempts.into_iter().map(|attempt| (attempt.provider.0, attempt.outcome)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn apns_takes_a_code_over_http_2_and_another_library_reads_the_token() {
    let mut apns = Apns::start();
    let gateway = gateway(&apns.provider("ios", apns.address().port(), ""), &[DEVICE]).await;

    assert_eq!(outcomes(&gateway).await, [("ios".to_owned(), Outcome::accepted(None))]);

    let request = apns.request();
    let headers = &request["headers"];
    let delivery = json!(gateway.last().await.line.id);
    assert_eq!(
        (&request["status"], &headers["apns-id"], &headers["apns-collapse-id"]),
        (&json!(200), &delivery, &delivery)
    );
    let alert = request["body"]["aps"]["alert"].as_object().unwrap();
    assert!(alert.contains_key("title") && !alert.contains_key("body"), "{alert:?}");
    let token = headers["authorization"].as_str().unwrap().strip_prefix("bearer ").unwrap();
    let read = python::run(
        "import json, sys\nfrom joserfc import jwt\nfrom joserfc.jwk import ECKey\nasked = json.load(sys.stdin)\n\
         token = jwt.decode(asked['token'], ECKey.import_key(asked['key']), algorithms=['ES256'])\n\
         print(token.header['kid'], token.claims['iss'], end='')",
        &json!({ "token": token, "key": apns.key() }),
    );
    assert_eq!(read, format!("{KEY_ID} {TEAM}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_apns_reports_as_gone_is_retired_and_an_unknown_one_is_not() {
    let apns = Apns::start();
    let (dead, unknown) = (DEVICE.replacen("00fc", "dead", 1), DEVICE.replacen("00fc", "bad0", 1));
    let gateway = gateway(&apns.provider("ios", apns.address().port(), ""), &[&dead, &unknown]).await;

    let first = outcomes(&gateway).await;

    let of = |outcome| ("ios".to_owned(), outcome);
    let (gone, invalid) = (of(Outcome::rejected(Cause::ContactGone)), of(Outcome::rejected(Cause::InvalidContact)));
    assert_eq!(first[..2], [gone, invalid.clone()]);
    let second = outcomes(&gateway).await;
    assert_eq!(second[0], invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_server_says_it_has_not_processed_was_not_sent() {
    let apns = Apns::start();
    let refused = DEVICE.replacen("00fc", "c105", 1);
    let gateway = gateway(&apns.provider("ios", apns.address().port(), ""), &[&refused]).await;

    assert_eq!(outcomes(&gateway).await[0], ("ios".to_owned(), Outcome::deferred(Cause::ProviderDown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_apns_that_falls_silent_is_replaced() {
    let mut apns = Apns::start();
    let proxy = Proxy::before(apns.address(), Toxic::Clean).await;
    let provider = apns.provider("ios", proxy.address().port(), "timeout = \"4s\"");
    let gateway = gateway(&provider, &[DEVICE]).await;
    assert_eq!(outcomes(&gateway).await[0].1, Outcome::accepted(None));

    proxy.turns(Toxic::After(0, End::Silence));
    assert_eq!(outcomes(&gateway).await[0].1, Outcome::unknown(Cause::TimedOut));
    proxy.turns(Toxic::Clean);

    assert_eq!(outcomes(&gateway).await[0], ("ios".to_owned(), Outcome::accepted(None)));
    assert_eq!(
        [apns.request(), apns.request(), apns.request()].map(|request| request["status"].clone()),
        [200, 200, 200]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_for_apns_answers_another_client_as_apns_does() {
    let apns = Apns::start();
    let ca = std::fs::read_to_string(apns.ca()).unwrap();
    let ask = |key: &str, topic: &str, devices: &[&str]| {
        json!({
            "port": apns.address().port(), "ca": ca, "key": key, "keyId": KEY_ID, "team": TEAM, "topic": topic, "devices": devices,
        })
    };
    let (dead, unknown) = (DEVICE.replacen("00fc", "dead", 1), DEVICE.replacen("00fc", "bad0", 1));
    let (other, _) = new_key();

    let answers = node::run(
        include_str!("../support/apns_client.js"),
        &[
            ask(apns.key(), TOPIC, &[DEVICE, &dead, &unknown]),
            ask(&other, TOPIC, &[DEVICE]),
            ask(apns.key(), "com.other", &[DEVICE]),
        ],
    );

    assert!(
        answers.contains(
            &json!({ "sent": [DEVICE], "failed": [[dead, 410, "Unregistered"], [unknown, 400, "BadDeviceToken"]] })
        ),
        "{answers:?}"
    );
    assert!(answers.contains(&json!({ "sent": [], "failed": [[DEVICE, 403, "InvalidProviderToken"]] })), "{answers:?}");
    assert!(answers.contains(&json!({ "sent": [], "failed": [[DEVICE, 400, "TopicDisallowed"]] })), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_app_gets_its_own_contacts_and_a_browser_its_subscription() {
    let mut apns = Apns::start();
    let server = Server::open("201 Created").await;
    let (key, _) = new_key();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &key).unwrap();
    let web = format!(
        "[[provider]]\nname = \"web\"\nkind = \"web_push\"\napp = \"web\"\nsubject = \"mailto:ops@bank.example\"\n\
         private_key = \"file:{}\"\nservices = [\"127.0.0.1\"]\nallow_private = true\n",
        file.path().display()
    );
    let private = PKey::private_key_from_pem(new_key().0.as_bytes()).unwrap().ec_key().unwrap();
    let mut context = BigNumContext::new().unwrap();
    let public =
        private.public_key().to_bytes(private.group(), PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
    let endpoint = format!("http://{}/push/abc", server.address);
    let keys = json!({ "p256dh": URL_SAFE_NO_PAD.encode(public), "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
    let subscription = json!({ "endpoint": endpoint, "expirationTime": null, "keys": keys });
    let providers = [web, apns.provider("ios", apns.address().port(), "app = \"bank-ios\"")].concat();
    let ios = format!("bank-ios/{DEVICE}");
    let gateway = gateway(&providers, &[&format!("web/{subscription}"), &ios]).await;

    assert_eq!(outcomes(&gateway).await, [("web".to_owned(), Outcome::accepted(None))]);

    let request = server.request();
    let (token, public) = request.header("authorization").strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let read = python::run(
        "import base64, json, sys, time\nimport http_ece\nfrom cryptography.hazmat.primitives.asymmetric import ec\n\
         from joserfc import jwt\nfrom joserfc.jwk import ECKey\nasked = json.load(sys.stdin)\n\
         part = lambda text: base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))\n\
         point = part(asked['public'])\n\
         b64 = lambda bytes: base64.urlsafe_b64encode(bytes).decode().rstrip('=')\n\
         key = ECKey.import_key({'kty': 'EC', 'crv': 'P-256', 'x': b64(point[1:33]), 'y': b64(point[33:])})\n\
         claims = jwt.decode(asked['token'], key, algorithms=['ES256']).claims\n\
         assert 0 < claims['exp'] - time.time() <= 86400\n\
         private = ec.derive_private_key(int(asked['private'], 16), ec.SECP256R1())\n\
         text = http_ece.decrypt(part(asked['body']), private_key=private, auth_secret=part(asked['auth']), version='aes128gcm')\n\
         print(json.dumps({'aud': claims['aud'], 'sub': claims['sub'], 'text': json.loads(text)}), end='')",
        &json!({
            "token": token, "public": public, "body": URL_SAFE_NO_PAD.encode(&request.body), "auth": keys["auth"],
            "private": private.private_key().to_hex_str().unwrap().to_string(),
        }),
    );
    let read: Value = serde_json::from_str(&read).unwrap();
    assert_eq!(
        (&read["aud"], &read["sub"]),
        (&json!(format!("http://{}", server.address)), &json!("mailto:ops@bank.example"))
    );
    assert!(read["text"]["notification"]["body"].is_null(), "{read}");
    assert_eq!(read["text"]["data"]["reference"], json!(gateway.last().await.line.id));
    assert!((1..=300).contains(&request.header("ttl").parse::<u64>().unwrap()));

    gateway.knows([recipient("phone").customer("1337").app(&ios)]).await;
    assert_eq!(outcomes(&gateway).await, [("ios".to_owned(), Outcome::accepted(None))]);
    assert_eq!(apns.request()["path"], format!("/3/device/{DEVICE}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_as_the_library_of_standard_webhooks_verifies_it() {
    let server = Server::open("204 No Content").await;
    let secrets = [1, 2].map(|byte| format!("whsec_{}", STANDARD.encode([byte; 32])));
    let provider = format!(
        "[[provider]]\nname = \"crm\"\nkind = \"webhook\"\nchannel = \"push\"\nurl = \"http://{}/messages\"\nallow_private = true\n\
         secret = \"{}\"\nprevious_secret = \"{}\"\n",
        server.address, secrets[0], secrets[1]
    );
    let gateway = gateway(&provider, &["user-1337"]).await;

    assert_eq!(outcomes(&gateway).await, [("crm".to_owned(), Outcome::accepted(None))]);

    let request = server.request();
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| (name.to_owned(), request.header(name).into()));
    let read = python::run(
        "import json, sys\nfrom standardwebhooks.webhooks import Webhook, WebhookVerificationError\nasked = json.load(sys.stdin)\n\
         read = [Webhook(secret).verify(asked['body'], asked['headers']) for secret in asked['secrets']]\n\
         assert read[0] == read[1] == json.loads(asked['body'])\n\
         for secret, body in [('whsec_' + 'A' * 32, asked['body']), (asked['secrets'][0], asked['body'] + ' ')]:\n\
         \x20   try:\n\
         \x20       Webhook(secret).verify(body, asked['headers'])\n\
         \x20   except WebhookVerificationError:\n\
         \x20       continue\n\
         \x20   raise SystemExit('a wrong signature was taken')\n\
         print(json.dumps(read[0]['data']), end='')",
        &json!({
            "headers": serde_json::Map::from_iter(headers), "secrets": secrets, "body": String::from_utf8(request.body.clone()).unwrap(),
        }),
    );
    let data: Value = serde_json::from_str(&read).unwrap();
    let delivery = json!(gateway.last().await.line.id);
    assert_eq!((&data["to"], &data["reference"], &data["channel"]), (&json!("user-1337"), &delivery, &json!("push")));
    assert_eq!(request.header("webhook-id"), delivery.as_str().unwrap());
}
