//! Tokens by which programs act for users of the console.

use async_trait::async_trait;
use sqlx::Connection;

use super::Sqlite;
use super::audit_events::insert_event;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::api_tokens::{StoredTokens, TokenRow, token_row};
use crate::store::users::{ConsoleUsers, TokenHash, UserRow, written_roles};

const TOKEN: &str =
    "SELECT name, hash, user, roles, created_at, expires_at, used_at, revoked_at, cert_pin FROM api_token";

#[async_trait]
impl StoredTokens for Sqlite {
    async fn token(&self, hash: &TokenHash) -> Result<Option<(TokenRow, UserRow)>, Error> {
        let text = sqlx::AssertSqlSafe(format!("{TOKEN} WHERE hash = ?1"));
        let found = sqlx::query(text).bind(hash.as_slice()).fetch_optional(&self.read).await?;
        let Some(token) = found.as_ref().map(token_row).transpose()? else { return Ok(None) };
        let user = ConsoleUsers::user(self, &token.user).await?;
        Ok(user.map(|user| (token, user)))
    }

    async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRow>, Error> {
        let text = sqlx::AssertSqlSafe(format!("{TOKEN} WHERE ?1 IS NULL OR user = ?1 ORDER BY name"));
        sqlx::query(text).bind(user).fetch_all(&self.read).await?.iter().map(token_row).collect()
    }

    async fn add_token(&self, token: &TokenRow, event: &AuditEvent) -> Result<bool, Error> {
        let text =
            "INSERT INTO api_token (name, hash, user, roles, created_at, expires_at, used_at, revoked_at, cert_pin)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text)
                    .bind(&token.name)
                    .bind(token.hash.as_slice())
                    .bind(&token.user)
                    .bind(written_roles(&token.roles))
                    .bind(token.created_at.micros())
                    .bind(token.expires_at.micros())
                    .bind(token.used_at.map(Timestamp::micros))
                    .bind(token.revoked_at.map(Timestamp::micros))
                    .bind(&token.cert_pin);
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn token_used(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.note_use("UPDATE api_token SET used_at = max(coalesce(used_at, ?2), ?2) WHERE hash = ?1", hash, at).await
    }

    async fn revoke_token(&self, name: &str, at: Timestamp, event: &AuditEvent) -> Result<bool, Error> {
        let text = "UPDATE api_token SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL";
        Ok(self.revoke(text, name, at, event).await? > 0)
    }

    async fn revoke_tokens_of(&self, user: &str, at: Timestamp, event: &AuditEvent) -> Result<u64, Error> {
        let text = "UPDATE api_token SET revoked_at = ?2 WHERE user = ?1 AND revoked_at IS NULL";
        self.revoke(text, user, at, event).await
    }
}

impl Sqlite {
    async fn revoke(&self, text: &'static str, of: &str, at: Timestamp, event: &AuditEvent) -> Result<u64, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text).bind(of).bind(at.micros());
                let count = query.execute(&mut *transaction).await?.rows_affected();
                if count > 0 {
                    insert_event(&mut transaction, event).await?;
                    transaction.commit().await?;
                }
                Ok(count)
            })
            .await
    }
}
