//! Tokens by which programs act for users of the console.

use async_trait::async_trait;

use super::Postgres;
use super::commit::add_events;
use super::session::query;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::api_tokens::{StoredTokens, TokenRow, token_row};
use crate::store::users::{ConsoleUsers, TokenHash, UserRow, written_roles};

#[async_trait]
impl StoredTokens for Postgres {
    async fn token(&self, hash: &TokenHash) -> Result<Option<(TokenRow, UserRow)>, Error> {
        let statement = query("SELECT * FROM api_token WHERE hash = $1").bind(hash.as_slice());
        let found = self.reading().await?.row(statement).await?;
        let Some(token) = found.as_ref().map(token_row).transpose()? else { return Ok(None) };
        let user = ConsoleUsers::user(self, &token.user).await?;
        Ok(user.map(|user| (token, user)))
    }

    async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRow>, Error> {
        let text = "SELECT * FROM api_token WHERE $1::text IS NULL OR \"user\" = $1 ORDER BY name";
        self.reading().await?.rows(query(text).bind(user)).await?.iter().map(token_row).collect()
    }

    async fn add_token(&self, token: &TokenRow, event: &AuditEvent) -> Result<bool, Error> {
        let text = "INSERT INTO api_token
              (name, hash, \"user\", roles, created_at, expires_at, used_at, revoked_at, cert_pin)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
        let statement = query(text)
            .bind(&token.name)
            .bind(token.hash.as_slice())
            .bind(&token.user)
            .bind(written_roles(&token.roles))
            .bind(token.created_at.micros())
            .bind(token.expires_at.micros())
            .bind(token.used_at.map(Timestamp::micros))
            .bind(token.revoked_at.map(Timestamp::micros))
            .bind(&token.cert_pin);
        let mut session = self.writing().await?;
        if session.execute(statement).await? == 0 {
            return Ok(false);
        }
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn token_used(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        let text = "UPDATE api_token SET used_at = greatest(coalesce(used_at, $2), $2) WHERE hash = $1";
        self.note_use(text, hash, at).await
    }

    async fn revoke_token(&self, name: &str, at: Timestamp, event: &AuditEvent) -> Result<bool, Error> {
        let text = "UPDATE api_token SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL";
        Ok(self.revoke(text, name, at, event).await? > 0)
    }

    async fn revoke_tokens_of(&self, user: &str, at: Timestamp, event: &AuditEvent) -> Result<u64, Error> {
        let text = "UPDATE api_token SET revoked_at = $2 WHERE \"user\" = $1 AND revoked_at IS NULL";
        self.revoke(text, user, at, event).await
    }
}

impl Postgres {
    async fn revoke(&self, text: &'static str, of: &str, at: Timestamp, event: &AuditEvent) -> Result<u64, Error> {
        let mut session = self.writing().await?;
        let count = session.execute(query(text).bind(of).bind(at.micros())).await?;
        if count > 0 {
            add_events(&mut session, &[event]).await?;
            session.commit().await?;
        }
        Ok(count)
    }
}
