//! Users of the console and their sessions.

use async_trait::async_trait;

use super::MemoryBackend;
use super::tables::Tables;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::users::{
    ConsoleUsers, ExternalId, SESSIONS_MAX, SessionChange, SessionRow, TokenHash, UserChange, UserRow,
};

#[async_trait]
impl ConsoleUsers for MemoryBackend {
    async fn all(&self) -> Result<Vec<UserRow>, Error> {
        self.call("all", |tables| tables.users.values().cloned().collect()).await
    }

    async fn user(&self, name: &str) -> Result<Option<UserRow>, Error> {
        self.call("user", |tables| tables.users.get(name).cloned()).await
    }

    async fn user_with_setup(&self, hash: &TokenHash) -> Result<Option<UserRow>, Error> {
        let has_it = |user: &&UserRow| user.setup.as_ref().is_some_and(|setup| setup.hash == *hash);
        self.call("user_with_setup", |tables| tables.users.values().find(has_it).cloned()).await
    }

    async fn user_at(&self, external: &ExternalId) -> Result<Option<UserRow>, Error> {
        let is_it = |user: &&UserRow| user.external.as_ref() == Some(external);
        self.call("user_at", |tables| tables.users.values().find(is_it).cloned()).await
    }

    async fn add(&self, user: &UserRow, event: &AuditEvent) -> Result<bool, Error> {
        self.call("add", |tables| {
            let is_taken = |it: &UserRow| it.external.is_some() && it.external == user.external;
            let is_new = !tables.users.contains_key(&user.name) && !tables.users.values().any(is_taken);
            if is_new {
                tables.users.insert(user.name.clone(), UserRow { version: 1, ..user.clone() });
                tables.events.push(event.clone());
            }
            is_new
        })
        .await
    }

    async fn change(
        &self,
        user: &UserRow,
        sessions: &SessionChange,
        events: &[AuditEvent],
    ) -> Result<UserChange, Error> {
        self.call("change", |tables| {
            let Some(row) = tables.users.get(&user.name).filter(|row| row.version == user.version) else {
                return UserChange::Outdated;
            };
            let is_last = !tables.users.values().any(|it| it.name != user.name && it.is_active_admin());
            if row.is_active_admin() && !user.is_active_admin() && is_last {
                return UserChange::LastAdmin;
            }
            tables.users.insert(user.name.clone(), UserRow { version: user.version + 1, ..user.clone() });
            change_sessions(tables, &user.name, sessions);
            tables.events.extend_from_slice(events);
            UserChange::Done
        })
        .await
    }

    async fn session(&self, hash: &TokenHash) -> Result<Option<(SessionRow, UserRow)>, Error> {
        self.call("session", |tables| {
            let session = tables.sessions.get(hash)?;
            Some((session.clone(), tables.users.get(&session.user)?.clone()))
        })
        .await
    }

    async fn sessions(&self, user: &str) -> Result<Vec<SessionRow>, Error> {
        self.call("sessions", |tables| newest_first(tables, user)).await
    }

    async fn seen(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error> {
        self.call("seen", |tables| {
            if let Some(session) = tables.sessions.get_mut(hash) {
                session.seen_at = session.seen_at.max(at);
            }
        })
        .await
    }

    async fn end(&self, hash: &TokenHash, user: &str, event: &AuditEvent) -> Result<bool, Error> {
        self.call("end", |tables| {
            let exists = tables.sessions.get(hash).is_some_and(|session| session.user == user);
            if exists {
                tables.sessions.remove(hash);
                tables.events.push(event.clone());
            }
            exists
        })
        .await
    }
}

fn newest_first(tables: &Tables, user: &str) -> Vec<SessionRow> {
    let mut sessions: Vec<_> = tables.sessions.values().filter(|it| it.user == user).cloned().collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.started_at));
    sessions
}

fn change_sessions(tables: &mut Tables, user: &str, change: &SessionChange) {
    tables.sessions.retain(|hash, it| change.end != Some(*hash) && !(change.end_all && it.user == user));
    let Some((session, limits)) = &change.begin else { return };
    tables.sessions.retain(|_, it| it.started_at >= limits.started_after && it.seen_at >= limits.seen_after);
    for old in newest_first(tables, user).into_iter().skip(SESSIONS_MAX as usize - 1) {
        tables.sessions.remove(&old.hash);
    }
    tables.sessions.insert(session.hash, session.clone());
}
