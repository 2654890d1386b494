//! A sample provider: all that a new kind of provider needs beside its line in the registry.
//!
//! It exists in tests only. The guide "Adding a provider" follows it, and the tests prove that it works and that no other
//! file names it.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::answer::{common_outcome, reference_at};
use super::http::{self, Body, HttpRequest, MAX_IN_FLIGHT};
use super::http::{check_url, seconds_valid, sms_text};
use super::receipt::{self, ReceiptParser};
use super::{Adapter, Capabilities, Common, Error, HttpProvider, KindSettings, ProviderEndpoint, Repeat, SendResult};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::{Callback, ReceiptBatch, ReceiptRejection};
use crate::domain::secret::Credential;

/// The keys of kind `sample`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub url: String,
    pub api_key: Credential,
    #[serde(default)]
    pub receipt: Option<receipt::Settings>,
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        let url = check_url(common.name(), &self.url)?;
        let receipts = ReceiptParser::configured(common.name(), self.receipt.as_ref())?;
        let reports = receipts.is_some();
        http::adapter(common, MAX_IN_FLIGHT, Sample { url, api_key: self.api_key.clone(), receipts }, reports)
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`expires_in` in seconds",
            repeat: Repeat::ByReference("one message (`client_ref`)"),
            receipts: "`[provider.receipt]`: HMAC or token in a header",
            tested_against: "nothing: it exists in tests only",
        }
    }
}

struct Sample {
    url: Url,
    api_key: Credential,
    receipts: Option<ReceiptParser>,
}

impl HttpProvider for Sample {
    fn request(&self, message: &OutboundMessage) -> Result<HttpRequest, SendResult> {
        let text = sms_text(message);
        let body = json!({
            "key": self.api_key.expose(),
            "msisdn": message.to.expose(),
            "content": text,
            "client_ref": message.delivery,
            "expires_in": seconds_valid(message),
        });
        Ok(HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: HeaderMap::new(),
            body: Body::Json(body),
        })
    }

    fn outcome(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        match (status.as_u16(), answer["error"].as_str()) {
            (200..=299, None) => match reference_at(&answer, "/message_id") {
                None => Outcome::unknown(Cause::Unclassified),
                reference => Outcome::accepted(reference),
            },
            (_, Some("unknown_subscriber")) => Outcome::failed(Cause::InvalidContact),
            (_, Some("text_not_allowed")) => Outcome::failed(Cause::BadMessage),
            (_, Some("quota")) => Outcome::failed(Cause::Throttled),
            (200..=299, Some(_)) => Outcome::failed(Cause::Unclassified),
            _ => common_outcome(status),
        }
    }

    fn error_code(&self, body: &[u8]) -> Option<String> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        answer["error"].as_str().map(str::to_owned)
    }

    fn receipts(&self, callback: &Callback<'_>) -> Result<ReceiptBatch, ReceiptRejection> {
        receipt::parse(self.receipts.as_ref(), callback)
    }
}

mod tests {
    use std::path::Path;

    use super::super::receipt_feed::ReceiptSource;
    use super::super::{Settings, test_servers};
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::outcome::Reference;
    use crate::domain::receipt::ReceiptStatus;

    const SECRET: &str = "0123456789abcdef";

    fn configured(url: &str) -> Settings {
        let section = format!(
            "kind = 'sample'\nname = 'new'\nurl = '{url}'\napi_key = 'k'\ntimeout = '5s'\ncountries = ['+48']\n\
             [receipt]\nsecret = '{SECRET}'\nsignature = 'token'"
        );
        let source = config::File::from_str(&section, config::FileFormat::Toml);
        config::Config::builder().add_source(source).build().unwrap().try_deserialize().unwrap()
    }

    #[tokio::test]
    async fn a_sample_provider_sends_messages_and_reports_receipts() {
        let answer = test_servers::http_answer("200 OK", &[], r#"{"message_id":"s-1"}"#);
        let (url, received) = test_servers::http(answer).await;
        let adapter = configured(&url).connect().unwrap();

        let outcome = adapter.provider.send(&test_servers::sms("Code 0042")).await.outcome;
        let header = |name: &str| (name == "X-Signature").then_some(SECRET.as_bytes());
        let body = br#"{"reference":"s-1","status":"DELIVRD"}"#;
        let callback = Callback { header: &header, query: "", body, now: Timestamp::from_micros(0) };
        let Some(ReceiptSource::Callbacks(reader)) = adapter.receipts else { unreachable!() };
        let receipts = reader.receipts(&callback).unwrap().receipts;

        assert_eq!(outcome, Outcome::accepted(Reference::new("s-1")));
        assert!(received.all()[0].contains(r#""content":"Code 0042""#));
        assert_eq!((receipts[0].reference.as_str(), receipts[0].status), ("s-1", ReceiptStatus::Delivered));
    }

    #[test]
    fn every_answer_of_the_sample_provider_has_an_outcome() {
        let url = "https://sample.example".parse().unwrap();
        let sample = Sample { url, api_key: Credential::new("k".to_owned()), receipts: None };
        for (status, body, outcome) in [
            (200, r#"{"message_id":"s-1"}"#, Outcome::accepted(Reference::new("s-1"))),
            (200, "<html>", Outcome::unknown(Cause::Unclassified)),
            (200, r#"{"error":"unknown_subscriber"}"#, Outcome::rejected(Cause::InvalidContact)),
            (400, r#"{"error":"quota"}"#, Outcome::deferred(Cause::Throttled)),
            (400, r#"{"error":"text_not_allowed"}"#, Outcome::rejected(Cause::BadMessage)),
            (200, r#"{"error":"maintenance"}"#, Outcome::deferred(Cause::Unclassified)),
            (400, "", Outcome::deferred(Cause::Unclassified)),
            (401, "", Outcome::deferred(Cause::Unauthorized)),
            (503, "", Outcome::deferred(Cause::ProviderDown)),
        ] {
            assert_eq!(
                sample.outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes()),
                outcome,
                "{status} {body}"
            );
        }
    }

    /// The `.rs` files below `folder`, with their text.
    fn sources(folder: &Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| match path.extension() {
                _ if path.is_dir() => sources(&path),
                Some(extension) if extension == "rs" => {
                    vec![(path.display().to_string(), std::fs::read_to_string(&path).unwrap())]
                }
                _ => Vec::new(),
            })
            .collect()
    }

    /// Where the module `name` is mentioned outside itself, as `file: line`.
    fn mentions(name: &str) -> Vec<String> {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let own = [format!("channel/{name}.rs"), format!("channel/{name}/")];
        let names =
            [format!("mod {name};"), format!("{name}::Settings"), format!("channel::{name}"), format!("super::{name}")];
        let is_named = |line: &str| names.iter().any(|it| line.contains(it.as_str()));
        let mut found = Vec::new();
        for (file, text) in sources(&src) {
            let file = file.trim_start_matches(&*src.display().to_string()).trim_start_matches('/');
            if !own.iter().any(|own| file.starts_with(own)) {
                found.extend(text.lines().filter(|line| is_named(line)).map(|line| format!("{file}: {}", line.trim())));
            }
        }
        found
    }

    #[test]
    fn a_provider_is_one_file_its_module_declaration_and_one_line_in_the_registry() {
        for (name, visibility, kind, channel) in [
            ("sample", "", "sample", "Sms"),
            ("sms_gateway", "pub ", "sms_gateway", "Sms"),
            ("smsapi", "pub ", "smsapi", "Sms"),
            ("infobip", "pub ", "infobip", "Sms"),
            ("vonage", "pub ", "vonage", "Sms"),
            ("twilio", "pub ", "twilio", "Sms"),
            ("sinch", "pub ", "sinch", "Sms"),
            ("push_http", "pub ", "push_http", "Push"),
            ("fcm", "pub ", "fcm", "Push"),
            ("email_smtp", "pub ", "smtp", "Email"),
        ] {
            let declaration = format!("channel/mod.rs: {visibility}mod {name};");
            let line =
                format!("channel/mod.rs: ProviderKind::new::<{name}::Settings>(\"{kind}\", Channel::{channel}),");
            assert_eq!(mentions(name), [declaration, line]);
        }
    }
}
