//! E-mail through Amazon SES (`SendEmail` of its API, version 2): JSON, signed with Signature Version 4. Amazon writes the mail and signs
//! it for the sender's domain.
//!
//! Amazon reports delivery to other services of Amazon only, so there are no receipts.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use super::aws::{self, AwsSigner};
use super::http::{self, Body, HttpRequest, max_in_flight};
use super::mail_headers::{self, Unsubscribe};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::mailbox;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;

/// The first part of the host name.
const HOST: &str = "email";
const PATH: &str = "/v2/email/outbound-emails";

/// The keys of kind `ses`. The API has no field that makes a repeated request one mail, so `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The region where the account sends from, such as `eu-central-1`.
    pub region: String,
    /// Another address than the region's, such as that of an interface endpoint in a private network.
    #[serde(default)]
    pub url: Option<String>,
    pub access_key_id: String,
    pub secret_access_key: Credential,
    /// The sender, such as `Bank <otp@bank.example>`; its domain or address is verified in the account.
    pub from: String,
    /// As for `smtp`.
    #[serde(default)]
    pub list_unsubscribe: String,
    /// A set of the account that says where events go.
    #[serde(default)]
    pub configuration_set: Option<String>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, Ses::new(self, common)?, false)
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        aws::endpoint(self.url.as_deref(), HOST, &self.region)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "none",
            repeat: Repeat::Never("a second mail"),
            receipts: "none",
            tested_against: "`moto` of Python, and the signature of Amazon's `botocore`",
        }
    }
}

struct Ses {
    url: Url,
    signer: AwsSigner,
    /// As a header writes it.
    from: String,
    unsubscribe: Option<Unsubscribe>,
    configuration_set: Option<String>,
}

impl Ses {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { region, url, access_key_id, secret_access_key, from, list_unsubscribe, .. } = settings;
        let signer = AwsSigner {
            service: "ses",
            region: region.clone(),
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.clone(),
        };
        let unsubscribe = Unsubscribe::read(list_unsubscribe).map_err(|expected| Error::new(name, expected))?;
        Ok(Self {
            url: aws::url(name, url.as_deref(), HOST, region, PATH)?,
            signer: signer.check(name)?,
            from: mail_headers::encoded(&mail_headers::sender(name, from)?),
            unsubscribe,
            configuration_set: settings.configuration_set.clone(),
        })
    }
}

impl HttpProvider for Ses {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let not_sent = |cause, detail| SendResult::new(Outcome::failed(cause), detail);
        let RenderedMessage::Email { subject, text, html, locale } = &message.rendered else {
            return Err(not_sent(Cause::NotRendered, "the message is no mail"));
        };
        let address = mailbox::parse(message.to.expose()).filter(|(local, _)| local.is_ascii());
        let Some((local, domain)) = address else {
            return Err(not_sent(Cause::InvalidContact, "Amazon takes no such address: expected ASCII before the @"));
        };
        let part = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
        let mut body = json!({
            "FromEmailAddress": self.from,
            "Destination": { "ToAddresses": [format!("{local}@{domain}")] },
            "Content": { "Simple": {
                "Subject": part(&subject.reveal().replace(char::is_control, " ")),
                "Body": { "Text": part(text.reveal()), "Html": part(html.reveal()) },
                "Headers": mail_headers::named(message, locale, self.unsubscribe.as_ref()),
            } },
            "EmailTags": [{ "Name": "reference", "Value": message.delivery }],
        });
        if let Some(set) = &self.configuration_set {
            body["ConfigurationSetName"] = set.as_str().into();
        }
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let request = HttpRequest { method: Method::POST, url: self.url.clone(), headers, body: Body::Json(body) };
        self.signer.sign(request, SystemClock.now())
    }

    fn answer(&self, headers: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
        aws::with_error_header(headers, body)
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        aws::outcome(status, body, |answer| aws::error_name(answer).and_then(cause))
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        aws::error_name(&serde_json::from_slice(body).ok()?).map(str::to_owned)
    }
}

/// What an error of the API means; `None` if its status says all. `MessageRejected` is about the text or about a sender that is not
/// verified, and no field says which.
fn cause(error: &str) -> Option<Cause> {
    Some(match error {
        "LimitExceededException" => Cause::Throttled,
        "AccountSuspendedException"
        | "SendingPausedException"
        | "MailFromDomainNotVerifiedException"
        | "NotFoundException" => Cause::Account,
        "MessageRejected" | "BadRequestException" => Cause::Unclassified,
        _ => return aws::common_cause(error),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::test_servers;
    use super::*;
    use crate::domain::contact::{Channel, Contact};
    use crate::domain::notification::Priority;
    use crate::domain::outcome::Reference;

    fn section(url: &str) -> Value {
        json!({ "kind": "ses", "name": "ses", "region": "eu-central-1", "url": url, "access_key_id": "AKIDEXAMPLE",
                "secret_access_key": "s-0", "from": "Bank Żółw <otp@bank.example>",
                "list_unsubscribe": "mailto:stop@bank.example" })
    }

    fn ses() -> Ses {
        let mut section = section("https://email.example");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        Ses::new(&serde_json::from_value(section).unwrap(), &test_servers::common("ses", Channel::Email)).unwrap()
    }

    #[tokio::test]
    async fn a_mail_is_posted_with_both_texts_its_headers_and_a_signature() {
        let (url, received) =
            test_servers::http(test_servers::http_answer("200 OK", &[], r#"{"MessageId":"m-1"}"#)).await;
        let message = test_servers::email("Kod\r\nBcc: x", "Kod 0042", "<p>Kod 0042</p>");

        let outcome = test_servers::connect(section(&url)).send(&message).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("m-1")));
        let request = received.all().concat();
        assert!(request.starts_with("POST /v2/email/outbound-emails HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("/eu-central-1/ses/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=")
        );
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let from = body["FromEmailAddress"].as_str().unwrap();
        assert!(from.is_ascii() && from.ends_with("<otp@bank.example>"), "{from}");
        assert_eq!(body["Destination"], json!({ "ToAddresses": ["leon@mail.example"] }));
        let content = &body["Content"]["Simple"];
        assert_eq!(content["Subject"]["Data"], "Kod  Bcc: x");
        assert_eq!(content["Body"]["Text"]["Data"], "Kod 0042");
        assert_eq!(content["Body"]["Html"]["Data"], "<p>Kod 0042</p>");
        let names: Vec<_> =
            content["Headers"].as_array().unwrap().iter().map(|it| it["Name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Auto-Submitted", "X-Auto-Response-Suppress", "Content-Language"]);
        assert_eq!(body["EmailTags"], json!([{ "Name": "reference", "Value": test_servers::delivery() }]));
    }

    #[test]
    fn a_standard_notification_says_how_to_unsubscribe() {
        let message = OutboundMessage { priority: Priority::Standard, ..test_servers::email("a", "b", "c") };
        let Body::Json(body) = ses().request(&message).unwrap().body else { unreachable!("SES takes JSON") };
        let expected = json!({ "Name": "List-Unsubscribe", "Value": "<mailto:stop@bank.example>" });
        assert_eq!(body["Content"]["Simple"]["Headers"][3], expected);
    }

    #[test]
    fn an_address_that_amazon_does_not_take_is_not_sent() {
        let to = Contact::restore(Channel::Email, "źdźbło@mail.example");
        let refused = ses().request(&OutboundMessage { to, ..test_servers::email("a", "b", "c") }).err().unwrap();
        assert_eq!(refused.outcome, Outcome::rejected(Cause::InvalidContact));
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = |name: &str| json!({ "__type": name, "message": "no" });
        for (status, body, outcome) in [
            (200, json!({ "MessageId": "m-1" }), Outcome::accepted(Reference::new("m-1"))),
            (200, json!({}), Outcome::unknown(Cause::Unclassified)),
            (429, error("TooManyRequestsException"), Outcome::deferred(Cause::Throttled)),
            (400, error("LimitExceededException"), Outcome::deferred(Cause::Throttled)),
            (400, error("AccountSuspendedException"), Outcome::deferred(Cause::Account)),
            (400, error("SendingPausedException"), Outcome::deferred(Cause::Account)),
            (400, error("MailFromDomainNotVerifiedException"), Outcome::deferred(Cause::Account)),
            (404, error("NotFoundException"), Outcome::deferred(Cause::Account)),
            (404, Value::Null, Outcome::deferred(Cause::WrongUrl)),
            (400, error("MessageRejected"), Outcome::deferred(Cause::Unclassified)),
            (400, error("BadRequestException"), Outcome::deferred(Cause::Unclassified)),
            (403, error("SignatureDoesNotMatch"), Outcome::deferred(Cause::Unauthorized)),
            (500, error("InternalFailure"), Outcome::deferred(Cause::ProviderDown)),
        ] {
            let found = ses().outcome(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes());
            assert_eq!(found, outcome, "{body}");
        }
        assert_eq!(ses().error_code(br#"{"__type":"MessageRejected"}"#).as_deref(), Some("MessageRejected"));
    }
}
