//! Asks a server that is no provider for JSON, over a client with the limits of all others.

use std::path::Path;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use super::client::client;
use super::connect_phase::Resolver;
use super::read_bounded;
use crate::channel::Error;
use crate::domain::chain;
use crate::domain::secret::Credential;

/// The connections to servers that answer with JSON.
pub struct JsonClient(Client);

/// Who asks: an id and a secret, as a server knows them.
pub struct ClientSecret<'a> {
    pub id: &'a str,
    pub secret: &'a Credential,
}

impl JsonClient {
    /// Nothing is contacted yet. `name` is what errors call the server; `ca` are certificates to trust in addition to the system's.
    pub fn new(name: &str, ca: Option<&Path>, timeout: Duration) -> Result<Self, Error> {
        Ok(Self(client(name, ca, timeout, 1, &Resolver::default(), None)?))
    }

    /// The JSON at an address.
    ///
    /// # Errors
    /// A sentence without anything of the answer.
    pub async fn get(&self, url: &Url) -> Result<Value, String> {
        match answer_to(self.0.get(url.clone())).await? {
            (status, Some(value)) if status.is_success() => Ok(value),
            (status, None) if status.is_success() => Err("the answer is no JSON".to_owned()),
            (status, _) => Err(format!("HTTP {}", status.as_u16())),
        }
    }

    /// What a form is answered with, whatever the status. `by` is sent as basic authentication, in the form of RFC 6749, 2.3.1.
    ///
    /// # Errors
    /// A sentence without anything of the request or the answer.
    pub async fn post_form(
        &self,
        url: &Url,
        by: Option<&ClientSecret<'_>>,
        fields: &[(&str, &str)],
    ) -> Result<(StatusCode, Value), String> {
        let mut request = self.0.post(url.clone()).form(fields);
        if let Some(ClientSecret { id, secret }) = by {
            request = request.basic_auth(encoded(id), Some(encoded(secret.expose())));
        }
        let (status, value) = answer_to(request).await?;
        Ok((status, value.unwrap_or_default()))
    }
}

// Of an answer that is too long the end is missing, so it is no JSON.
async fn answer_to(request: RequestBuilder) -> Result<(StatusCode, Option<Value>), String> {
    let failed = |error: reqwest::Error| chain(&error.without_url());
    let mut response = request.header(ACCEPT, "application/json").send().await.map_err(failed)?;
    let body = read_bounded(&mut response).await.map_err(failed)?;
    Ok((response.status(), serde_json::from_slice(&body).ok()))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
