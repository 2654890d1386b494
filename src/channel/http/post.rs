//! One POST to a server that is no provider, over a client with the limits of all others.

use std::path::Path;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};

use super::client::client;
use super::connect_phase::Resolver;
use super::read_bounded;
use crate::channel::Error;
use crate::domain::chain;

/// A server, and the connections to it.
pub struct PostClient {
    client: Client,
    url: Url,
}

impl PostClient {
    /// Nothing is contacted yet. `name` is what errors call the server; `ca` are certificates to trust in addition to the system's.
    pub fn new(name: &str, url: &str, ca: Option<&Path>, timeout: Duration) -> Result<Self, Error> {
        let url = super::check_url(name, url)?;
        Ok(Self { client: client(name, ca, timeout, 1, &Resolver::default(), None)?, url })
    }

    /// The body of the answer to `body`.
    ///
    /// # Errors
    /// A sentence without the URL, which may hold a secret.
    pub async fn post(&self, content_type: &'static str, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let failed = |error: reqwest::Error| chain(&error.without_url());
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, content_type).body(body);
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("HTTP {}", response.status().as_u16()));
        }
        read_bounded(&mut response).await.map_err(failed)
    }
}
