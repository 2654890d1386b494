//! Single sign-on: users of the console sign in at an identity provider (OpenID Connect, authorization code with PKCE).
//!
//! The gateway is a relying party of its own, on OpenSSL. It keeps no token: who signed in, and the roles that the user's groups
//! give, is all that is taken from the ID token. A second factor is for the identity provider to ask for.

mod id_token;
mod identity_provider;
mod keys;
mod pending;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::channel::http::json::JsonClient;
use crate::domain::access::Role;
use crate::domain::clock::Clocks;
use crate::flow::used_once::UsedOnce;
use crate::store::users::ExternalId;
use crate::store::{self, Store};

pub use id_token::InvalidToken;
pub use pending::LIFETIME;
pub use settings::{GroupRoles, InvalidSetting, Settings, is_safe};

use id_token::{SignedToken, TokenParties, strings, subject_of, subject_of_logout};
use identity_provider::{IdentityProvider, error_code};
use pending::PendingSignIn;

/// How long one request to the identity provider may take; a user waits for two of them.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest code. Codes have some hundred bytes, or a kilobyte where they contain what they stand for.
const CODE_MAX: usize = 4096;

/// Groups of a user that are read.
const GROUPS_MAX: usize = 1000;

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sign-in was not begun in this browser, was begun too long ago, or has succeeded before.
    #[error("the sign-in was not begun in this browser, or more than 10 minutes ago")]
    NotBegun,
    #[error("the identity provider refused: {0}")]
    Refused(String),
    #[error("the identity provider cannot be asked: {0}")]
    Unavailable(String),
    #[error("the identity provider cannot be used: {0}")]
    Unusable(String),
    #[error("the answer is of another identity provider")]
    MixedUp,
    #[error("the token cannot be used: {0}")]
    Token(#[from] InvalidToken),
    #[error("the cryptographic library failed")]
    Crypto(#[from] openssl::error::ErrorStack),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A sign-in that has begun.
pub struct BegunSignIn {
    /// Where the browser is sent.
    pub url: String,
    /// What the browser keeps until it comes back.
    pub cookie: String,
}

/// What the browser came back with.
#[derive(Debug, Clone, Copy)]
pub struct CallbackAnswer<'a> {
    pub state: &'a str,
    pub code: &'a str,
    pub error: &'a str,
    pub issuer: Option<&'a str>,
    /// [`BegunSignIn::cookie`].
    pub cookie: &'a str,
}

/// A user as the identity provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    pub id: ExternalId,
    /// What the user would be called here. It may be no name.
    pub name: String,
    pub roles: Vec<Role>,
    /// The page of this site that was asked for before.
    pub next: String,
}

/// The way to the identity provider and back.
pub struct SingleSignOn {
    settings: Settings,
    redirect_uri: String,
    provider: IdentityProvider,
    /// The states of sign-ins that succeeded.
    used: UsedOnce,
    store: Arc<Store>,
    clocks: Clocks,
}

impl SingleSignOn {
    /// The configured one, whose browsers come back to `redirect_uri`. Nothing is contacted yet.
    pub fn configured(
        settings: &Settings,
        redirect_uri: String,
        store: &Arc<Store>,
        clocks: &Clocks,
    ) -> Result<Option<Self>, InvalidSetting> {
        if !settings.is_on() {
            return Ok(None);
        }
        let ca = Some(settings.ca.as_path()).filter(|path| !path.as_os_str().is_empty());
        let client = JsonClient::new("console.oidc", ca, TIMEOUT)
            .map_err(|error| InvalidSetting { key: "console.oidc".to_owned(), what: error.what })?;
        Ok(Some(Self {
            provider: IdentityProvider::new(client, &settings.issuer, Arc::clone(&clocks.steady)),
            settings: settings.clone(),
            redirect_uri,
            used: UsedOnce::default(),
            store: Arc::clone(store),
            clocks: clocks.clone(),
        }))
    }

    /// What the button on the page to sign in says.
    pub fn button(&self) -> &str {
        &self.settings.button
    }

    /// Begins a sign-in that leads to the page `next` of this site.
    pub async fn begin(&self, next: &str) -> Result<BegunSignIn, Error> {
        let mut url = self.provider.endpoints().await?.authorization;
        let pending = PendingSignIn::begin(next, self.clocks.wall.now())?;
        let scopes = ["openid"].into_iter().chain(self.settings.scopes.iter().map(String::as_str));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &scopes.collect::<Vec<_>>().join(" "))
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(BegunSignIn { url: url.into(), cookie: pending.sealed(&self.store)? })
    }

    /// Who signed in, by what a browser came back with.
    pub async fn finish(&self, answer: &CallbackAnswer<'_>) -> Result<ExternalIdentity, Error> {
        let now = self.clocks.wall.now();
        let pending = PendingSignIn::open(answer.cookie, answer.state, &self.store, now).ok_or(Error::NotBegun)?;
        // RFC 9207: so that a code of one identity provider is not sent to another.
        let must_be_named = self.provider.endpoints().await?.names_issuer;
        if answer.issuer.map_or(must_be_named, |issuer| issuer != self.settings.issuer) {
            return Err(Error::MixedUp);
        }
        if !answer.error.is_empty() || !(1..=CODE_MAX).contains(&answer.code.len()) {
            return Err(Error::Refused(error_code(answer.error)));
        }
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", answer.code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &pending.verifier),
        ];
        let token = self.provider.exchange(&self.settings, &fields).await?;
        let claims = self.verified(&token).await?;
        let subject = subject_of(&claims, &pending.nonce)?.to_owned();
        if !self.used.add(&pending.state, pending.expires_at, now) {
            return Err(Error::NotBegun);
        }
        Ok(self.identity(&claims, subject, pending.next))
    }

    /// The user whose sessions a logout token of the identity provider ends.
    pub async fn logged_out(&self, token: &str) -> Result<ExternalId, Error> {
        let claims = self.verified(token).await?;
        let subject = subject_of_logout(&claims)?.to_owned();
        Ok(ExternalId { issuer: self.settings.issuer.clone(), subject })
    }

    async fn verified(&self, token: &str) -> Result<Value, Error> {
        let token = SignedToken::parse(token)?;
        let key = self.provider.key_of(&token).await?;
        let parties = TokenParties { issuer: &self.settings.issuer, client_id: &self.settings.client_id };
        Ok(token.verify(&key, &parties, self.clocks.wall.now())?)
    }

    fn identity(&self, claims: &Value, subject: String, next: String) -> ExternalIdentity {
        let name = claims.get(&self.settings.name_claim).and_then(Value::as_str).unwrap_or_default();
        let name = name.split_once('@').map_or(name, |(before, _)| before).to_lowercase();
        let path = self.settings.groups_claim.as_str();
        let groups = if path.starts_with('/') { claims.pointer(path) } else { claims.get(path) };
        let groups: Vec<_> = strings(groups).into_iter().take(GROUPS_MAX).collect();
        let id = ExternalId { issuer: self.settings.issuer.clone(), subject };
        ExternalIdentity { id, name, roles: self.settings.roles_of(&groups), next }
    }
}
