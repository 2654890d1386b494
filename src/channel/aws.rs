//! What the APIs of Amazon Web Services have in common: requests signed with Signature Version 4, and the names of errors.
//!
//! The signature covers the host, the time, the headers that are set here and the body. It is computed on OpenSSL's HMAC.

use openssl::hash::MessageDigest;
use openssl::sha::sha256;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::hmac::hmac;
use super::http::answer::{common_outcome, reference_at};
use super::http::{HttpRequest, check_url};
use super::{Error, ProviderEndpoint, SendResult};
use crate::domain::clock::Timestamp;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The header in which an API of REST names its error.
const ERROR_HEADER: &str = "x-amzn-errortype";

/// The field in which the others do. It is in the body that is read, whichever way it came.
const ERROR_FIELD: &str = "__type";

/// The service behind an address, and the key that signs requests to it.
pub(super) struct AwsSigner {
    pub(super) service: &'static str,
    pub(super) region: String,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Credential,
}

impl AwsSigner {
    /// Checks the settings.
    pub(super) fn check(self, name: &str) -> Result<Self, Error> {
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_word(&self.region) {
            return Err(Error::new(name, "region: expected a region such as eu-central-1"));
        }
        if !is_word(&self.access_key_id) {
            return Err(Error::new(name, "access_key_id: expected letters and digits, such as AKIA…"));
        }
        Ok(self)
    }

    /// Adds the headers that prove `request` at `now`.
    pub(super) fn sign(&self, mut request: HttpRequest, now: Timestamp) -> Result<HttpRequest, SendResult> {
        let failed = || SendResult::new(Outcome::failed(Cause::NotRendered), "the request could not be signed");
        let time = now.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = HeaderValue::try_from(&time).map_err(|_| failed())?;
        request.headers.insert(HeaderName::from_static("x-amz-date"), date);
        let signed = self.authorization(&request, &time).and_then(|text| HeaderValue::try_from(text).ok());
        let mut signed = signed.ok_or_else(failed)?;
        signed.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, signed);
        Ok(request)
    }

    fn authorization(&self, request: &HttpRequest, time: &str) -> Option<String> {
        let day = time.get(..8)?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let (names, canonical) = canonical(request)?;
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex::encode(sha256(canonical.as_bytes())));
        let secret = format!("AWS4{}", self.secret_access_key.expose());
        let parts = [day, &self.region, self.service, "aws4_request", &to_sign];
        let signature = parts.iter().try_fold(secret.into_bytes(), |key, part| mac(&key, part))?;
        let credential = format!("{}/{scope}", self.access_key_id);
        Some(format!(
            "{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={}",
            hex::encode(signature)
        ))
    }
}

fn mac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    hmac(MessageDigest::sha256(), key, &[text.as_bytes()]).ok()
}

/// The names of the signed headers, and the request in the form that is signed. Its path has no characters that would be escaped, and
/// it has no query.
fn canonical(request: &HttpRequest) -> Option<(String, String)> {
    let host = match request.url.port() {
        Some(port) => format!("{}:{port}", request.url.host_str()?),
        None => request.url.host_str()?.to_owned(),
    };
    let mut headers = vec![("host", host)];
    for (name, value) in &request.headers {
        headers.push((name.as_str(), value.to_str().ok()?.trim().to_owned()));
    }
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let lines = lines.concat();
    let body = hex::encode(sha256(&request.body.to_bytes()));
    let text = format!("{}\n{}\n\n{lines}\n{names}\n{body}", request.method, request.url.path());
    Some((names, text))
}

/// Where an API is: at `configured`, or where Amazon has it for the region.
pub(super) fn url(name: &str, configured: Option<&str>, host: &str, region: &str, path: &str) -> Result<Url, Error> {
    let mut url = check_url(name, &address(configured, host, region))?;
    url.set_path(path);
    url.set_query(None);
    Ok(url)
}

/// The machine and port of the same.
pub(super) fn endpoint(configured: Option<&str>, host: &str, region: &str) -> Option<ProviderEndpoint> {
    ProviderEndpoint::of_url(&address(configured, host, region))
}

fn address(configured: Option<&str>, host: &str, region: &str) -> String {
    configured.map_or_else(|| format!("https://{host}.{region}.amazonaws.com"), str::to_owned)
}

/// The body of an answer, with the name of the error that is in a header.
pub(super) fn with_error_header(headers: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
    let Some(name) = headers.get(ERROR_HEADER).and_then(|value| value.to_str().ok()) else { return body };
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut answer = if answer.is_object() { answer } else { Value::Object(serde_json::Map::new()) };
    answer[ERROR_FIELD] = name.into();
    answer.to_string().into_bytes()
}

/// What an answer means. `cause` says it of an error, unless its status says all.
pub(super) fn outcome(status: StatusCode, body: &[u8], cause: impl FnOnce(&Value) -> Option<Cause>) -> Outcome {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if !status.is_success() {
        return cause(&answer).map_or_else(|| common_outcome(status), Outcome::failed);
    }
    match reference_at(&answer, "/MessageId") {
        None => Outcome::unknown(Cause::Unclassified),
        reference => Outcome::accepted(reference),
    }
}

/// The name of the error in an answer, without the namespace before it and the address behind it.
pub(super) fn error_name(answer: &Value) -> Option<&str> {
    let name = answer.get(ERROR_FIELD)?.as_str()?;
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name);
    Some(name.split(':').next().unwrap_or(name)).filter(|name| !name.is_empty())
}

/// The causes of errors that all APIs have.
pub(super) fn common_cause(error: &str) -> Option<Cause> {
    Some(match error {
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded" => Cause::Throttled,
        "AccessDeniedException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Cause::Unauthorized,
        "OptInRequired" => Cause::Account,
        "InternalFailure" | "InternalServerException" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            Cause::ProviderDown
        }
        "UnknownOperationException" => Cause::WrongUrl,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use serde_json::json;

    use super::super::http::Body;
    use super::*;

    fn signer() -> AwsSigner {
        AwsSigner {
            service: "service",
            region: "us-east-1".to_owned(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Credential::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        }
    }

    // "post-vanilla" of the test suite that Amazon publishes for Signature Version 4.
    #[test]
    fn the_example_of_amazon_is_signed() {
        let url = "https://example.amazonaws.com/".parse().unwrap();
        let request = HttpRequest { method: Method::POST, url, headers: HeaderMap::new(), body: Body::None };
        let now = Timestamp::from_micros("2015-08-30T12:36:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());

        let signed = signer().sign(request, now).unwrap();

        assert_eq!(signed.headers["x-amz-date"], "20150830T123600Z");
        assert!(signed.headers[AUTHORIZATION].is_sensitive());
        assert_eq!(
            signed.headers[AUTHORIZATION],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    #[test]
    fn the_name_of_an_error_is_read_from_the_body_or_a_header() {
        let name = |answer: Value| error_name(&answer).map(str::to_owned);
        assert_eq!(
            name(json!({ "__type": "com.amazonaws.sms#ThrottlingException" })).as_deref(),
            Some("ThrottlingException")
        );
        assert_eq!(name(json!({ "__type": "ValidationException" })).as_deref(), Some("ValidationException"));
        for answer in [json!({}), json!([]), json!({ "__type": 7 }), json!({ "__type": "" }), json!(null)] {
            assert_eq!(name(answer), None);
        }
        let value = HeaderValue::from_static("MessageRejected:http://internal.amazon.com/coral/");
        let headers = HeaderMap::from_iter([(HeaderName::from_static(ERROR_HEADER), value)]);
        for body in [r#"{"message":"no"}"#, "", "[]", "<html>"] {
            let answer = with_error_header(&headers, body.as_bytes().to_vec());
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(error_name(&answer), Some("MessageRejected"), "{body}");
        }
        assert_eq!(with_error_header(&HeaderMap::new(), b"<html>".to_vec()), b"<html>");
    }

    #[test]
    fn a_mistake_in_the_settings_is_named_by_its_key() {
        for (region, id, key) in
            [("", "AKIA1", "region"), ("eu central", "AKIA1", "region"), ("eu-west-1", "A/B", "access_key_id")]
        {
            let signer = AwsSigner { region: region.to_owned(), access_key_id: id.to_owned(), ..signer() };
            let error = signer.check("aws").err().unwrap().to_string();
            assert!(error.starts_with(&format!("provider aws: {key}: expected")), "{error}");
        }
        let found = url("aws", None, "sms-voice", "eu-central-1", "/").unwrap();
        assert_eq!(found.as_str(), "https://sms-voice.eu-central-1.amazonaws.com/");
        assert_eq!(endpoint(Some("http://127.0.0.1:1/x"), "email", "eu-central-1").unwrap().port, 1);
    }
}
