//! A system of the operator's that receives the statuses of deliveries. Requests are signed as Standard Webhooks has it, and lead to
//! no private address unless that is allowed.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::identity::identity;
use super::signature::SigningSecrets;
use crate::channel::http::ConnectionOptions;
use crate::channel::http::address_guard::AddressGuard;
use crate::channel::http::post::{PostClient, PostFailure};
use crate::channel::{Error, ProviderEndpoint, check_in_flight};
use crate::domain::clock::Timestamp;
use crate::domain::duration;
use crate::domain::secret::Credential;

/// A receiver only notes the event, and answers at once.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What errors call the endpoint, and the section of the configuration.
const NAME: &str = "events";

/// `[events]` of the configuration: where the endpoint is, and how requests to it are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `http` or `https`; empty for none.
    pub url: String,
    /// Signs the requests: `whsec_` and 24 to 64 bytes in base64.
    pub secret: Credential,
    /// A second secret that signs too, while receivers change from one to the other.
    pub previous_secret: Option<Credential>,
    /// Whether the URL may lead to a private address.
    pub allow_private: bool,
    /// A PEM file of certificates to trust in addition to the system's.
    pub ca: Option<PathBuf>,
    /// The certificate for mutual TLS, in PEM, and its chain.
    pub client_certificate: Option<Credential>,
    /// The key of the certificate, in PEM.
    pub client_private_key: Option<Credential>,
    /// Requests at once. Events of one delivery are never sent at once.
    pub max_in_flight: usize,
    /// An event that was not taken for so long is given up.
    #[serde(deserialize_with = "duration::with_days")]
    pub give_up_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: Credential::new(String::new()),
            previous_secret: None,
            allow_private: false,
            ca: None,
            client_certificate: None,
            client_private_key: None,
            max_in_flight: 16,
            give_up_after: Duration::from_hours(24),
        }
    }
}

impl Settings {
    /// Whether status events are sent at all.
    pub const fn is_configured(&self) -> bool {
        !self.url.is_empty()
    }

    /// Where they are sent.
    pub fn endpoint(&self) -> Option<ProviderEndpoint> {
        ProviderEndpoint::of_url(&self.url)
    }
}

/// The endpoint, and the connections to it.
pub struct StatusEndpoint {
    client: PostClient,
    secrets: SigningSecrets,
}

impl StatusEndpoint {
    /// Nothing is contacted yet.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let Settings { url, secret, previous_secret, allow_private, ca, max_in_flight, .. } = settings;
        let url = super::guarded_url(NAME, url, *allow_private)?;
        check_in_flight(NAME, "max_in_flight", *max_in_flight)?;
        let secrets = SigningSecrets::new(NAME, secret, previous_secret.as_ref())?;
        let identity = identity(NAME, settings.client_certificate.as_ref(), settings.client_private_key.as_ref())?;
        let options = ConnectionOptions { guard: AddressGuard::new(*allow_private), identity };
        let client = PostClient::guarded(NAME, url, ca.as_deref(), TIMEOUT, *max_in_flight, options)?;
        Ok(Self { client, secrets })
    }

    /// Sends the event `id`, whose JSON is `body`, with a signature of `now`. Any answer of the 200s means that it was taken.
    pub async fn post(&self, id: &str, body: &str, now: Timestamp) -> Result<(), PostFailure> {
        let headers = HeaderMap::from_iter(self.secrets.headers(id, now, body));
        self.client.post_with(headers, "application/json", body.as_bytes().to_vec()).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::test_servers;

    fn settings(url: &str) -> Settings {
        let secret = Credential::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        Settings { url: url.to_owned(), secret, ..Settings::default() }
    }

    #[test]
    fn a_mistake_is_named_by_its_key_and_no_private_address_is_asked() {
        let error = |settings: &Settings| StatusEndpoint::new(settings).err().unwrap().what;
        let private = "url: is at a private address; set allow_private = true if that is intended";
        for url in ["https://10.0.0.1/hook", "http://localhost/hook", "https://[::1]/"] {
            assert_eq!(error(&settings(url)), private, "{url}");
            assert!(StatusEndpoint::new(&Settings { allow_private: true, ..settings(url) }).is_ok());
        }
        let url = "https://crm.example/hook";
        assert!(StatusEndpoint::new(&settings(url)).is_ok());
        let without = Settings { secret: Credential::default(), ..settings(url) };
        assert_eq!(error(&without), "secret: expected whsec_ and 24 to 64 bytes in base64");
        let none = Settings { max_in_flight: 0, ..settings(url) };
        assert_eq!(error(&none), "max_in_flight: must be 1 to 1024");
        assert!(!Settings::default().is_configured());
    }

    #[tokio::test]
    async fn an_answer_that_is_no_success_says_its_status_and_how_long_to_wait() {
        let answer = test_servers::http_answer("503 Busy", &["retry-after: 7"], "+48600100200");
        let (url, received) = test_servers::http(answer).await;
        let endpoint = StatusEndpoint::new(&Settings { allow_private: true, ..settings(&url) }).unwrap();

        let failure = endpoint.post("id-1", "{}", Timestamp::from_micros(0)).await.unwrap_err();

        assert_eq!((failure.to_string().as_str(), failure.retry_after), ("HTTP 503", Some(Duration::from_secs(7))));
        let request = received.all().concat();
        assert!(request.contains("webhook-id: id-1\r\n") && request.contains("webhook-signature: v1,"), "{request}");
    }
}
