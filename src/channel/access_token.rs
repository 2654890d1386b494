//! Access tokens (OAuth 2.0, RFC 6749): from a claim that the key of a Google service account signs (RFC 7523), from the credentials of
//! a program, or from a refresh token of a mailbox.
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
use crate::channel::{Common, Error, ProviderEndpoint, SendResult};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;

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

/// `oauth2` of a `[[provider]]`: where tokens come from, and for what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The endpoint for tokens, `http` or `https`.
    pub token_url: String,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Credential>,
    /// What a user of the mailbox has permitted once. Without it the program acts for itself, with `client_secret`.
    #[serde(default)]
    pub refresh_token: Option<Credential>,
    /// What the token is for; not sent when absent.
    #[serde(default)]
    pub scope: Option<String>,
}

/// What is exchanged for a token.
enum Grant {
    ServiceAccount { email: String, scope: &'static str, audience: String, key: Box<PKey<Private>> },
    Client(Settings),
}

pub(super) struct AccessTokens {
    server: PostClient,
    name: String,
    grant: Grant,
    held: RwLock<Option<AccessToken>>,
    renewal: Mutex<()>,
}

struct AccessToken {
    token: Credential,
    header: (HeaderName, HeaderValue),
    ends: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

impl AccessTokens {
    /// Tokens with `scope` for the account of a key file.
    pub(super) fn of_account(common: &Common, account: ServiceAccount, scope: &'static str) -> Result<Self, Error> {
        let name = common.name();
        let ServiceAccount { client_email, private_key, token_uri, .. } = account;
        let key = PKey::private_key_from_pem(private_key.as_bytes());
        let key = key.map_err(|_| Error::new(name, "service_account: private_key is no key in PEM"))?;
        let (email, audience, key) = (client_email, token_uri.clone(), Box::new(key));
        Self::of(common, &token_uri, Grant::ServiceAccount { email, scope, audience, key })
    }

    /// Tokens as the settings have them.
    pub(super) fn configured(common: &Common, settings: &Settings) -> Result<Self, Error> {
        let name = common.name();
        if settings.client_secret.is_none() && settings.refresh_token.is_none() {
            return Err(Error::new(name, "oauth2: expected client_secret or refresh_token, or both"));
        }
        if ProviderEndpoint::of_url(&settings.token_url).is_some_and(|it| it.is_exposed()) {
            return Err(Error::new(name, "oauth2.token_url: expected https://, because secrets are sent there"));
        }
        let tokens = Self::of(common, &settings.token_url, Grant::Client(settings.clone()));
        tokens.map_err(|error| Error::new(name, format!("oauth2.token_{}", error.what)))
    }

    fn of(common: &Common, url: &str, grant: Grant) -> Result<Self, Error> {
        let name = common.name().to_owned();
        let server = PostClient::new(&name, url, common.ca.as_deref(), common.timeout)?;
        Ok(Self { server, name, grant, held: RwLock::default(), renewal: Mutex::default() })
    }

    /// The header of requests; `None` without a token.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|token| token.header.clone())
    }

    /// The token itself; `None` without one.
    pub(super) fn token(&self) -> Option<Credential> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|token| token.token.clone())
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
                // A wrong key or secret, an account that is gone, and a clock that is off are answered with 400 or 401.
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
        let body = self.grant.form().ok_or("the claim cannot be signed")?;
        let answer = self.server.post("application/x-www-form-urlencoded", body.into_bytes()).await?;
        let TokenAnswer { access_token, expires_in } =
            serde_json::from_slice(&answer).map_err(|_| "the answer is no access token")?;
        let token = Credential::new(access_token);
        let header = authorization(&self.name, "access_token", "Bearer", &token);
        let header = header.map_err(|_| "the answer is no access token")?;
        Ok(AccessToken { token, header, ends: asked + Duration::from_secs(expires_in) })
    }
}

impl Grant {
    /// The body of the request for a token; `None` if the cryptographic library fails.
    fn form(&self) -> Option<String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self {
            Self::ServiceAccount { email, scope, audience, key } => {
                let claim = claim(email, scope, audience, key)?;
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                form.append_pair("assertion", &claim);
            }
            Self::Client(Settings { client_id, client_secret, refresh_token, scope, .. }) => {
                let kind = if refresh_token.is_some() { "refresh_token" } else { "client_credentials" };
                form.append_pair("grant_type", kind).append_pair("client_id", client_id);
                for (name, secret) in [("client_secret", client_secret), ("refresh_token", refresh_token)] {
                    form.extend_pairs(secret.iter().map(|secret| (name, secret.expose())));
                }
                form.extend_pairs(scope.iter().map(|scope| ("scope", scope)));
            }
        }
        Some(form.finish())
    }
}

fn claim(email: &str, scope: &str, audience: &str, key: &PKey<Private>) -> Option<String> {
    let now = SystemClock.now().seconds();
    let head = json!({ "alg": "RS256", "typ": "JWT" });
    let claims = json!({ "iss": email, "scope": scope, "aud": audience, "iat": now, "exp": now + CLAIM_SECONDS });
    let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{head}.{claims}");
    let mut signer = Signer::new(MessageDigest::sha256(), key).ok()?;
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
