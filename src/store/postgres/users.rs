//! Users of the console and their sessions.

use async_trait::async_trait;

use super::Postgres;
use super::commit::add_events;
use super::session::{DatabaseSession, query};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::users::{
    ConsoleUsers, ExternalId, SESSIONS_MAX, SessionChange, SessionRow, TokenHash, UserChange, UserRow, session_row,
    user_row, written_roles,
};

#[async_trait]
impl ConsoleUsers for Postgres {
    async fn all(&self) -> Result<Vec<UserRow>, Error> {
        let rows = self.reading().await?.rows(query("SELECT * FROM console_user ORDER BY name")).await?;
        rows.iter().map(user_row).collect()
    }

    async fn user(&self, name: &str) -> Result<Option<UserRow>, Error> {
        let statement = query("SELECT * FROM console_user WHERE name = $1").bind(name);
        self.reading().await?.row(statement).await?.as_ref().map(user_row).transpose()
    }

    async fn user_with_setup(&self, hash: &TokenHash) -> Result<Option<UserRow>, Error> {
        let statement = query("SELECT * FROM console_user WHERE setup_hash = $1").bind(hash.as_slice());
        self.reading().await?.row(statement).await?.as_ref().map(user_row).transpose()
    }

    async fn user_at(&self, external: &ExternalId) -> Result<Option<UserRow>, Error> {
        let text = "SELECT * FROM console_user WHERE issuer = $1 AND subject = $2";
        let statement = query(text).bind(&external.issuer).bind(&external.subject);
        self.reading().await?.row(statement).await?.as_ref().map(user_row).transpose()
    }

    async fn add(&self, user: &UserRow, event: &AuditEvent) -> Result<bool, Error> {
        let text = "INSERT INTO console_user
              (name, version, roles, disabled, created_at, totp_step, recovery, issuer, subject)
            VALUES ($1, 0, '', false, $2, 0, '', $3, $4) ON CONFLICT DO NOTHING";
        let external = user.external.as_ref();
        let statement = query(text).bind(&user.name).bind(user.created_at.micros());
        let statement = statement.bind(external.map(|it| &it.issuer)).bind(external.map(|it| &it.subject));
        let mut session = self.writing().await?;
        if session.execute(statement).await? == 0 {
            return Ok(false);
        }
        replace(&mut session, &UserRow { version: 0, ..user.clone() }).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn change(
        &self,
        user: &UserRow,
        sessions: &SessionChange,
        events: &[AuditEvent],
    ) -> Result<UserChange, Error> {
        let mut session = self.writing().await?;
        let was_admin = is_active_admin(&mut session, Some(&user.name)).await?;
        if !replace(&mut session, user).await? {
            return Ok(UserChange::Outdated);
        }
        if was_admin && !user.is_active_admin() && !is_active_admin(&mut session, None).await? {
            return Ok(UserChange::LastAdmin);
        }
        change_sessions(&mut session, &user.name, sessions).await?;
        add_events(&mut session, &events.iter().collect::<Vec<_>>()).await?;
        session.commit().await?;
        Ok(UserChange::Done)
    }

    async fn session(&self, hash: &TokenHash) -> Result<Option<(SessionRow, UserRow)>, Error> {
        let statement = query("SELECT * FROM console_session WHERE hash = $1").bind(hash.as_slice());
        let found = self.reading().await?.row(statement).await?;
        let Some(session) = found.as_ref().map(session_row).transpose()? else { return Ok(None) };
        let user = ConsoleUsers::user(self, &session.user).await?;
        Ok(user.map(|user| (session, user)))
    }

    async fn sessions(&self, user: &str) -> Result<Vec<SessionRow>, Error> {
        let text = "SELECT * FROM console_session WHERE \"user\" = $1 ORDER BY started_at DESC";
        self.reading().await?.rows(query(text).bind(user)).await?.iter().map(session_row).collect()
    }

    async fn seen(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.note_use("UPDATE console_session SET seen_at = greatest(seen_at, $2) WHERE hash = $1", hash, at).await
    }

    async fn end(&self, hash: &TokenHash, user: &str, event: &AuditEvent) -> Result<bool, Error> {
        let text = "DELETE FROM console_session WHERE hash = $1 AND \"user\" = $2";
        let mut session = self.writing().await?;
        if session.execute(query(text).bind(hash.as_slice()).bind(user)).await? == 0 {
            return Ok(false);
        }
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }
}

async fn is_active_admin(session: &mut DatabaseSession, name: Option<&str>) -> Result<bool, Error> {
    let text = "SELECT EXISTS (SELECT 1 FROM console_user
        WHERE ($1::text IS NULL OR name = $1) AND NOT disabled AND subject IS NULL
          AND ',' || roles || ',' LIKE '%,admin,%')";
    Ok(session.one::<(bool,)>(query(text).bind(name)).await?.0)
}

async fn replace(session: &mut DatabaseSession, user: &UserRow) -> Result<bool, Error> {
    let text = "UPDATE console_user SET version = version + 1, roles = $3, disabled = $4, signed_in_at = $5, password = $6,
          totp = $7, totp_step = $8, recovery = $9, email = $10, setup_hash = $11, setup_expires_at = $12, passkeys = $13
        WHERE name = $1 AND version = $2";
    let statement = query(text)
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
    Ok(session.execute(statement).await? == 1)
}

async fn change_sessions(session: &mut DatabaseSession, user: &str, change: &SessionChange) -> Result<(), Error> {
    if change.end_all {
        session.execute(query("DELETE FROM console_session WHERE \"user\" = $1").bind(user)).await?;
    }
    if let Some(hash) = &change.end {
        session.execute(query("DELETE FROM console_session WHERE hash = $1").bind(hash.as_slice())).await?;
    }
    let Some((begun, limits)) = &change.begin else { return Ok(()) };
    let text = "DELETE FROM console_session WHERE started_at < $1 OR seen_at < $2";
    let statement = query(text).bind(limits.started_after.micros()).bind(limits.seen_after.micros());
    session.execute(statement).await?;
    let text = "DELETE FROM console_session WHERE hash IN
        (SELECT hash FROM console_session WHERE \"user\" = $1 ORDER BY started_at DESC OFFSET $2)";
    session.execute(query(text).bind(user).bind(i64::from(SESSIONS_MAX - 1))).await?;
    let text = "INSERT INTO console_session (hash, \"user\", started_at, seen_at, address, browser)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let statement = query(text).bind(begun.hash.as_slice()).bind(user).bind(begun.started_at.micros());
    let statement = statement.bind(begun.seen_at.micros()).bind(&begun.address).bind(&begun.browser);
    session.execute(statement).await.map(drop)
}

impl Postgres {
    /// Notes by `text` when the holder of a session or token was last active.
    pub(super) async fn note_use(&self, text: &'static str, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.write(query(text).bind(hash.as_slice()).bind(at.micros())).await.map(drop)
    }
}
