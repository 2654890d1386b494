//! SMS through Twilio's Programmable Messaging API (version 2010-04-01): a form for each message, receipts that are signed with
//! the account's auth token.
//!
//! The signature covers the URL as Twilio calls it, which a proxy may have changed: it is computed from the configured one.

use openssl::hash::MessageDigest;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::hmac::is_hmac;
use super::http::answer::{common_outcome, reference_at, scalar};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::http::{basic, check_public_url, check_url, seconds_valid, sms_text};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::receipt::{Callback, Receipt, ReceiptBatch, ReceiptCode, ReceiptRejection, ReceiptStatus};
use crate::domain::secret::Credential;

/// The longest `ValidityPeriod`, in seconds. The shortest is one second.
const VALIDITY_MAX: u64 = 36_000;

/// The error of a receipt for a message that was not delivered within its `ValidityPeriod`.
const EXPIRED: &str = "30036";

/// The keys of kind `twilio`. Twilio has no field that makes a repeated request one message, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// It signs the receipts, and authenticates requests unless there is an `api_key`.
    pub auth_token: Credential,
    /// Authenticates requests in place of the auth token, and can be revoked alone.
    #[serde(default)]
    pub api_key: Option<ApiKey>,
    /// The sender: a number of the account, or a name where the country allows one.
    #[serde(default)]
    pub from: Option<String>,
    /// In place of `from`: the service that chooses the sender, `MG` and 32 hexadecimal digits.
    #[serde(default)]
    pub messaging_service: Option<String>,
    /// The address of the API; another one for a region.
    #[serde(default = "api")]
    pub url: String,
    /// Where Twilio posts receipts: the public URL that leads to `/receipts/NAME`. Without it there are none.
    #[serde(default)]
    pub receipts_url: Option<String>,
    /// Whether Twilio may keep texts and whole phone numbers.
    #[serde(default)]
    pub keep_content: bool,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

/// A key of the account: `SK` and 32 hexadecimal digits, and its secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    pub sid: Credential,
    pub secret: Credential,
}

fn api() -> String {
    "https://api.twilio.com".to_owned()
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, Twilio::new(self, common)?, self.receipts_url.is_some())
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`ValidityPeriod`, 1 s to 10 h",
            repeat: Repeat::Never("a second message"),
            receipts: "form; HMAC-SHA1 of URL and fields by the auth token",
            tested_against: "signatures of its Python library",
        }
    }
}

struct Twilio {
    url: Url,
    headers: HeaderMap,
    settings: Settings,
}

impl Twilio {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let wrong = |what: &str| Err(Error::new(name, what));
        let Settings { account_sid, auth_token, api_key, from, messaging_service, receipts_url, .. } = settings;
        if !is_sid(account_sid, "AC") {
            return wrong("account_sid: expected AC and 32 hexadecimal digits");
        }
        if from.is_some() == messaging_service.is_some() {
            return wrong("from and messaging_service: expected one of them");
        }
        if messaging_service.as_ref().is_some_and(|sid| !is_sid(sid, "MG")) {
            return wrong("messaging_service: expected MG and 32 hexadecimal digits");
        }
        if let Some(url) = receipts_url {
            check_public_url(name, "receipts_url", url)?;
        }
        let (user, password) = match api_key {
            Some(key) => (&key.sid, &key.secret),
            None => (&Credential::new(account_sid.clone()), auth_token),
        };
        let headers = HeaderMap::from_iter([basic(name, user, password)?]);
        let mut url = check_url(name, &settings.url)?;
        url.set_path(&format!("/2010-04-01/Accounts/{account_sid}/Messages.json"));
        Ok(Self { url, headers, settings: settings.clone() })
    }

    /// `base64(HMAC-SHA1(auth token, URL + each name and value in the order of the names))`. Twilio calls the URL with or without
    /// the port of HTTPS.
    fn is_signed(&self, callback: &Callback<'_>, fields: &[(String, String)]) -> bool {
        let given = (callback.header)("X-Twilio-Signature").and_then(|it| std::str::from_utf8(it).ok());
        let Some((given, url)) = given.zip(self.settings.receipts_url.as_ref()) else { return false };
        let Ok(given) = openssl::base64::decode_block(given) else { return false };
        let fields: String = fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
        let urls = [url.clone(), with_port(url)];
        let is_of = |url: &String| {
            let parts = [url.as_bytes(), fields.as_bytes()];
            is_hmac(MessageDigest::sha1(), self.settings.auth_token.expose().as_bytes(), &parts, &given)
        };
        urls.iter().any(is_of)
    }
}

impl HttpProvider for Twilio {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let Settings { from, messaging_service, receipts_url, keep_content, .. } = &self.settings;
        let text = sms_text(message);
        let retention = |value: &'static str| (!keep_content).then(|| value.to_owned());
        let fields = [
            ("To", Some(message.to.expose().to_owned())),
            ("From", from.clone()),
            ("MessagingServiceSid", messaging_service.clone()),
            ("Body", Some(text.to_owned())),
            ("ValidityPeriod", Some(seconds_valid(message).min(VALIDITY_MAX).to_string())),
            ("StatusCallback", receipts_url.clone()),
            ("ContentRetention", retention("discard")),
            ("AddressRetention", retention("obfuscate")),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Ok(HttpRequest { method: Method::POST, url, headers, body: Body::Form(fields) })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        if status.is_success() {
            return match reference_at(&answer, "/sid") {
                None => Outcome::unknown(Cause::Unclassified),
                reference => Outcome::accepted(reference),
            };
        }
        let code = answer["code"].as_u64().and_then(cause);
        code.map_or_else(|| common_outcome(status), Outcome::failed)
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        scalar(&serde_json::from_slice::<Value>(body).ok()?["code"])
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        let pairs = form_urlencoded::parse(callback.body);
        let mut fields: Vec<_> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        fields.sort_unstable();
        if !self.is_signed(callback, &fields) {
            return Err(ReceiptRejection::Unsigned);
        }
        let field = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let reference = field("MessageSid").and_then(Reference::new).ok_or(ReceiptRejection::Malformed)?;
        let written = field("MessageStatus").ok_or(ReceiptRejection::Malformed)?;
        let error = field("ErrorCode").filter(|code| !code.is_empty() && *code != "0");
        let status = match written {
            "delivered" | "read" => ReceiptStatus::Delivered,
            "undelivered" | "failed" if error == Some(EXPIRED) => ReceiptStatus::Expired,
            "undelivered" | "failed" | "canceled" => ReceiptStatus::Undelivered,
            _ => return Ok(ReceiptBatch::default()),
        };
        let code = ReceiptCode::new(&error.map_or_else(|| written.to_owned(), |error| format!("{written} {error}")));
        Ok(ReceiptBatch { receipts: vec![Receipt { reference, status, code, at: callback.now }], unreadable: 0 })
    }
}

/// What the error codes mean that Twilio documents for this request (<https://www.twilio.com/docs/api/errors>).
const fn cause(code: u64) -> Option<Cause> {
    Some(match code {
        // No phone number, one that no route leads to, a landline, or a recipient who has replied STOP.
        21211 | 21214 | 21217 | 21265 | 21401 | 21407 | 21610 | 21612 | 21614 | 21635 | 60205 => Cause::InvalidContact,
        // No text, too long a text, or a text that is not allowed.
        21602 | 21605 | 21617 | 21619 | 30007 | 63013 => Cause::BadMessage,
        // A wrong sender, a country that is not enabled, a trial account, no balance, or a suspended account.
        20005
        | 21212
        | 21408
        | 21603
        | 21606
        | 21608
        | 21609
        | 21624
        | 21659..=21662
        | 21701..=21712
        | 30002
        | 30018..=30035
        | 63038 => Cause::Account,
        20003 | 20006 | 20008 => Cause::Unauthorized,
        14107 | 20429 | 21611 | 30001 => Cause::Throttled,
        20404 => Cause::WrongUrl,
        20500 | 20503 => Cause::ProviderDown,
        _ => return None,
    })
}

fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The URL with the port of HTTPS, if it names none.
fn with_port(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return url.to_owned() };
    match (parsed.port(), parsed.host_str()) {
        (None, Some(host)) => url.replacen(host, &format!("{host}:443"), 1),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::hmac::hmac;
    use super::super::test_servers;
    use super::*;
    use crate::domain::clock::Timestamp;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const RECEIPTS: &str = "https://mycompany.example/myapp.php?foo=1&bar=2";

    fn section(url: &str) -> Value {
        json!({ "kind": "twilio", "name": "twilio", "account_sid": ACCOUNT, "auth_token": "12345", "from": "+15005550006",
                "url": url, "receipts_url": RECEIPTS })
    }

    fn settings(changes: &Value) -> Settings {
        let mut section = section("https://api.twilio.example");
        let fields = section.as_object_mut().unwrap();
        fields.retain(|key, _| key != "kind" && key != "name");
        fields.extend(changes.as_object().unwrap().clone());
        fields.retain(|_, value| !value.is_null());
        serde_json::from_value(section).unwrap()
    }

    fn twilio() -> Twilio {
        Twilio::new(&settings(&json!({})), &test_servers::common("twilio", crate::domain::contact::Channel::Sms))
            .unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_as_a_form_with_its_validity_and_without_being_kept() {
        let answer = r#"{"sid":"SM1","status":"queued","error_code":null}"#;
        let (url, received) = test_servers::http(test_servers::http_answer("201 Created", &[], answer)).await;

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("SM1")));
        let request = received.all().concat();
        assert!(request.starts_with(&format!("POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1\r\n")));
        let credentials = openssl::base64::encode_block(format!("{ACCOUNT}:12345").as_bytes());
        assert!(request.contains(&format!("authorization: Basic {credentials}\r\n")), "{request}");
        assert_eq!(
            request.split("\r\n\r\n").nth(1).unwrap(),
            "To=%2B48600100200&From=%2B15005550006&Body=Kod+0042&ValidityPeriod=299&\
             StatusCallback=https%3A%2F%2Fmycompany.example%2Fmyapp.php%3Ffoo%3D1%26bar%3D2&\
             ContentRetention=discard&AddressRetention=obfuscate"
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = |code: u32| format!(r#"{{"code":{code},"message":"m","more_info":"u","status":400}}"#);
        for (status, body, outcome) in [
            (201, r#"{"sid":"SM1"}"#.to_owned(), Outcome::accepted(Reference::new("SM1"))),
            (200, "<html>".to_owned(), Outcome::unknown(Cause::Unclassified)),
            (400, error(21211), Outcome::rejected(Cause::InvalidContact)),
            (400, error(21610), Outcome::rejected(Cause::InvalidContact)),
            (400, error(21617), Outcome::rejected(Cause::BadMessage)),
            (400, error(21408), Outcome::deferred(Cause::Account)),
            (401, error(20003), Outcome::deferred(Cause::Unauthorized)),
            (404, error(20404), Outcome::deferred(Cause::WrongUrl)),
            (429, error(20429), Outcome::deferred(Cause::Throttled)),
            (400, error(99999), Outcome::deferred(Cause::Unclassified)),
            (503, String::new(), Outcome::deferred(Cause::ProviderDown)),
            (504, String::new(), Outcome::unknown(Cause::TimedOut)),
        ] {
            assert_eq!(twilio().outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()), outcome, "{body}");
        }
        assert_eq!(twilio().error_code(error(21211).as_bytes()).as_deref(), Some("21211"));
    }

    #[test]
    fn mistakes_in_the_settings_are_named_by_their_key() {
        let error = |changes| {
            let common = test_servers::common("twilio", crate::domain::contact::Channel::Sms);
            Twilio::new(&settings(&changes), &common).err().unwrap().to_string()
        };
        assert!(error(json!({ "account_sid": "12" })).contains("account_sid: expected AC"));
        assert!(error(json!({ "from": null })).contains("from and messaging_service: expected one of them"));
        assert!(error(json!({ "from": null, "messaging_service": "x" })).contains("messaging_service: expected MG"));
        assert!(error(json!({ "receipts_url": "receipts" })).contains("receipts_url: expected https://"));
        assert!(error(json!({ "url": "api.twilio.com" })).contains("url: expected http:// or https://"));
    }

    fn read(signature: &str, body: &str) -> Result<ReceiptBatch, ReceiptRejection> {
        let header = |name: &str| (name == "X-Twilio-Signature").then_some(signature.as_bytes());
        twilio().receipts(&Callback {
            header: &header,
            query: "",
            body: body.as_bytes(),
            now: Timestamp::from_micros(0),
        })
    }

    fn sign(url: &str, fields: &str) -> String {
        let (secret, parts) = (Credential::new("12345".to_owned()), [url.as_bytes(), fields.as_bytes()]);
        openssl::base64::encode_block(&hmac(MessageDigest::sha1(), secret.expose().as_bytes(), &parts).unwrap())
    }

    #[test]
    fn a_receipt_is_read_when_the_auth_token_has_signed_it() {
        let receipt = |status: &str, error: &str| {
            let body = format!("MessageStatus={status}&ErrorCode={error}&MessageSid=SM1&To=%2B48600100200");
            let signed = format!("ErrorCode{error}MessageSidSM1MessageStatus{status}To+48600100200");
            let read = read(&sign(RECEIPTS, &signed), &body).unwrap();
            read.receipts.first().map(|receipt| {
                assert_eq!(receipt.reference.as_str(), "SM1");
                (receipt.status, receipt.code.as_ref().unwrap().as_str().to_owned())
            })
        };
        let is = |status, code: &str| Some((status, code.to_owned()));
        assert_eq!(receipt("delivered", ""), is(ReceiptStatus::Delivered, "delivered"));
        assert_eq!(receipt("read", ""), is(ReceiptStatus::Delivered, "read"));
        assert_eq!(receipt("undelivered", "30003"), is(ReceiptStatus::Undelivered, "undelivered 30003"));
        assert_eq!(receipt("failed", "30036"), is(ReceiptStatus::Expired, "failed 30036"));
        for earlier in ["accepted", "queued", "sending", "sent", "scheduled", "partially_delivered"] {
            assert_eq!(receipt(earlier, ""), None, "{earlier}");
        }
    }

    #[test]
    fn a_receipt_that_is_not_signed_is_rejected() {
        let (body, fields) = ("MessageSid=SM1&MessageStatus=sent", "MessageSidSM1MessageStatussent");
        let with_port = "https://mycompany.example:443/myapp.php?foo=1&bar=2";
        assert!(read(&sign(with_port, fields), body).is_ok());
        for wrong in
            [sign("https://other.example/", fields), sign(RECEIPTS, "MessageSidSM2"), String::new(), "%".into()]
        {
            assert_eq!(read(&wrong, body), Err(ReceiptRejection::Unsigned), "{wrong}");
        }
        assert_eq!(read(&sign(RECEIPTS, "a1"), "a=1"), Err(ReceiptRejection::Malformed));
    }
}
