//! The signature of a request: an HMAC (RFC 2104) in a header, over what is sent.

use openssl::hash::MessageDigest;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::channel::Error;
use crate::channel::hmac::hmac;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;

/// `signature` of a `[[provider]]`. The body is signed, or the query of a request without one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The header that holds the signature.
    pub header: String,
    pub secret: Credential,
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// What comes before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// The header that holds the time in seconds since 1970. With it, the time, a dot and the content are signed.
    #[serde(default)]
    pub timestamp_header: Option<String>,
}

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HmacAlgorithm {
    #[default]
    Sha256,
    Sha512,
    Sha1,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureEncoding {
    #[default]
    Hex,
    Base64,
}

/// Signs the requests to one gateway.
pub(super) struct RequestSigner {
    settings: Settings,
    header: HeaderName,
    timestamp_header: Option<HeaderName>,
}

impl RequestSigner {
    pub(super) fn new(provider: &str, settings: &Settings) -> Result<Self, Error> {
        let header = |key: &str, name: &str| {
            let found = HeaderName::try_from(name);
            found.map_err(|_| Error::new(provider, format!("signature.{key}: expected the name of a header")))
        };
        if HeaderValue::try_from(&settings.prefix).is_err() {
            return Err(Error::new(provider, "signature.prefix: expected printable text"));
        }
        let timestamp_header = settings.timestamp_header.as_deref().map(|name| header("timestamp_header", name));
        Ok(Self {
            header: header("header", &settings.header)?,
            timestamp_header: timestamp_header.transpose()?,
            settings: settings.clone(),
        })
    }

    /// The headers that prove `content` at `now`. None if the cryptographic library fails: the gateway then refuses the request.
    pub(super) fn headers(&self, content: &[u8], now: Timestamp) -> Vec<(HeaderName, HeaderValue)> {
        let time = now.seconds().to_string();
        let signed: &[&[u8]] =
            if self.timestamp_header.is_some() { &[time.as_bytes(), b".", content] } else { &[content] };
        let Some(signature) = self.signature(signed) else { return Vec::new() };
        let time = self.timestamp_header.clone().zip(HeaderValue::try_from(time).ok());
        time.into_iter().chain([(self.header.clone(), signature)]).collect()
    }

    fn signature(&self, signed: &[&[u8]]) -> Option<HeaderValue> {
        let Settings { secret, algorithm, encoding, prefix, .. } = &self.settings;
        let digest = match algorithm {
            HmacAlgorithm::Sha256 => MessageDigest::sha256(),
            HmacAlgorithm::Sha512 => MessageDigest::sha512(),
            HmacAlgorithm::Sha1 => MessageDigest::sha1(),
        };
        let hmac = hmac(digest, secret.expose().as_bytes(), signed).ok()?;
        let text = match encoding {
            SignatureEncoding::Hex => hex::encode(hmac),
            SignatureEncoding::Base64 => openssl::base64::encode_block(&hmac),
        };
        let mut value = HeaderValue::try_from(format!("{prefix}{text}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_999_999);

    fn headers(mut given: Value) -> Result<Vec<(String, String)>, String> {
        given["secret"] = "0123456789abcdef0123456789abcdef".into();
        let signer = RequestSigner::new("primary", &serde_json::from_value(given).unwrap());
        let headers = signer.map_err(|error| error.to_string())?.headers(b"{\"to\":\"+48\"}", NOW);
        Ok(headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect())
    }

    // printf '%s' '{"to":"+48"}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    #[test]
    fn the_content_is_signed_as_openssl_signs_it() {
        let of = |given| headers(given).unwrap();
        let one = |text: &str| vec![("x-sign".to_owned(), text.to_owned())];
        assert_eq!(of(json!({ "header": "X-Sign" })), one(SHA256));
        assert_eq!(of(json!({ "header": "X-Sign", "prefix": "sha256=" })), one(&format!("sha256={SHA256}")));
        assert_eq!(of(json!({ "header": "X-Sign", "algorithm": "sha1" })), one(SHA1));
        assert_eq!(of(json!({ "header": "X-Sign", "algorithm": "sha512", "encoding": "base64" })), one(SHA512));
        assert_eq!(
            of(json!({ "header": "X-Sign", "timestamp_header": "X-Time" })),
            [vec![("x-time".to_owned(), "1800000000".to_owned())], one(TIMED)].concat()
        );
    }

    #[test]
    fn a_mistake_is_named_by_its_key() {
        assert!(headers(json!({ "header": "X Sign" })).unwrap_err().contains("signature.header: "));
        assert!(
            headers(json!({ "header": "a", "timestamp_header": "é" }))
                .unwrap_err()
                .contains("signature.timestamp_header: ")
        );
        assert!(headers(json!({ "header": "a", "prefix": "a\n" })).unwrap_err().contains("signature.prefix: "));
    }

    const SHA256: &str = "9b3c9d76696a63e0b03eaa7eefe7f3b5353016005d4a827f5361050b01f31f7d";
    const SHA1: &str = "2d91c916e1cd044e889920dc35802f41a9156a24";
    const SHA512: &str = "MSee+vrzoDSCiVleFQJ62J3yE48hOnPsxGa1B3R6E4R1AEbKf2UVEUBtX+r/E1LMRByQPiesUprWmHuycmLRbQ==";
    const TIMED: &str = "98630e3f94948e2fb59f46e259c77e14cbe895de12542ca14a9615b0b720c1ca";
}
