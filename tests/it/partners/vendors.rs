//! Adapters of SMS vendors against what the vendors publish: requests are read by the models of their own libraries, and receipts
//! are signed by their own or an independent one.
//!
//! SMSAPI publishes no model of this request; what is compared there is what its documentation shows.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use otpost::domain::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::receipt_provider::SignedReceipt;
use crate::support::{Gateway, Setup, otp, python, recipient};

const TOKEN: &str = "0123456789abcdef";

/// A vendor's API: it answers each request alike, and keeps the bodies.
struct Vendor {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Vendor {
    async fn open(status: &'static str, answer: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor = Self { address: listener.local_addr().unwrap(), bodies: Arc::default() };
        let bodies = Arc::clone(&vendor.bodies);
        let answer = answer.to_string();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut inbox = Vec::new();
                while stream.read_buf(&mut inbox).await.is_ok_and(|read| read > 0) {
                    let text = String::from_utf8_lossy(&inbox).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    if length.is_none_or(|length| length.parse::<usize>().unwrap() > body.len()) {
                        continue;
                    }
                    bodies.lock().unwrap().push(body.to_owned());
                    inbox.clear();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        vendor
    }

    /// The only body that came.
    fn body(&self) -> String {
        let bodies = self.bodies.lock().unwrap();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        bodies[0].clone()
    }
}

/// A gateway that has sent one code through the vendor, whose id for it is `v-1`.
async fn sent(vendor: &Vendor, kind: &str, keys: &str) -> Gateway {
    let url = format!("http://{}", vendor.address);
    let provider = format!(
        "[[provider]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{url}\"\n{keys}\n[receipts]\nlisten = \"127.0.0.1:0\"\n"
    );
    let gateway = Setup::new().first(&provider).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
    let attempts = gateway.last().await.attempts;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert!(attempts[0].outcome.is_accepted(), "{attempts:?}");
    gateway
}

fn receipt(path: &str, headers: &[(&str, String)], body: String) -> SignedReceipt {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    SignedReceipt { path: path.to_owned(), method: "POST", headers, body }
}

async fn confirms(gateway: &Gateway, receipt: &SignedReceipt) {
    receipt.post(gateway.receipts_address()).await.expect_status(200);
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

fn form(body: &str) -> Value {
    form_urlencoded::parse(body.as_bytes()).map(|(name, value)| (name.into_owned(), Value::from(&*value))).collect()
}

#[tokio::test]
async fn twilio_takes_a_code_and_its_own_library_signs_the_receipt() {
    let vendor = Vendor::open("201 Created", json!({ "sid": "v-1", "status": "queued" })).await;
    let account = "AC00000000000000000000000000000001";
    let url = "https://bank.example/receipts/twilio";
    let keys =
        format!("account_sid = \"{account}\"\nauth_token = \"t-0\"\nfrom = \"+15005550006\"\nreceipts_url = \"{url}\"");

    let gateway = sent(&vendor, "twilio", &keys).await;

    let request = form(&vendor.body());
    assert_eq!((&request["To"], &request["From"]), (&json!("+48600100200"), &json!("+15005550006")));
    assert_eq!((&request["StatusCallback"], &request["ContentRetention"]), (&json!(url), &json!("discard")));
    let validity: u64 = request["ValidityPeriod"].as_str().unwrap().parse().unwrap();
    assert!((1..=300).contains(&validity), "{validity}");
    let fields =
        json!({ "MessageSid": "v-1", "MessageStatus": "delivered", "AccountSid": account, "To": "+48600100200" });
    let signature = python::run(
        "import json, sys\nfrom twilio.request_validator import RequestValidator\n\
         asked = json.load(sys.stdin)\n\
         print(RequestValidator('t-0').compute_signature(asked['url'], asked['fields']), end='')",
        &json!({ "url": url, "fields": fields }),
    );
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap())))
        .finish();
    let kind = ("Content-Type", "application/x-www-form-urlencoded".to_owned());
    let forged = receipt("/receipts/twilio", &[kind.clone(), ("X-Twilio-Signature", "AAAA".to_owned())], body.clone());
    forged.post(gateway.receipts_address()).await.expect_status(401);
    confirms(&gateway, &receipt("/receipts/twilio", &[kind, ("X-Twilio-Signature", signature)], body)).await;
}

#[tokio::test]
async fn infobip_takes_a_code_as_its_own_models_read_it() {
    let status = json!({ "groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED" });
    let vendor = Vendor::open("200 OK", json!({ "messages": [{ "messageId": "v-1", "status": status }] })).await;
    let keys = format!(
        "api_key = \"k-0\"\nsender = \"BANK\"\nreceipts = {{ url = \"https://bank.example/receipts/infobip\", token = \"{TOKEN}\" }}"
    );

    let gateway = sent(&vendor, "infobip", &keys).await;

    let read = python::run(
        "import json, sys\nfrom infobip_api_client.models import SmsRequest\n\
         asked = json.load(sys.stdin)\nread = SmsRequest.from_dict(asked)\n\
         assert read.to_dict() == asked, read.to_dict()\nmessage = read.messages[0]\n\
         print(message.destinations[0].to, message.options.validity_period.time_unit, end='')",
        &serde_json::from_str(&vendor.body()).unwrap(),
    );
    assert_eq!(
        read.split_once(' ').map(|(to, unit)| (to, unit.contains("SECONDS"))),
        Some(("48600100200", true)),
        "{read}"
    );
    let report = python::run(
        "import json\nfrom infobip_api_client.models import SmsDeliveryReport, SmsMessageStatus\n\
         status = SmsMessageStatus(groupId=3, groupName='DELIVERED', id=5, name='DELIVERED_TO_HANDSET')\n\
         print(json.dumps(SmsDeliveryReport(messageId='v-1', to='48600100200', status=status).to_dict(), default=str), end='')",
        &json!({}),
    );
    let report: Value = serde_json::from_str(&report).unwrap();
    let path = format!("/receipts/infobip?token={TOKEN}");
    let body = json!({ "results": [report] }).to_string();
    receipt("/receipts/infobip", &[], body.clone()).post(gateway.receipts_address()).await.expect_status(401);
    confirms(&gateway, &receipt(&path, &[("Content-Type", "application/json".to_owned())], body)).await;
}

#[tokio::test]
async fn vonage_takes_a_code_as_its_own_models_read_it_and_another_library_signs_the_receipt() {
    let vendor = Vendor::open("202 Accepted", json!({ "message_uuid": "v-1" })).await;
    let secret = "signature-secret-of-32-characters";
    let keys = format!(
        "api_key = \"k-0\"\napi_secret = \"s-0\"\nsender = \"BANK\"\nsignature_secret = \"{secret}\"\n\
         receipts_url = \"https://bank.example/receipts/vonage\""
    );

    let gateway = sent(&vendor, "vonage", &keys).await;

    let read = python::run(
        "import json, sys\nfrom vonage_messages.models import Sms\nasked = json.load(sys.stdin)\n\
         read = Sms(from_=asked.pop('from'), **asked)\nprint(read.ttl, read.webhook_url, end='')",
        &serde_json::from_str(&vendor.body()).unwrap(),
    );
    let (ttl, url) = read.split_once(' ').unwrap();
    assert!((20..=300).contains(&ttl.parse().unwrap()), "{ttl}");
    assert_eq!(url, "https://bank.example/receipts/vonage");
    let body = json!({ "message_uuid": "v-1", "status": "delivered", "channel": "sms" }).to_string();
    let token = python::run(
        "import hashlib, json, sys\nfrom joserfc import jwt\nfrom joserfc.jwk import OctKey\nasked = json.load(sys.stdin)\n\
         claims = {'iat': asked['now'], 'payload_hash': hashlib.sha256(asked['body'].encode()).hexdigest()}\n\
         print(jwt.encode({'alg': 'HS256'}, claims, OctKey.import_key(asked['secret'])), end='')",
        &json!({ "body": body, "secret": secret, "now": gateway.now().micros() / 1_000_000 }),
    );
    let signed =
        |token: &str| receipt("/receipts/vonage", &[("Authorization", format!("Bearer {token}"))], body.clone());
    signed(&format!("{token}x")).post(gateway.receipts_address()).await.expect_status(401);
    confirms(&gateway, &signed(&token)).await;
}

#[tokio::test]
async fn sinch_takes_a_code_as_its_own_models_read_it() {
    let vendor = Vendor::open("201 Created", json!({ "id": "v-1" })).await;
    let keys = format!(
        "service_plan_id = \"p-1\"\napi_token = \"t-0\"\nsender = \"BANK\"\n\
         receipts = {{ url = \"https://bank.example/receipts/sinch\", token = \"{TOKEN}\" }}"
    );

    let gateway = sent(&vendor, "sinch", &keys).await;

    let read = python::run(
        "import json, sys\nfrom sinch.domains.sms.models.v1.shared.text_request import TextRequest\n\
         asked = json.load(sys.stdin)\nread = TextRequest(**asked)\n\
         assert not read.model_extra, read.model_extra\n\
         print(read.to[0], read.delivery_report, int(read.expire_at.timestamp()), end='')",
        &serde_json::from_str(&vendor.body()).unwrap(),
    );
    let [to, report, expires] = read.split(' ').collect::<Vec<_>>()[..] else { panic!("{read}") };
    assert_eq!((to, report), ("+48600100200", "per_recipient_final"));
    let left = expires.parse::<i64>().unwrap() - SystemClock.now().micros() / 1_000_000;
    assert!((1..=300).contains(&left), "{left}");
    let body = json!({ "type": "recipient_delivery_report_sms", "batch_id": "v-1", "recipient": "48600100200", "code": 0,
                       "status": "Delivered", "at": "2026-11-28T00:00:00.000Z" });
    let kind = python::run(
        "import json, sys\nfrom sinch.domains.sms.sinch_events.v1.sms_sinch_event import SmsSinchEvent\n\
         print(type(SmsSinchEvent().parse_event(json.load(sys.stdin))).__name__, end='')",
        &body,
    );
    assert_eq!(kind, "RecipientDeliveryReport");
    receipt("/receipts/sinch", &[], body.to_string()).post(gateway.receipts_address()).await.expect_status(401);
    confirms(&gateway, &receipt(&format!("/receipts/sinch?token={TOKEN}"), &[], body.to_string())).await;
}

#[tokio::test]
async fn messagebird_takes_a_code_and_its_own_library_accepts_the_signature_of_the_receipt() {
    let vendor = Vendor::open("201 Created", json!({ "id": "v-1" })).await;
    let (url, key) = ("https://bank.example/receipts/messagebird", "signing-key-of-32-characters-0000");
    let keys = format!("access_key = \"k-0\"\nsender = \"BANK\"\nreceipts_url = \"{url}\"\nsigning_key = \"{key}\"");

    let gateway = sent(&vendor, "messagebird", &keys).await;

    let request: Value = serde_json::from_str(&vendor.body()).unwrap();
    assert_eq!((&request["recipients"], &request["reportUrl"]), (&json!(["48600100200"]), &json!(url)));
    assert!((1..=300).contains(&request["validity"].as_u64().unwrap()), "{request}");
    let query = "id=v-1&reference=r-1&recipient=48600100200&status=delivered&statusReason=successfully+delivered";
    // The library compares with the real time, and the gateway with its own.
    let times = [SystemClock.now(), gateway.now()].map(|it| it.micros() / 1_000_000);
    let token = python::run(
        "import hashlib, json, sys\nfrom joserfc import jwt\nfrom joserfc.jwk import OctKey\n\
         from messagebird.request_validator import RequestValidator\n\
         asked = json.load(sys.stdin)\n\
         claims = {'iss': 'MessageBird', 'nbf': min(asked['times']) - 1, 'exp': max(asked['times']) + 60, 'jti': '1',\n\
         'url_hash': hashlib.sha256(asked['url'].encode()).hexdigest()}\n\
         token = jwt.encode({'alg': 'HS256'}, claims, OctKey.import_key(asked['key']))\n\
         RequestValidator(asked['key']).validate_signature(token, asked['url'], '')\nprint(token, end='')",
        &json!({ "url": format!("{url}?{query}"), "key": key, "times": times }),
    );
    let signed = |query: &str| {
        receipt(
            &format!("/receipts/messagebird?{query}"),
            &[("MessageBird-Signature-JWT", token.clone())],
            String::new(),
        )
        .method("GET")
    };
    signed(&query.replace("delivered", "expired")).post(gateway.receipts_address()).await.expect_status(401);
    confirms(&gateway, &signed(query)).await;
}

#[tokio::test]
async fn smsapi_takes_a_code_and_reports_it_as_a_query() {
    let vendor = Vendor::open("200 OK", json!({ "count": 1, "list": [{ "id": "v-1", "status": "QUEUE" }] })).await;
    let keys = format!(
        "token = \"t-0\"\nsender = \"BANK\"\nreceipts = {{ url = \"https://bank.example/receipts/smsapi\", token = \"{TOKEN}\" }}"
    );

    let gateway = sent(&vendor, "smsapi", &keys).await;

    let request = form(&vendor.body());
    assert_eq!((&request["to"], &request["from"]), (&json!("48600100200"), &json!("BANK")));
    assert_eq!((&request["format"], &request["check_idx"]), (&json!("json"), &json!("1")));
    assert_eq!(request["notify_url"], format!("https://bank.example/receipts/smsapi?token={TOKEN}"));
    let query = "MsgId=v-1&status=404&idx=&points=0.16&to=48600100200";
    let asked =
        |token: &str| receipt(&format!("/receipts/smsapi?token={token}&{query}"), &[], String::new()).method("GET");
    asked("wrong").post(gateway.receipts_address()).await.expect_status(401);
    let answer = asked(TOKEN).post(gateway.receipts_address()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn fcm_takes_a_code_as_googles_own_description_has_it() {
    let tokens = Vendor::open("200 OK", json!({ "access_token": "t-0", "expires_in": 3599 })).await;
    let vendor = Vendor::open("200 OK", json!({ "name": "projects/bank-1/messages/v-1" })).await;
    let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let account = json!({
        "project_id": "bank-1", "client_email": "otpost@bank-1.example", "token_uri": format!("http://{}", tokens.address),
        "private_key": String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap(),
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), account.to_string()).unwrap();
    let provider = format!(
        "[[provider]]\nname = \"fcm\"\nkind = \"fcm\"\nurl = \"http://{}\"\nservice_account = \"file:{}\"\n",
        vendor.address,
        file.path().display()
    );
    let gateway = Setup::new().first(&provider).start().await;
    gateway.knows([recipient("phone").customer("1337").app("token-1")]).await;

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    let message: Value = serde_json::from_str(&vendor.body()).unwrap();
    let complaints = python::run(include_str!("../support/fcm_schema.py"), &message);
    assert_eq!(complaints, "");
    let mut wrong = message.clone();
    wrong["message"]["android"]["priority"] = "URGENT".into();
    wrong["message"]["data"]["count"] = 1.into();
    let complaints = python::run(include_str!("../support/fcm_schema.py"), &wrong);
    assert_eq!(complaints.lines().count(), 2, "{complaints}");
    assert_eq!(message["message"]["token"], "token-1");
}
