//! Access tokens of a Google service account (RFC 7523): the account's key signs a claim, which is exchanged for a token.
//!
//! A token is kept until shortly before its end. Then one message renews it while the others go on with the one before.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::channel::http::authorization;
use crate::channel::http::post::PostClient;
use crate::channel::{Common, Error, SendResult};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long the signed claim is valid: the longest that Google takes.
const CLAIM_SECONDS: i64 = 3600;

/// A token is renewed when it has less left.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// The key file of a service account.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    pub(super) project_id: String,
    client_email: String,
    private_key: String,
    token_uri: String,
}

impl ServiceAccount {
    /// Reads the JSON that Google made. Nothing of it is in the error.
    pub(super) fn parse(name: &str, file: &Credential) -> Result<Self, Error> {
        let expected = "service_account: expected the JSON key file of a service account, with project_id, client_email, \
                        private_key and token_uri";
        serde_json::from_str(file.expose()).map_err(|_| Error::new(name, expected))
    }
}

pub(super) struct AccessTokens {
    server: PostClient,
    name: String,
    email: String,
    audience: String,
    key: PKey<Private>,
    held: RwLock<Option<AccessToken>>,
    renewal: Mutex<()>,
}

struct AccessToken {
    header: (HeaderName, HeaderValue),
    ends: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

impl AccessTokens {
    pub(super) fn new(common: &Common, account: ServiceAccount) -> Result<Self, Error> {
        let name = common.name().to_owned();
        let ServiceAccount { client_email, private_key, token_uri, .. } = account;
        let key = PKey::private_key_from_pem(private_key.as_bytes());
        let key = key.map_err(|_| Error::new(&name, "service_account: private_key is no key in PEM"))?;
        let server = PostClient::new(&name, &token_uri, common.ca.as_deref(), common.timeout)?;
        let (held, renewal) = (RwLock::default(), Mutex::default());
        Ok(Self { server, name, email: client_email, audience: token_uri, key, held, renewal })
    }

    /// The header of requests; `None` without a token.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|token| token.header.clone())
    }

    /// Removes a token that was not accepted.
    pub(super) fn forget(&self) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Makes sure that there is a token, within `limit`. Otherwise the result of a message that was not sent.
    pub(super) async fn renew(&self, limit: Duration) -> Result<(), SendResult> {
        let left = self.left();
        if left > RENEW_BEFORE {
            return Ok(());
        }
        let _alone = match self.renewal.try_lock() {
            Ok(alone) => alone,
            Err(_) if !left.is_zero() => return Ok(()),
            Err(_) => self.renewal.lock().await,
        };
        if self.left() > RENEW_BEFORE {
            return Ok(());
        }
        let fetched = timeout(limit, self.fetch()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        match fetched {
            Ok(token) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
                Ok(())
            }
            Err(_) if !self.left().is_zero() => Ok(()),
            Err(error) => {
                // Google answers a wrong key, an account that is gone and a clock that is off with 400 or 401.
                let cause = if error.starts_with("HTTP 4") { Cause::Unauthorized } else { Cause::Unreachable };
                Err(SendResult::new(Outcome::deferred(cause), &format!("no access token: {error}")))
            }
        }
    }

    fn left(&self) -> Duration {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|token| token.ends.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    async fn fetch(&self) -> Result<AccessToken, String> {
        let asked = Instant::now();
        let claim = self.claim().ok_or("the claim cannot be signed")?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", &claim)
            .finish();
        let answer = self.server.post("application/x-www-form-urlencoded", body.into_bytes()).await?;
        let TokenAnswer { access_token, expires_in } =
            serde_json::from_slice(&answer).map_err(|_| "the answer is no access token")?;
        let header = authorization(&self.name, "access_token", "Bearer", &Credential::new(access_token));
        let header = header.map_err(|_| "the answer is no access token")?;
        Ok(AccessToken { header, ends: asked + Duration::from_secs(expires_in) })
    }

    fn claim(&self) -> Option<String> {
        let now = SystemClock.now().seconds();
        let head = json!({ "alg": "RS256", "typ": "JWT" });
        let claims =
            json!({ "iss": self.email, "scope": SCOPE, "aud": self.audience, "iat": now, "exp": now + CLAIM_SECONDS });
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{head}.{claims}");
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).ok()?;
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
