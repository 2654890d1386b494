//! Tokens by which programs act for users of the console.

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::api_tokens::{StoredTokens, TokenRow};
use crate::store::users::{TokenHash, UserRow};

#[async_trait]
impl StoredTokens for MemoryBackend {
    async fn token(&self, hash: &TokenHash) -> Result<Option<(TokenRow, UserRow)>, Error> {
        self.call("token", |tables| {
            let token = tables.tokens.values().find(|token| token.hash == *hash)?;
            Some((token.clone(), tables.users.get(&token.user)?.clone()))
        })
        .await
    }

    async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRow>, Error> {
        let is_asked = |token: &&TokenRow| user.is_none_or(|user| token.user == user);
        self.call("tokens", |tables| tables.tokens.values().filter(is_asked).cloned().collect()).await
    }

    async fn add_token(&self, token: &TokenRow, event: &AuditEvent) -> Result<bool, Error> {
        self.call("add_token", |tables| {
            let is_new = !tables.tokens.contains_key(&token.name);
            if is_new {
                tables.tokens.insert(token.name.clone(), token.clone());
                tables.events.push(event.clone());
            }
            is_new
        })
        .await
    }

    async fn token_used(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.call("token_used", |tables| {
            if let Some(token) = tables.tokens.values_mut().find(|token| token.hash == *hash) {
                token.used_at = token.used_at.max(Some(at));
            }
        })
        .await
    }

    async fn revoke_token(&self, name: &str, at: Timestamp, event: &AuditEvent) -> Result<bool, Error> {
        Ok(self.revoke(|token| token.name == name, at, event).await? > 0)
    }

    async fn revoke_tokens_of(&self, user: &str, at: Timestamp, event: &AuditEvent) -> Result<u64, Error> {
        self.revoke(|token| token.user == user, at, event).await
    }
}

impl MemoryBackend {
    async fn revoke(
        &self,
        is_meant: impl Fn(&TokenRow) -> bool + Send + Sync,
        at: Timestamp,
        event: &AuditEvent,
    ) -> Result<u64, Error> {
        self.call("revoke", |tables| {
            let mut count = 0;
            for token in tables.tokens.values_mut().filter(|it| it.revoked_at.is_none() && is_meant(it)) {
                token.revoked_at = Some(at);
                count += 1;
            }
            if count > 0 {
                tables.events.push(event.clone());
            }
            count
        })
        .await
    }
}
