//! Users of the console and their sessions.

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};

use super::Sqlite;
use super::audit_events::insert_event;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::users::{
    ConsoleUsers, ExternalId, SESSIONS_MAX, SessionChange, SessionRow, TokenHash, UserChange, UserRow, session_row,
    user_row, written_roles,
};

const USER: &str =
    "SELECT name, version, roles, disabled, created_at, signed_in_at, password, totp, totp_step, recovery,
   email, setup_hash, setup_expires_at, issuer, subject, passkeys FROM console_user";

const SESSION: &str = "SELECT hash, user, started_at, seen_at, address, browser FROM console_session";

#[async_trait]
impl ConsoleUsers for Sqlite {
    async fn all(&self) -> Result<Vec<UserRow>, Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{USER} ORDER BY name")));
        query.fetch_all(&self.read).await?.iter().map(user_row).collect()
    }

    async fn user(&self, name: &str) -> Result<Option<UserRow>, Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{USER} WHERE name = ?1"))).bind(name);
        query.fetch_optional(&self.read).await?.as_ref().map(user_row).transpose()
    }

    async fn user_with_setup(&self, hash: &TokenHash) -> Result<Option<UserRow>, Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{USER} WHERE setup_hash = ?1"))).bind(hash.as_slice());
        query.fetch_optional(&self.read).await?.as_ref().map(user_row).transpose()
    }

    async fn user_at(&self, external: &ExternalId) -> Result<Option<UserRow>, Error> {
        let text = sqlx::AssertSqlSafe(format!("{USER} WHERE issuer = ?1 AND subject = ?2"));
        let query = sqlx::query(text).bind(&external.issuer).bind(&external.subject);
        query.fetch_optional(&self.read).await?.as_ref().map(user_row).transpose()
    }

    async fn add(&self, user: &UserRow, event: &AuditEvent) -> Result<bool, Error> {
        let text = "INSERT INTO console_user (name, version, roles, disabled, created_at, totp_step, recovery, issuer, subject)
           VALUES (?1, 0, '', 0, ?2, 0, '', ?3, ?4) ON CONFLICT DO NOTHING";
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text).bind(&user.name).bind(user.created_at.micros());
                let external = user.external.as_ref();
                let query = query.bind(external.map(|it| &it.issuer)).bind(external.map(|it| &it.subject));
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                replace(&mut transaction, &UserRow { version: 0, ..user.clone() }).await?;
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn change(
        &self,
        user: &UserRow,
        sessions: &SessionChange,
        events: &[AuditEvent],
    ) -> Result<UserChange, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let was_admin = is_active_admin(&mut transaction, Some(&user.name)).await?;
                if !replace(&mut transaction, user).await? {
                    return Ok(UserChange::Outdated);
                }
                if was_admin && !user.is_active_admin() && !is_active_admin(&mut transaction, None).await? {
                    return Ok(UserChange::LastAdmin);
                }
                change_sessions(&mut transaction, &user.name, sessions).await?;
                for event in events {
                    insert_event(&mut transaction, event).await?;
                }
                transaction.commit().await?;
                Ok(UserChange::Done)
            })
            .await
    }

    async fn session(&self, hash: &TokenHash) -> Result<Option<(SessionRow, UserRow)>, Error> {
        let text = sqlx::AssertSqlSafe(format!("{SESSION} WHERE hash = ?1"));
        let found = sqlx::query(text).bind(hash.as_slice()).fetch_optional(&self.read).await?;
        let Some(session) = found.as_ref().map(session_row).transpose()? else { return Ok(None) };
        let user = ConsoleUsers::user(self, &session.user).await?;
        Ok(user.map(|user| (session, user)))
    }

    async fn sessions(&self, user: &str) -> Result<Vec<SessionRow>, Error> {
        let text = sqlx::AssertSqlSafe(format!("{SESSION} WHERE user = ?1 ORDER BY started_at DESC"));
        sqlx::query(text).bind(user).fetch_all(&self.read).await?.iter().map(session_row).collect()
    }

    async fn seen(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.note_use("UPDATE console_session SET seen_at = max(seen_at, ?2) WHERE hash = ?1", hash, at).await
    }

    async fn end(&self, hash: &TokenHash, user: &str, event: &AuditEvent) -> Result<bool, Error> {
        let text = "DELETE FROM console_session WHERE hash = ?1 AND user = ?2";
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text).bind(hash.as_slice()).bind(user);
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }
}

async fn is_active_admin(connection: &mut SqliteConnection, name: Option<&str>) -> Result<bool, Error> {
    let text = "SELECT EXISTS (SELECT 1 FROM console_user
       WHERE (?1 IS NULL OR name = ?1) AND disabled = 0 AND subject IS NULL
         AND ',' || roles || ',' LIKE '%,admin,%')";
    Ok(sqlx::query_scalar(text).bind(name).fetch_one(connection).await?)
}

async fn replace(connection: &mut SqliteConnection, user: &UserRow) -> Result<bool, Error> {
    let text =
        "UPDATE console_user SET version = version + 1, roles = ?3, disabled = ?4, signed_in_at = ?5, password = ?6,
         totp = ?7, totp_step = ?8, recovery = ?9, email = ?10, setup_hash = ?11, setup_expires_at = ?12, passkeys = ?13
       WHERE name = ?1 AND version = ?2";
    let query = sqlx::query(text)
        .bind(&user.name)
        .bind(user.version)
        .bind(written_roles(&user.roles))
        .bind(user.disabled)
        .bind(user.signed_in_at.map(Timestamp::micros))
        .bind(&user.password)
        .bind(&user.totp)
        .bind(user.totp_step)
        .bind(user.recovery.iter().map(hex::encode).collect::<Vec<_>>().join(","))
        .bind(&user.email)
        .bind(user.setup.as_ref().map(|setup| setup.hash.as_slice()))
        .bind(user.setup.as_ref().map(|setup| setup.expires_at.micros()))
        .bind(serde_json::to_string(&user.passkeys).unwrap_or_default());
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

async fn change_sessions(connection: &mut SqliteConnection, user: &str, change: &SessionChange) -> Result<(), Error> {
    if change.end_all {
        let query = sqlx::query("DELETE FROM console_session WHERE user = ?1").bind(user);
        query.execute(&mut *connection).await?;
    }
    if let Some(hash) = &change.end {
        let query = sqlx::query("DELETE FROM console_session WHERE hash = ?1").bind(hash.as_slice());
        query.execute(&mut *connection).await?;
    }
    let Some((session, limits)) = &change.begin else { return Ok(()) };
    sqlx::query("DELETE FROM console_session WHERE started_at < ?1 OR seen_at < ?2")
        .bind(limits.started_after.micros())
        .bind(limits.seen_after.micros())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM console_session WHERE hash IN
           (SELECT hash FROM console_session WHERE user = ?1 ORDER BY started_at DESC LIMIT -1 OFFSET ?2)",
    )
    .bind(user)
    .bind(SESSIONS_MAX - 1)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO console_session (hash, user, started_at, seen_at, address, browser) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(session.hash.as_slice())
    .bind(user)
    .bind(session.started_at.micros())
    .bind(session.seen_at.micros())
    .bind(&session.address)
    .bind(&session.browser)
    .execute(connection)
    .await?;
    Ok(())
}

impl Sqlite {
    /// Notes by `text` when the holder of a session or token was last active.
    pub(super) async fn note_use(&self, text: &'static str, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.failure
            .watch(async {
                let query = sqlx::query(text).bind(hash.as_slice()).bind(at.micros());
                query.execute(&mut *self.writing().await?).await?;
                Ok(())
            })
            .await
    }
}
