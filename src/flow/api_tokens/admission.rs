//! Which requests a token admits.
//!
//! A token has 256 bits of chance, so that none can be guessed; the limit of wrong ones by address keeps the audit log short. A
//! token that counts is let in also from an address with too many wrong ones: behind a proxy all programs have one address.

use std::net::IpAddr;
use std::time::Duration;

use super::{ApiTokens, Error, PREFIX};
use crate::domain::access::{Action, Role};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::flow::users::codes;
use crate::store::api_tokens::TokenRow;
use crate::store::users::UserRow;

/// A token is written as used again after this time, so that not each request costs a commit.
const USED_EVERY: Duration = Duration::from_mins(1);

/// The label `outcome` of `otpost_console_token_requests_total`.
pub const TOKEN_OUTCOMES: [&str; 3] = ["accepted", "refused", "throttled"];

/// A request with a token.
#[derive(Clone, Copy)]
pub struct TokenUse<'a> {
    pub token: &'a str,
    pub address: Option<IpAddr>,
    /// The SPKI pin of the client certificate of the connection.
    pub cert_pin: Option<&'a str>,
}

/// Who makes a request: a token, and the user that it acts for.
#[derive(Debug, Clone)]
pub struct ApiCaller {
    pub token: String,
    pub user: String,
    /// The roles of the token that its user still has.
    pub roles: Vec<Role>,
}

impl ApiCaller {
    /// Whether one of the roles is enough.
    pub fn may(&self, action: Action) -> bool {
        self.roles.iter().any(|role| role.may(action))
    }

    /// The token in the audit log.
    pub fn actor(&self) -> Actor {
        Actor::Token(self.token.clone())
    }
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefused {
    #[error("there is no such token")]
    Unknown,
    #[error("the token has expired")]
    Expired,
    #[error("the token was revoked")]
    Revoked,
    #[error("the user of the token is disabled")]
    UserDisabled,
    #[error("the token counts only over a connection with its client certificate")]
    OtherCertificate,
    #[error("too many requests with tokens that do not count")]
    Throttled(Duration),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl TokenRefused {
    // For the audit log.
    const fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown token",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::UserDisabled => "user disabled",
            Self::OtherCertificate => "another certificate or none",
            Self::Throttled(_) => "throttled",
            Self::Failed(_) => "failed",
        }
    }
}

impl ApiTokens {
    /// Admits a request, or refuses it; a refusal is an audit event.
    pub async fn admit(&self, request: TokenUse<'_>) -> Result<ApiCaller, TokenRefused> {
        let now = self.clock.now();
        // What cannot be a token is not looked for.
        let hash = request.token.starts_with(PREFIX).then(|| codes::hash_of(request.token));
        let found = match hash.transpose().map_err(Error::from)? {
            Some(hash) => self.store.api_tokens().token(&hash).await.map_err(Error::from)?,
            None => None,
        };
        let known = found.as_ref().map(|(token, _)| token.name.clone());
        match checked(found, request.cert_pin, now) {
            Ok((token, user)) => {
                if token.used_at.is_none_or(|at| now.since(at) >= USED_EVERY) {
                    self.store.api_tokens().token_used(&token.hash, now).await.map_err(Error::from)?;
                }
                count("accepted");
                let roles = token.roles.iter().filter(|role| user.roles.contains(role)).copied().collect();
                Ok(ApiCaller { token: token.name, user: user.name, roles })
            }
            Err(refused) => Err(self.refuse(refused, known, request.address, now).await?),
        }
    }

    /// Records that a token was used for something that no role of it allows.
    pub async fn record_denial(&self, caller: &ApiCaller, action: Action) -> Result<(), Error> {
        let event = AuditEvent::new(caller.actor(), AuditKind::AccessDenied, self.clock.now());
        let event = event.with("user", caller.user.as_str()).with("action", action.name());
        Ok(self.store.audit_events().record(&[event]).await?)
    }

    async fn refuse(
        &self,
        refused: TokenRefused,
        known: Option<String>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<TokenRefused, Error> {
        if let Err(wait) = self.throttle.fail_from(address, now) {
            count("throttled");
            return Ok(TokenRefused::Throttled(wait));
        }
        count("refused");
        let event = match known {
            Some(name) => AuditEvent::new(Actor::Token(name), AuditKind::ApiTokenRefused, now),
            // Of an unknown one nothing is kept: it may be a secret of something else.
            None => AuditEvent::gateway(AuditKind::ApiTokenRefused, now),
        };
        let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        let event = event.with("reason", refused.reason()).with("address", address);
        self.store.audit_events().record(&[event]).await?;
        Ok(refused)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("otpost_console_token_requests_total", "outcome" => outcome).increment(1);
}

fn checked(
    found: Option<(TokenRow, UserRow)>,
    cert_pin: Option<&str>,
    now: Timestamp,
) -> Result<(TokenRow, UserRow), TokenRefused> {
    let (token, user) = found.ok_or(TokenRefused::Unknown)?;
    if token.revoked_at.is_some() {
        return Err(TokenRefused::Revoked);
    }
    if now >= token.expires_at {
        return Err(TokenRefused::Expired);
    }
    if token.cert_pin.as_deref().is_some_and(|pin| cert_pin != Some(pin)) {
        return Err(TokenRefused::OtherCertificate);
    }
    if user.disabled {
        return Err(TokenRefused::UserDisabled);
    }
    Ok((token, user))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn token() -> (TokenRow, UserRow) {
        let token = TokenRow {
            name: "ci".to_owned(),
            hash: [1; 32],
            user: "anna".to_owned(),
            roles: vec![Role::Viewer],
            created_at: NOW,
            expires_at: NOW.after(Duration::from_hours(24)),
            used_at: None,
            revoked_at: None,
            cert_pin: None,
        };
        (token, UserRow::new("anna", &[Role::Viewer], NOW))
    }

    fn refusal(change: impl FnOnce(&mut TokenRow, &mut UserRow), pin: Option<&str>, at: Timestamp) -> Option<String> {
        let (mut token, mut user) = token();
        change(&mut token, &mut user);
        checked(Some((token, user)), pin, at).err().map(|refused| refused.reason().to_owned())
    }

    #[test]
    fn a_token_counts_until_it_expires_or_is_revoked_or_its_user_is_disabled() {
        let end = NOW.after(Duration::from_hours(24));

        assert_eq!(refusal(|_, _| (), None, end.before(Duration::from_micros(1))), None);
        assert_eq!(refusal(|_, _| (), None, end).unwrap(), "expired");
        assert_eq!(refusal(|token, _| token.revoked_at = Some(NOW), None, NOW).unwrap(), "revoked");
        assert_eq!(refusal(|_, user| user.disabled = true, None, NOW).unwrap(), "user disabled");
        assert!(matches!(checked(None, None, NOW), Err(TokenRefused::Unknown)));
    }

    #[test]
    fn a_token_with_a_pin_counts_with_that_certificate_only() {
        let bind = |token: &mut TokenRow, _: &mut UserRow| token.cert_pin = Some("a".to_owned());

        assert_eq!(refusal(bind, Some("a"), NOW), None);
        assert_eq!(refusal(bind, Some("b"), NOW).unwrap(), "another certificate or none");
        assert_eq!(refusal(bind, None, NOW).unwrap(), "another certificate or none");
        assert_eq!(refusal(|_, _| (), Some("a"), NOW), None, "a certificate does no harm");
    }
}
