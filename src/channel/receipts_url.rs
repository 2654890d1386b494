//! Receipts of providers that sign nothing: the URL that they call contains a secret.
//!
//! The URL is known to the provider and to us, and to who ends TLS for us. It must not be logged there.

use openssl::sha::sha256;
use reqwest::Url;
use serde::Deserialize;

use super::Error;
use super::http::check_public_url;
use crate::domain::receipt::{Callback, ReceiptRejection};
use crate::domain::secret::Credential;

/// The name of the secret in the query.
const TOKEN: &str = "token";

/// A shorter secret can be guessed.
const TOKEN_MIN: usize = 16;

/// `receipts` of a `[[provider]]`: where the provider reports delivery.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The public URL that leads to `/receipts/NAME`, without a query.
    pub url: String,
    /// The secret that is added to it.
    pub token: Credential,
}

/// The URL that a provider calls.
#[derive(Clone)]
pub(super) struct ReceiptsUrl {
    url: Url,
    token: Credential,
}

impl ReceiptsUrl {
    /// The URL for the provider `name`, if receipts are configured for it.
    pub(super) fn configured(name: &str, settings: Option<&Settings>) -> Result<Option<Self>, Error> {
        let Some(Settings { url, token }) = settings else { return Ok(None) };
        let wrong = |what: &str| Error::new(name, format!("receipts.{what}"));
        let mut url = check_public_url(name, "receipts.url", url)?;
        if url.query().is_some() {
            return Err(wrong("url: expected no query; the token is added"));
        }
        if token.expose().len() < TOKEN_MIN {
            return Err(wrong("token: expected at least 16 characters"));
        }
        url.query_pairs_mut().append_pair(TOKEN, token.expose());
        Ok(Some(Self { url, token: token.clone() }))
    }

    /// With the secret.
    pub(super) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether `callback` came to this URL.
    pub(super) fn authenticate(&self, callback: &Callback<'_>) -> Result<(), ReceiptRejection> {
        if has_token(callback, &self.token) { Ok(()) } else { Err(ReceiptRejection::Unsigned) }
    }
}

/// Whether the query of `callback` has `secret` as its only token.
pub(super) fn has_token(callback: &Callback<'_>, secret: &Credential) -> bool {
    let mut given = form_urlencoded::parse(callback.query.as_bytes()).filter(|(name, _)| name == TOKEN);
    // Hashed first, so that the comparison does not reveal the length of the secret.
    let is_token = |text: &str| openssl::memcmp::eq(&sha256(text.as_bytes()), &sha256(secret.expose().as_bytes()));
    matches!((given.next(), given.next()), (Some((_, text)), None) if is_token(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::clock::Timestamp;

    fn configured(url: &str, token: &str) -> Result<ReceiptsUrl, String> {
        let settings = serde_json::from_value(json!({ "url": url, "token": token })).unwrap();
        ReceiptsUrl::configured("new", Some(&settings)).map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_callback_with_the_token_is_authentic() {
        let url = configured("https://bank.example/receipts/new", "0123456789 abcdef").unwrap();
        assert_eq!(url.as_str(), "https://bank.example/receipts/new?token=0123456789+abcdef");
        let accepts = |query: &str| {
            let callback = Callback { header: &|_| None, query, body: b"", now: Timestamp::from_micros(0) };
            url.authenticate(&callback).is_ok()
        };
        assert!(accepts("token=0123456789+abcdef") && accepts("a=1&token=0123456789%20abcdef"));
        let twice = "token=0123456789+abcdef&token=0123456789+abcdef";
        assert!(
            ["", "token", "token=", "token=0123456789+abcde", "Token=0123456789+abcdef", twice]
                .iter()
                .all(|it| !accepts(it))
        );
    }

    #[test]
    fn mistakes_are_named_by_their_key() {
        let error = |url, token| configured(url, token).err().unwrap();
        assert!(error("/receipts", "0123456789abcdef").contains("receipts.url: expected https://"));
        assert!(error("https://a.example/?a=1", "0123456789abcdef").contains("receipts.url: expected no query"));
        assert!(error("https://a.example/", "short").contains("receipts.token: expected at least 16"));
    }
}
