//! Users of the console and their sessions.

use std::time::Duration;

use otpost::domain::access::Role;
use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};
use otpost::store::users::{
    ExternalId, PasskeyRow, SessionChange, SessionLimits, SessionRow, SetupRow, UserChange, UserRow, UserSecret,
};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("a user is added once and read back whole", |it| Box::pin(added(it))),
    ("a user of an identity provider is added once and is not the last admin", |it| Box::pin(added_externally(it))),
    ("a change of a row that was read too early changes nothing", |it| Box::pin(outdated(it))),
    ("one active admin is always left", |it| Box::pin(last_admin(it))),
    ("a session begins and ends with the change of its user", |it| Box::pin(sessions(it))),
    ("a user has a limited number of sessions, and ended ones are removed", |it| Box::pin(limited(it))),
    ("secrets of users open after a rotation of the seal key", |it| Box::pin(resealed(it))),
];

fn event(it: &Fixture, kind: AuditKind) -> AuditEvent {
    AuditEvent::new(Actor::User("anna".to_owned()), kind, it.now())
}

async fn add(it: &Fixture, name: &str, roles: &[Role]) -> UserRow {
    let row = UserRow::new(name, roles, it.now());
    assert!(it.store.users().add(&row, &event(it, AuditKind::UserAdded)).await.unwrap());
    it.store.users().user(name).await.unwrap().unwrap()
}

fn session(it: &Fixture, user: &str, number: u8) -> SessionRow {
    SessionRow {
        hash: [number; 32],
        user: user.to_owned(),
        started_at: it.now(),
        seen_at: it.now(),
        address: "192.0.2.1".to_owned(),
        browser: "Browser".to_owned(),
    }
}

fn begin(it: &Fixture, user: &str, number: u8) -> SessionChange {
    let limits = SessionLimits {
        started_after: it.now().before(Duration::from_hours(12)),
        seen_after: it.now().before(Duration::from_mins(30)),
    };
    SessionChange { begin: Some((session(it, user, number), limits)), ..SessionChange::default() }
}

async fn change(it: &Fixture, row: &UserRow, sessions: &SessionChange) -> UserChange {
    it.store.users().change(row, sessions, &[event(it, AuditKind::SignedIn)]).await.unwrap()
}

async fn added(it: Fixture) {
    let whole = UserRow {
        disabled: true,
        signed_in_at: Some(it.now()),
        password: Some("$argon2id$".to_owned()),
        totp: Some(vec![1, 2]),
        totp_step: 7,
        recovery: vec![[1; 32], [2; 32]],
        email: Some(vec![3]),
        setup: Some(SetupRow { hash: [9; 32], expires_at: it.now() }),
        external: Some(external("ben")),
        passkeys: vec![PasskeyRow {
            id: "aWQx".to_owned(),
            public_key: "a2V5".to_owned(),
            counter: 7,
            name: "phone".to_owned(),
            created_at: it.now(),
            used_at: Some(it.now()),
        }],
        ..UserRow::new("ben", &[Role::Viewer, Role::Author], it.now())
    };
    assert!(it.store.users().add(&whole, &event(&it, AuditKind::UserAdded)).await.unwrap());
    add(&it, "anna", &[Role::Admin]).await;
    assert!(!it.store.users().add(&whole, &event(&it, AuditKind::UserAdded)).await.unwrap());

    let it = it.reopened().await;

    assert_eq!(it.store.users().user("ben").await.unwrap(), Some(whole.clone()));
    assert_eq!(it.store.users().user_with_setup(&[9; 32]).await.unwrap(), Some(whole));
    assert_eq!(it.store.users().user_with_setup(&[8; 32]).await.unwrap(), None);
    assert_eq!(it.store.users().user_at(&external("ben")).await.unwrap().map(|row| row.name).as_deref(), Some("ben"));
    assert_eq!(it.store.users().user_at(&external("cleo")).await.unwrap(), None);
    assert_eq!(it.store.users().user("cleo").await.unwrap(), None);
    let names: Vec<_> = it.store.users().all().await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["anna", "ben"]);
}

async fn added_externally(it: Fixture) {
    let row = |name: &str, subject: &str| UserRow {
        external: Some(external(subject)),
        ..UserRow::new(name, &[Role::Admin], it.now())
    };
    let added = event(&it, AuditKind::UserAdded);
    assert!(it.store.users().add(&row("anna", "1"), &added).await.unwrap());
    assert!(!it.store.users().add(&row("ben", "1"), &added).await.unwrap(), "the subject is taken");
    assert!(!it.store.users().add(&row("anna", "2"), &added).await.unwrap(), "the name is taken");
    assert!(it.store.users().add(&row("ben", "2"), &added).await.unwrap());

    // Only an admin with a password counts as the last one.
    let local = add(&it, "root", &[Role::Admin]).await;
    let anna = it.store.users().user("anna").await.unwrap().unwrap();
    let viewer = |row: &UserRow| UserRow { roles: vec![Role::Viewer], ..row.clone() };
    assert_eq!(change(&it, &viewer(&local), &SessionChange::default()).await, UserChange::LastAdmin);
    assert_eq!(change(&it, &viewer(&anna), &SessionChange::default()).await, UserChange::Done);
    let external = it.store.users().user("anna").await.unwrap().unwrap().external;
    assert_eq!(external.map(|it| it.subject).as_deref(), Some("1"), "a change keeps it");
}

fn external(subject: &str) -> ExternalId {
    ExternalId { issuer: "https://id.bank.example".to_owned(), subject: subject.to_owned() }
}

async fn outdated(it: Fixture) {
    let row = add(&it, "anna", &[Role::Viewer]).await;
    let first = UserRow { totp_step: 5, ..row.clone() };
    let second = UserRow { totp_step: 6, ..row };

    assert_eq!(change(&it, &first, &SessionChange::default()).await, UserChange::Done);
    assert_eq!(change(&it, &second, &begin(&it, "anna", 1)).await, UserChange::Outdated);

    assert_eq!(it.store.users().user("anna").await.unwrap().unwrap().totp_step, 5);
    assert!(it.store.users().session(&[1; 32]).await.unwrap().is_none());
    let missing = UserRow::new("cleo", &[Role::Viewer], it.now());
    assert_eq!(change(&it, &missing, &SessionChange::default()).await, UserChange::Outdated);
}

async fn last_admin(it: Fixture) {
    let anna = add(&it, "anna", &[Role::Admin]).await;
    let ben = add(&it, "ben", &[Role::Viewer, Role::Admin]).await;
    let viewer = |row: &UserRow| UserRow { roles: vec![Role::Viewer], ..row.clone() };

    assert_eq!(change(&it, &viewer(&anna), &SessionChange::default()).await, UserChange::Done);
    assert_eq!(change(&it, &viewer(&ben), &SessionChange::default()).await, UserChange::LastAdmin);
    let disabled = UserRow { disabled: true, ..ben.clone() };
    assert_eq!(change(&it, &disabled, &SessionChange::default()).await, UserChange::LastAdmin);

    assert_eq!(it.store.users().user("ben").await.unwrap(), Some(ben));
}

async fn sessions(it: Fixture) {
    let row = add(&it, "anna", &[Role::Viewer]).await;
    assert_eq!(change(&it, &row, &begin(&it, "anna", 1)).await, UserChange::Done);
    let users = it.store.users();
    let (found, user) = users.session(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((found, user.version), (session(&it, "anna", 1), 2));

    it.clock.move_on(Duration::from_mins(5));
    users.seen(&[1; 32], it.now()).await.unwrap();
    assert_eq!(users.sessions("anna").await.unwrap()[0].seen_at, it.now());

    let row = users.user("anna").await.unwrap().unwrap();
    let replaced = SessionChange { end: Some([1; 32]), ..begin(&it, "anna", 2) };
    assert_eq!(change(&it, &row, &replaced).await, UserChange::Done);
    assert!(users.session(&[1; 32]).await.unwrap().is_none());
    assert!(!users.end(&[2; 32], "ben", &event(&it, AuditKind::SignedOut)).await.unwrap());
    assert!(users.end(&[2; 32], "anna", &event(&it, AuditKind::SignedOut)).await.unwrap());
    assert!(!users.end(&[2; 32], "anna", &event(&it, AuditKind::SignedOut)).await.unwrap());

    let row = users.user("anna").await.unwrap().unwrap();
    change(&it, &row, &begin(&it, "anna", 3)).await;
    let row = users.user("anna").await.unwrap().unwrap();
    change(&it, &row, &SessionChange { end_all: true, ..SessionChange::default() }).await;
    assert!(users.sessions("anna").await.unwrap().is_empty());
}

async fn limited(it: Fixture) {
    add(&it, "anna", &[Role::Viewer]).await;
    for number in 0..25 {
        it.clock.move_on(Duration::from_secs(1));
        let row = it.store.users().user("anna").await.unwrap().unwrap();
        change(&it, &row, &begin(&it, "anna", number)).await;
    }
    let held: Vec<_> = it.store.users().sessions("anna").await.unwrap().iter().map(|row| row.hash[0]).collect();
    assert_eq!(held, (5..25).rev().collect::<Vec<_>>());

    it.clock.move_on(Duration::from_mins(31));
    let row = it.store.users().user("anna").await.unwrap().unwrap();
    change(&it, &row, &begin(&it, "anna", 30)).await;

    assert_eq!(it.store.users().sessions("anna").await.unwrap().len(), 1);
}

async fn resealed(it: Fixture) {
    let row = add(&it, "anna", &[Role::Viewer]).await;
    let totp = it.store.seal_user_secret("anna", UserSecret::Totp, b"secret").unwrap();
    let email = it.store.seal_user_secret("anna", UserSecret::Email, b"anna@example.org").unwrap();
    assert!(it.store.open_user_secret("ben", UserSecret::Totp, &totp).is_err());
    assert!(it.store.open_user_secret("anna", UserSecret::Email, &totp).is_err());
    change(&it, &UserRow { totp: Some(totp), email: Some(email), ..row }, &SessionChange::default()).await;

    it.store.begin_key_rotation(it.now()).await.unwrap();
    it.store.reseal_users().await.unwrap();
    it.store.end_key_rotation(it.now()).await.unwrap();

    let it = it.reopened().await;
    let row = it.store.users().user("anna").await.unwrap().unwrap();
    let opened = |secret, sealed: Option<Vec<u8>>| it.store.open_user_secret("anna", secret, &sealed.unwrap()).unwrap();
    assert_eq!(*opened(UserSecret::Totp, row.totp), b"secret");
    assert_eq!(*opened(UserSecret::Email, row.email), b"anna@example.org");
}
