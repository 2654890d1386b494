//! Tokens by which programs act for users of the console.

use std::time::Duration;

use otpost::domain::access::Role;
use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};
use otpost::store::api_tokens::TokenRow;
use otpost::store::users::UserRow;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("a token is added once and read back whole with its user", |it| Box::pin(added(it))),
    ("a token is revoked once, and its name stays", |it| Box::pin(revoked(it))),
    ("all tokens of a user are revoked, and those of others are not", |it| Box::pin(revoked_of_one(it))),
];

fn event(it: &Fixture, kind: AuditKind) -> AuditEvent {
    AuditEvent::new(Actor::User("anna".to_owned()), kind, it.now())
}

async fn user(it: &Fixture, name: &str) {
    let row = UserRow::new(name, &[Role::Viewer], it.now());
    assert!(it.store.users().add(&row, &event(it, AuditKind::UserAdded)).await.unwrap());
}

fn token(it: &Fixture, name: &str, user: &str, number: u8) -> TokenRow {
    TokenRow {
        name: name.to_owned(),
        hash: [number; 32],
        user: user.to_owned(),
        roles: vec![Role::Viewer, Role::Author],
        created_at: it.now(),
        expires_at: it.now().after(Duration::from_hours(24)),
        used_at: None,
        revoked_at: None,
        cert_pin: Some("pin".to_owned()),
    }
}

async fn add(it: &Fixture, token: &TokenRow) -> bool {
    it.store.api_tokens().add_token(token, &event(it, AuditKind::ApiTokenAdded)).await.unwrap()
}

async fn added(it: Fixture) {
    user(&it, "anna").await;
    let row = token(&it, "ci", "anna", 1);
    assert!(add(&it, &row).await);
    assert!(!add(&it, &TokenRow { hash: [2; 32], ..row.clone() }).await);
    let (older, now) = (it.now().before(Duration::from_hours(1)), it.now());
    it.store.api_tokens().token_used(&row.hash, now).await.unwrap();
    it.store.api_tokens().token_used(&row.hash, older).await.unwrap();

    let it = it.reopened().await;

    let (found, owner) = it.store.api_tokens().token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(found, TokenRow { used_at: Some(now), ..row });
    assert_eq!(owner.name, "anna");
    assert!(it.store.api_tokens().token(&[2; 32]).await.unwrap().is_none());
}

async fn revoked(it: Fixture) {
    user(&it, "anna").await;
    let row = token(&it, "ci", "anna", 1);
    add(&it, &row).await;
    let revoke = async || {
        let event = event(&it, AuditKind::ApiTokenRevoked);
        it.store.api_tokens().revoke_token("ci", it.now(), &event).await.unwrap()
    };

    assert!(revoke().await);
    assert!(!revoke().await);

    assert_eq!(it.store.api_tokens().tokens(None).await.unwrap()[0].revoked_at, Some(it.now()));
    assert!(!add(&it, &TokenRow { hash: [3; 32], ..row }).await);
}

async fn revoked_of_one(it: Fixture) {
    user(&it, "anna").await;
    user(&it, "ben").await;
    for (name, user, number) in [("a", "anna", 1), ("b", "anna", 2), ("c", "ben", 3)] {
        add(&it, &token(&it, name, user, number)).await;
    }
    let revoke = async |user: &str| {
        let event = event(&it, AuditKind::ApiTokenRevoked);
        it.store.api_tokens().revoke_tokens_of(user, it.now(), &event).await.unwrap()
    };

    assert_eq!((revoke("anna").await, revoke("anna").await), (2, 0));

    let left = it.store.api_tokens().tokens(None).await.unwrap();
    let left: Vec<_> = left.iter().filter(|it| it.revoked_at.is_none()).map(|it| it.name.as_str()).collect();
    assert_eq!(left, ["c"]);
    assert_eq!(it.store.api_tokens().tokens(Some("anna")).await.unwrap().len(), 2);
}
