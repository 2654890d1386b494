//! One POST to a server that is no provider, over a client with the limits of all others.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Url};

use super::client::client;
use super::connect_phase::Resolver;
use super::retry_after::retry_after;
use super::{ConnectionOptions, read_bounded};
use crate::channel::Error;
use crate::domain::chain;

/// A server, and the connections to it.
pub struct PostClient {
    client: Client,
    url: Url,
}

/// Why a POST did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct PostFailure {
    /// Without the URL, which may hold a secret, and without anything of the answer's body.
    what: String,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl PostClient {
    /// Nothing is contacted yet. `name` is what errors call the server; `ca` are certificates to trust in addition to the system's.
    pub fn new(name: &str, url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Self, Error> {
        let url = super::check_url(name, url)?;
        Self::guarded(name, url, ca, timeout, 1, ConnectionOptions::default())
    }

    /// The same for up to `max_in_flight` requests at once, with limits on where connections lead.
    pub(in crate::channel) fn guarded(
        name: &str,
        url: Url,
        ca: Option<&Path>,
        timeout: Duration,
        max_in_flight: usize,
        options: ConnectionOptions,
    ) -> Result<Self, Error> {
        let resolver = Resolver::new(options.guard);
        Ok(Self { client: client(name, ca, timeout, max_in_flight, &resolver, options.identity)?, url })
    }

    /// The body of the answer to `body`.
    ///
    /// # Errors
    /// A sentence without the URL, which may hold a secret.
    pub async fn post(&self, content_type: &'static str, body: Vec<u8>) -> Result<Vec<u8>, String> {
        self.post_with(HeaderMap::new(), content_type, body).await.map_err(|failure| failure.what)
    }

    /// The same with further headers.
    pub(in crate::channel) async fn post_with(
        &self,
        headers: HeaderMap,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, PostFailure> {
        let failed = |error: reqwest::Error| PostFailure { what: chain(&error.without_url()), retry_after: None };
        let request = self.client.post(self.url.clone()).headers(headers).header(CONTENT_TYPE, content_type).body(body);
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            let what = format!("HTTP {}", response.status().as_u16());
            return Err(PostFailure { what, retry_after: retry_after(response.headers()) });
        }
        read_bounded(&mut response).await.map_err(failed)
    }
}
