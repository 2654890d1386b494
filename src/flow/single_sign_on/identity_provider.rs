//! What is known of an identity provider: its addresses (OpenID Connect Discovery) and its keys. They are asked for when they are
//! needed first, kept for an hour, and then asked for again.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::id_token::{SignedToken, strings};
use super::keys::VerificationKey;
use super::settings::{Settings, is_safe};
use super::{Error, InvalidToken};
use crate::channel::http::json::{ClientSecret, JsonClient};
use crate::domain::clock::{Clock, Timestamp};

/// How long addresses and keys are used without asking again.
const KEPT: Duration = Duration::from_hours(1);

/// The identity provider is asked again after this time at the earliest, when it failed or when a token names an unknown key: anyone can
/// cause either.
const PAUSE: Duration = Duration::from_secs(10);

/// Where an identity provider is asked.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    token: Url,
    keys: Url,
    /// Whether the secret is sent in the form, because the head is not understood.
    secret_in_form: bool,
    /// Whether answers to browsers name the issuer (RFC 9207).
    pub(super) names_issuer: bool,
}

/// The identity provider, and the connections to it.
pub(super) struct IdentityProvider {
    client: JsonClient,
    issuer: String,
    clock: Arc<dyn Clock>,
    known: Mutex<CachedAnswers>,
}

#[derive(Default)]
struct CachedAnswers {
    endpoints: Option<(Endpoints, Timestamp)>,
    keys: Vec<VerificationKey>,
    keys_at: Option<Timestamp>,
    failed: Option<(String, Timestamp)>,
}

impl IdentityProvider {
    /// `clock` is the steady clock.
    pub(super) fn new(client: JsonClient, issuer: &str, clock: Arc<dyn Clock>) -> Self {
        Self { client, issuer: issuer.to_owned(), clock, known: Mutex::default() }
    }

    /// Its addresses.
    pub(super) async fn endpoints(&self) -> Result<Endpoints, Error> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some((endpoints, _)) = known.endpoints.as_ref().filter(|(_, at)| now.since(*at) < KEPT) {
            return Ok(endpoints.clone());
        }
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let found = self.get(&mut known, &address, now).await?;
        let endpoints = endpoints(&found, &self.issuer).map_err(|reason| {
            known.failed = Some((reason.clone(), now));
            Error::Unusable(reason)
        })?;
        known.endpoints = Some((endpoints.clone(), now));
        Ok(endpoints)
    }

    /// The key that a token is signed with.
    pub(super) async fn key_of(&self, token: &SignedToken<'_>) -> Result<VerificationKey, Error> {
        let address = self.endpoints().await?.keys;
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        let is_older = |known: &CachedAnswers, span| known.keys_at.is_none_or(|at| now.since(at) >= span);
        let find = |known: &CachedAnswers| {
            VerificationKey::find(&known.keys, token.algorithm, token.key_id.as_deref()).cloned()
        };
        if !is_older(&known, KEPT)
            && let Some(key) = find(&known)
        {
            return Ok(key);
        }
        if is_older(&known, PAUSE) {
            let set = self.get(&mut known, address.as_str(), now).await?;
            (known.keys, known.keys_at) = (VerificationKey::read_set(&set), Some(now));
        }
        find(&known).ok_or(Error::Token(InvalidToken::UnknownKey))
    }

    /// The ID token for a code.
    pub(super) async fn exchange(&self, settings: &Settings, fields: &[(&str, &str)]) -> Result<String, Error> {
        let endpoints = self.endpoints().await?;
        let by = ClientSecret { id: &settings.client_id, secret: &settings.client_secret };
        let in_form = [("client_id", by.id), ("client_secret", by.secret.expose())];
        let fields = [fields, if endpoints.secret_in_form { &in_form[..] } else { &[] }].concat();
        let head = (!endpoints.secret_in_form).then_some(&by);
        let (status, answer) =
            self.client.post_form(&endpoints.token, head, &fields).await.map_err(Error::Unavailable)?;
        if !status.is_success() {
            return Err(Error::Refused(error_code(answer.get("error").and_then(Value::as_str).unwrap_or_default())));
        }
        let token = answer.get("id_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or(Error::Token(InvalidToken::Malformed))
    }

    async fn get(
        &self,
        known: &mut MutexGuard<'_, CachedAnswers>,
        address: &str,
        now: Timestamp,
    ) -> Result<Value, Error> {
        if let Some((reason, _)) = known.failed.as_ref().filter(|(_, at)| now.since(*at) < PAUSE) {
            return Err(Error::Unavailable(reason.clone()));
        }
        let url = address.parse().map_err(|_| Error::Unusable("its address cannot be read".to_owned()))?;
        let got = self.client.get(&url).await.map_err(|error| format!("{address}: {error}"));
        known.failed = got.as_ref().err().map(|reason| (reason.clone(), now));
        got.map_err(Error::Unavailable)
    }
}

/// The code of an error as OAuth defines them, so that nothing else reaches the log.
pub(super) fn error_code(text: &str) -> String {
    let is_code = !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_code { text.to_owned() } else { "an unknown error".to_owned() }
}

fn endpoints(found: &Value, issuer: &str) -> Result<Endpoints, String> {
    let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("issuer") != issuer {
        let known: String = text("issuer").chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(format!("it calls itself {known:?} and not {issuer:?}; console.oidc.issuer must be exactly that"));
    }
    let address = |name: &str| is_safe(text(name)).map_err(|what| format!("its {name} cannot be used: {what}"));
    let methods = strings(found.get("token_endpoint_auth_methods_supported"));
    let takes = |method: &str| methods.contains(&method);
    let secret_in_form = !methods.is_empty() && !takes("client_secret_basic");
    if secret_in_form && !takes("client_secret_post") {
        return Err("it takes a client secret neither as client_secret_basic nor as client_secret_post".to_owned());
    }
    let names_issuer = found.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true));
    Ok(Endpoints {
        authorization: address("authorization_endpoint")?,
        token: address("token_endpoint")?,
        keys: address("jwks_uri")?,
        secret_in_form,
        names_issuer,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.bank.example";

    fn metadata() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.bank.example/auth",
            "token_endpoint": "https://id.bank.example/token",
            "jwks_uri": "https://keys.bank.example/jwks",
        })
    }

    fn changed(name: &str, value: Value) -> Result<Endpoints, String> {
        let mut metadata = metadata();
        metadata[name] = value;
        endpoints(&metadata, ISSUER)
    }

    #[test]
    fn the_secret_is_sent_as_the_identity_provider_takes_it() {
        let method = |methods: Value| changed("token_endpoint_auth_methods_supported", methods);
        assert!(!endpoints(&metadata(), ISSUER).unwrap().secret_in_form);
        assert!(!method(json!(["client_secret_post", "client_secret_basic"])).unwrap().secret_in_form);
        assert!(method(json!(["client_secret_post"])).unwrap().secret_in_form);
        assert!(method(json!(["private_key_jwt"])).unwrap_err().contains("neither as client_secret_basic"));
    }

    #[test]
    fn an_identity_provider_with_another_name_or_an_open_address_is_refused() {
        let error = changed("issuer", json!("https://id.bank.example/")).unwrap_err();
        assert!(error.contains("console.oidc.issuer must be exactly that"), "{error}");
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            for address in [json!("http://id.bank.example/x"), json!("javascript:alert(1)"), Value::Null] {
                let error = changed(name, address).unwrap_err();
                assert!(error.starts_with(&format!("its {name} cannot be used: ")), "{error}");
            }
        }
    }

    #[test]
    fn of_an_error_only_a_code_is_kept() {
        assert_eq!(error_code("invalid_grant"), "invalid_grant");
        for text in ["", "<b>", "x\ny", &"a".repeat(61)] {
            assert_eq!(error_code(text), "an unknown error");
        }
    }
}
