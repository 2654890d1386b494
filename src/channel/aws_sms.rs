//! SMS through AWS End User Messaging (`SendTextMessage` of its API for SMS and voice, version 2): JSON, signed with Signature Version 4.
//!
//! Amazon reports delivery to other services of Amazon only, so there are no receipts.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::aws::{self, AwsSigner};
use super::http::{self, Body, HttpRequest, max_in_flight, seconds_valid, sms_text};
use super::sender_names::SenderNames;
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;

/// The bounds of `TimeToLive`, in seconds: 5 s and 3 days.
const TTL_MIN: u64 = 5;
const TTL_MAX: u64 = 259_200;

/// The first part of the host name.
const HOST: &str = "sms-voice";

/// The keys of kind `aws_sms`. The API has no field that makes a repeated request one message, so `deduplicates` stays false.
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
    /// A sender id, a number, or a pool of them. The account's own choice when absent.
    #[serde(default)]
    pub sender: Option<SenderNames>,
    /// A set of the account that says where events go.
    #[serde(default)]
    pub configuration_set: Option<String>,
    /// Rules of the account for countries.
    #[serde(default)]
    pub protect_configuration: Option<String>,
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        http::adapter(common, self.max_in_flight, AwsSms::new(self, common)?, false)
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        aws::endpoint(self.url.as_deref(), HOST, &self.region)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`TimeToLive`, 5 s to 3 days",
            repeat: Repeat::Never("a second message"),
            receipts: "none: `hedge_after` goes on without one",
            tested_against: "Amazon's `botocore`: its model of the API, and its signature",
        }
    }
}

struct AwsSms {
    url: Url,
    signer: AwsSigner,
    sender: Option<SenderNames>,
    /// Fields that each request has.
    fixed: Value,
}

impl AwsSms {
    fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { region, url, access_key_id, secret_access_key, .. } = settings;
        let signer = AwsSigner {
            service: HOST,
            region: region.clone(),
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.clone(),
        };
        let mut fixed = json!({ "MessageType": "TRANSACTIONAL" });
        for (field, value) in [
            ("ConfigurationSetName", &settings.configuration_set),
            ("ProtectConfigurationId", &settings.protect_configuration),
        ] {
            if let Some(value) = value {
                fixed[field] = value.as_str().into();
            }
        }
        let url = aws::url(name, url.as_deref(), HOST, region, "/")?;
        Ok(Self { signer: signer.check(name)?, url, sender: settings.sender.clone(), fixed })
    }
}

impl HttpProvider for AwsSms {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let mut body = self.fixed.clone();
        body["DestinationPhoneNumber"] = message.to.expose().into();
        body["MessageBody"] = sms_text(message).into();
        body["TimeToLive"] = seconds_valid(message).clamp(TTL_MIN, TTL_MAX).into();
        if let Some(sender) = &self.sender {
            body["OriginationIdentity"] = sender.of(message).into();
        }
        body["Context"] = json!({ "reference": message.delivery });
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
            (HeaderName::from_static("x-amz-target"), HeaderValue::from_static("PinpointSMSVoiceV2.SendTextMessage")),
        ]);
        let request = HttpRequest { method: Method::POST, url: self.url.clone(), headers, body: Body::Json(body) };
        self.signer.sign(request, SystemClock.now())
    }

    fn answer(&self, headers: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
        aws::with_error_header(headers, body)
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        aws::outcome(status, body, cause)
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let name = aws::error_name(&answer)?;
        Some(answer["Reason"].as_str().map_or_else(|| name.to_owned(), |reason| format!("{name} {reason}")))
    }
}

/// What an error of the API means; `None` if its status says all.
fn cause(answer: &Value) -> Option<Cause> {
    let reason = answer["Reason"].as_str().unwrap_or_default();
    Some(match (aws::error_name(answer)?, reason) {
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT") => Cause::InvalidContact,
        ("ValidationException", "MAXIMUM_SIZE_EXCEEDED") => Cause::BadMessage,
        ("ValidationException", _) if names_number(answer) => Cause::InvalidContact,
        ("ValidationException", _) if is_about_account(reason) => Cause::Account,
        ("ValidationException", _) => Cause::Unclassified,
        // A limit of the account, a sender or a set that it does not have, and numbers that are not verified while it is new.
        ("ServiceQuotaExceededException" | "ResourceNotFoundException" | "ConflictException", _)
        | ("AccessDeniedException", "INSUFFICIENT_ACCOUNT_REPUTATION" | "ACCOUNT_DISABLED") => Cause::Account,
        (name, _) => return aws::common_cause(name),
    })
}

/// Countries and senders that the account may not use. Another provider may.
fn is_about_account(reason: &str) -> bool {
    reason.starts_with("SENDER_ID_")
        || matches!(
            reason,
            "CHANNEL_NOT_ENABLED"
                | "COUNTRY_NOT_ENABLED"
                | "DESTINATION_COUNTRY_BLOCKED"
                | "INTERNATIONAL_SENDING_NOT_SUPPORTED"
                | "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY"
                | "PRICE_OVER_THRESHOLD"
                | "RESOURCE_NOT_ACCESSIBLE"
        )
}

/// Whether all that is wrong is the number.
fn names_number(answer: &Value) -> bool {
    let fields = answer["Fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    !fields.is_empty() && fields.iter().all(|field| field["Name"] == "DestinationPhoneNumber")
}

#[cfg(test)]
mod tests {
    use super::super::test_servers;
    use super::*;
    use crate::domain::contact::Channel;
    use crate::domain::outcome::Reference;

    fn section(url: &str) -> Value {
        json!({ "kind": "aws_sms", "name": "aws", "region": "eu-central-1", "url": url, "access_key_id": "AKIDEXAMPLE",
                "secret_access_key": "s-0", "sender": "BANK", "configuration_set": "codes" })
    }

    fn aws_sms() -> AwsSms {
        let mut section = section("https://sms.example");
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        AwsSms::new(&serde_json::from_value(section).unwrap(), &test_servers::common("aws", Channel::Sms)).unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_with_its_time_its_reference_and_a_signature() {
        let (url, received) =
            test_servers::http(test_servers::http_answer("200 OK", &[], r#"{"MessageId":"m-1"}"#)).await;

        let outcome = test_servers::connect(section(&url)).send(&test_servers::sms("Kod 0042")).await.outcome;

        assert_eq!(outcome, Outcome::accepted(Reference::new("m-1")));
        let request = received.all().concat();
        for line in [
            "POST / HTTP/1.1\r\n",
            "content-type: application/x-amz-json-1.0\r\n",
            "x-amz-target: PinpointSMSVoiceV2.SendTextMessage\r\n",
            "/eu-central-1/sms-voice/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=",
        ] {
            assert!(request.contains(line), "{line} in {request}");
        }
        let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "DestinationPhoneNumber": "+48600100200", "MessageBody": "Kod 0042", "MessageType": "TRANSACTIONAL",
                "TimeToLive": 299, "OriginationIdentity": "BANK", "ConfigurationSetName": "codes",
                "Context": { "reference": test_servers::delivery() },
            })
        );
    }

    #[test]
    fn every_documented_answer_has_an_outcome() {
        let error = |name: &str, reason: &str| json!({ "__type": name, "Reason": reason, "Message": "no" });
        let field =
            |name: &str| json!({ "__type": "ValidationException", "Fields": [{ "Name": name, "Message": "no" }] });
        for (status, body, outcome) in [
            (200, json!({ "MessageId": "m-1" }), Outcome::accepted(Reference::new("m-1"))),
            (200, json!({}), Outcome::unknown(Cause::Unclassified)),
            (400, error("ThrottlingException", ""), Outcome::deferred(Cause::Throttled)),
            (
                400,
                error("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
                Outcome::deferred(Cause::Account),
            ),
            (400, error("AccessDeniedException", ""), Outcome::deferred(Cause::Unauthorized)),
            (400, error("AccessDeniedException", "ACCOUNT_DISABLED"), Outcome::deferred(Cause::Account)),
            (400, error("UnrecognizedClientException", ""), Outcome::deferred(Cause::Unauthorized)),
            (403, error("InvalidSignatureException", ""), Outcome::deferred(Cause::Unauthorized)),
            (400, error("ResourceNotFoundException", ""), Outcome::deferred(Cause::Account)),
            (
                400,
                error("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
                Outcome::rejected(Cause::InvalidContact),
            ),
            (
                400,
                error("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
                Outcome::deferred(Cause::Account),
            ),
            (400, error("ValidationException", "COUNTRY_NOT_ENABLED"), Outcome::deferred(Cause::Account)),
            (400, error("ValidationException", "SENDER_ID_NOT_REGISTERED"), Outcome::deferred(Cause::Account)),
            (400, error("ValidationException", "MAXIMUM_SIZE_EXCEEDED"), Outcome::rejected(Cause::BadMessage)),
            (400, error("ValidationException", "OTHER"), Outcome::deferred(Cause::Unclassified)),
            (400, field("DestinationPhoneNumber"), Outcome::rejected(Cause::InvalidContact)),
            (400, field("OriginationIdentity"), Outcome::deferred(Cause::Unclassified)),
            (500, error("InternalServerException", ""), Outcome::deferred(Cause::ProviderDown)),
            (503, Value::Null, Outcome::deferred(Cause::ProviderDown)),
            (400, error("SomethingNew", ""), Outcome::deferred(Cause::Unclassified)),
        ] {
            let found = aws_sms().outcome(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes());
            assert_eq!(found, outcome, "{body}");
        }
        let code = |body: Value| aws_sms().error_code(body.to_string().as_bytes());
        assert_eq!(
            code(error("a#ConflictException", "KEYWORD_MISMATCH")).as_deref(),
            Some("ConflictException KEYWORD_MISMATCH")
        );
        assert_eq!(code(json!({ "__type": "ThrottlingException" })).as_deref(), Some("ThrottlingException"));
    }
}
