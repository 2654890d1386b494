//! `otpost delivery`: the list of deliveries, and the history of each.

use std::sync::Arc;
use std::time::Duration;

use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{Attempt, EndReason, ProviderName};
use otpost::domain::failure_detail::FailureDetail;
use otpost::domain::notification::{CardUnlocked, ClientName, Content, Kind, Notification, NotificationId, Warning};
use otpost::domain::outcome::{Cause, Outcome, Reference};
use otpost::domain::recipient::{Identifier, IdentifierKind};
use otpost::store::{Acceptance, Accepted, Claimed, Dedupe, OpenMode, Settings, Share, Store, seal};
use serde_json::Value;
use uuid::Uuid;

use super::Workspace;

pub(super) async fn open(workspace: &Workspace) -> Store {
    let settings = Settings { url: format!("sqlite:{}", workspace.path("otpost.db").display()), ..Settings::default() };
    let sealing = seal::Settings { key_file: workspace.path("keys/seal.key") };
    Store::open(&settings, &sealing, OpenMode::Gateway, Arc::new(SystemClock)).await.unwrap()
}

pub(super) async fn accept(store: &Store) -> Claimed {
    let now = SystemClock.now();
    let notification = Notification {
        id: NotificationId(Uuid::now_v7()),
        client: ClientName("processor-dev".to_owned()),
        received_at: now,
        identifiers: vec![Identifier { kind: IdentifierKind::DcCard, value: "424242".to_owned() }],
        content: Content::CardUnlocked(CardUnlocked { at: now }),
        warnings: vec![Warning { field: "date", what: "odd" }],
    };
    let expires_at = now.after(Duration::from_mins(5));
    let dedupe = Dedupe::ByKey("key-1".to_owned() + &notification.id.to_string(), Duration::from_mins(5));
    let acceptance = Acceptance {
        notification,
        certificate: None,
        expires_at,
        replaces_until: expires_at,
        dedupe,
        endpoint: "/test",
        leased: true,
    };
    let Accepted::New(claimed) = store.accept(acceptance).await.unwrap() else { unreachable!("each has its own key") };
    *claimed.unwrap()
}

pub(super) fn attempt(number: u32, provider: &str, outcome: Outcome) -> Attempt {
    Attempt {
        number,
        channel: Channel::Sms,
        provider: ProviderName(provider.to_owned()),
        contact: 0,
        masked_contact: "+48*****0200".to_owned(),
        contact_hash: None,
        country: None,
        started_at: SystemClock.now(),
        took: Duration::from_millis(12),
        outcome,
        detail: None,
        segments: None,
        template_version: None,
        cost: None,
        failure: None,
    }
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_and_each_is_shown_with_its_history() {
    let workspace = Workspace::new();
    let store = open(&workspace).await;
    let claimed = accept(&store).await;
    let (id, notification) = (claimed.id.to_string(), claimed.notification.to_string());
    let failed = Attempt {
        detail: FailureDetail::new("HTTP 503: busy"),
        segments: Some(2),
        ..attempt(1, "first", Outcome::deferred(Cause::ProviderDown))
    };
    let claimed = store.record_attempt(claimed, failed).await.unwrap();
    store.settle(claimed, attempt(2, "second", Outcome::accepted(Reference::new("ref-7")))).await.unwrap();
    let failed = accept(&store).await;
    store.give_up(failed, None, EndReason::UnknownRecipient).await.unwrap();

    let list = workspace.run(&["delivery", "list"]);
    let filtered = workspace.run(&["delivery", "list", "--state", "sent", "--kind", "card_unlocked", "--json"]).json();
    let shown = workspace.run(&["delivery", "show", &id]);
    let json = workspace.run(&["delivery", "show", &notification, "--json"]).json();

    let lines: Vec<_> = list.out.lines().collect();
    assert_eq!((list.code, lines.len()), (0, 3), "{}{}", list.out, list.err);
    assert!(lines[1].contains("undeliverable (unknown_recipient)"), "{}", list.out);
    assert!(lines[2].contains(&id) && lines[2].ends_with("sms second +48*****0200"), "{}", list.out);
    assert_eq!(filtered["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(filtered["deliveries"][0]["id"], id);
    let order: Vec<_> = [
        "accepted",
        "attempt 1",
        "provider_down (12 ms): HTTP 503: busy",
        "attempt 2",
        "reference ref-7 (12 ms)",
        "sent  ",
    ]
    .iter()
    .map(|part| shown.place_of(part))
    .collect();
    assert!(order.is_sorted(), "{}", shown.out);
    assert!(shown.out.contains("date: odd"), "{}", shown.out);
    shown.keeps("424242");
    assert_eq!((&json["id"], &json["state"]), (&id.into(), &"sent".into()));
    assert!(json["received_at"].as_str().unwrap().ends_with('Z'), "{json}");
    assert_eq!(json["timeline"][1]["entry"], "attempt");
    assert_eq!(json["timeline"][1]["cause"], "provider_down");
    assert_eq!(json["timeline"][1]["detail"], "HTTP 503: busy");
    assert_eq!(json["timeline"][1]["segments"], 2);
}

#[test]
fn deliveries_can_be_listed_by_every_kind_and_by_no_other() {
    let workspace = Workspace::new();

    for kind in Kind::ALL {
        let listed = workspace.run(&["delivery", "list", "--kind", kind.name()]);
        assert_eq!((listed.code, listed.out.as_str()), (0, "no deliveries\n"), "{kind}: {}", listed.err);
    }
    let unknown = workspace.run(&["delivery", "list", "--kind", "verification"]);

    assert_eq!(unknown.code, 2);
    assert!(Kind::ALL.iter().all(|kind| unknown.err.contains(kind.name())), "{}", unknown.err);
}

#[test]
fn an_unknown_delivery_is_reported() {
    let workspace = Workspace::new();

    let none = workspace.run(&["delivery", "list"]);
    let unknown = workspace.run(&["delivery", "show", "0195d3a0-0000-7000-8000-000000000000"]);
    let wrong = workspace.run(&["delivery", "show", "latest"]);

    assert_eq!((none.code, none.out.as_str()), (0, "no deliveries\n"));
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("no delivery or notification has the id"), "{}", unknown.err);
    assert_eq!(wrong.code, 2);
}

#[tokio::test]
async fn a_delivery_is_found_by_what_an_operator_knows_of_it() {
    let workspace = Workspace::new();
    workspace.import("1337");
    let store = open(&workspace).await;
    let claimed = accept(&store).await;
    let id = claimed.id.to_string();
    let recipient = store.recipients().find(&customer("1337")).await.unwrap().remove(0);
    let share = [Share { recipient: recipient.id, channels: Vec::new() }];
    let claimed = store.split(claimed, &share).await.unwrap().remove(0);
    let contact_hash = store.contact_hash(&recipient.contacts[0]).ok();
    let sent = attempt(1, "sms-primary", Outcome::accepted(Reference::new("ref-7")));
    store.settle(claimed, Attempt { contact_hash, country: "PL".parse().ok(), ..sent }).await.unwrap();
    store.give_up(accept(&store).await, None, EndReason::UnknownRecipient).await.unwrap();

    for args in [
        ["--recipient", "storage_customer:1337"],
        ["--recipient-id", &recipient.id.to_string()],
        ["--contact", "+48 600 100 200"],
        ["--reference", "ref-7"],
        ["--country", "pl"],
        ["--provider", "sms-primary"],
        ["--channel", "sms"],
        ["--state", "sent"],
    ] {
        let found = workspace.run(&["delivery", "list", args[0], args[1], "--from", "1h", "--json"]);
        let found = found.json();
        assert_eq!(found["deliveries"].as_array().unwrap().len(), 1, "{args:?}: {found}");
        assert_eq!((&found["deliveries"][0]["id"], &found["next"]), (&id.as_str().into(), &Value::Null), "{args:?}");
    }
    let failed = workspace.run(&["delivery", "list", "--reason", "unknown_recipient", "--csv"]);
    let rows: Vec<_> = failed.out.split("\r\n").collect();
    assert_eq!((rows.len(), rows[2]), (3, ""), "{}{}", failed.out, failed.err);
    assert!(rows[0].starts_with("received_at,id,") && rows[1].contains("undeliverable,unknown_recipient"));
    let first = workspace.run(&["delivery", "list", "--limit", "1"]);
    let before = first.out.trim_end().rsplit(' ').next().unwrap();
    assert!(first.out.contains("there may be more: repeat with --before"), "{}", first.out);
    let second = workspace.run(&["delivery", "list", "--limit", "1", "--before", before]);
    assert!(second.out.contains(&id) && !second.out.contains("there may be more"), "{}", second.out);
}

#[test]
fn what_cannot_be_searched_for_is_named_in_one_sentence() {
    let workspace = Workspace::new();

    for (args, says) in [
        (["--recipient", "1337"], "--recipient: expected the kind of an identifier, a colon and its value"),
        (["--recipient", "customer:1337"], "--recipient: "),
        (["--recipient", "storage_customer:13x7"], "storage_customer: expected 1 to 20 digits"),
        (["--recipient", "storage_customer:1337"], "--recipient: no recipient has this storage_customer"),
        (["--recipient-hash", "12"], "--recipient-hash: expected 32 hexadecimal digits"),
        (["--contact", "600100200"], "--contact: has no"),
        (["--contact", "@"], "--contact: an e-mail address is"),
        (["--channel", "fax"], "possible values: sms, push, email"),
        (["--kind", "verification"], "possible values: otp"),
        (["--reason", "bad"], "possible values: unknown_recipient"),
        (["--country", "Poland"], "expected the ISO 3166 code of a country"),
        (["--locale", "x"], "a locale is a language tag"),
        (["--provider", "nobody"], "no provider nobody is in the configuration; configured:"),
        (["--template-version", "ffff"], "no version begins with ffff"),
        (["--from", "soon"], "`soon` is not a time: expected"),
        (["--before", "newest"], "invalid value 'newest'"),
    ] {
        let said = workspace.run(&["delivery", "list", args[0], args[1]]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}: {}", said.err);
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
    }
    let said = workspace.run(&["delivery", "list", "--from", "1h", "--to", "2h"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("the range ends before it begins"), "{}", said.err);
}

fn customer(number: &str) -> Identifier {
    Identifier { kind: IdentifierKind::StorageCustomer, value: number.to_owned() }
}

#[tokio::test]
async fn a_notification_is_sent_again_with_a_reason_and_the_operators_name() {
    let workspace = Workspace::new();
    let store = open(&workspace).await;
    let failed = accept(&store).await;
    let id = failed.id.to_string();
    store.give_up(failed, None, EndReason::UnknownRecipient).await.unwrap();
    let reason = "imported since, ticket 4711";

    let said = workspace.run(&["delivery", "resend", &id, "--reason", reason, "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let again = said.json()["delivery"].as_str().unwrap().to_owned();
    let shown = workspace.run(&["delivery", "show", &again]);
    let listed = workspace.run(&["audit", "list", "--kind", "delivery_resent", "--json"]).json();
    let twice = workspace.run(&["delivery", "resend", &again, "--reason", reason]);
    let unknown = workspace.run(&["delivery", "resend", "0195d3a0-0000-7000-8000-000000000000", "--reason", reason]);
    let without = workspace.run(&["delivery", "resend", &id]);

    assert!(shown.place_of("delivery_resent") < shown.place_of(reason), "{}", shown.out);
    let event = &listed["events"][0];
    assert!(event["actor"].as_str().unwrap().starts_with("operator:"), "{listed}");
    assert_eq!((&event["detail"]["of"], &event["detail"]["reason"]), (&id.as_str().into(), &reason.into()));
    assert_eq!((twice.code, unknown.code, without.code), (2, 2, 2));
    assert!(twice.err.contains("is not sent again: it is still open"), "{}", twice.err);
    assert!(unknown.err.contains("no delivery has this id"), "{}", unknown.err);
    assert!(without.err.contains("--reason"), "{}", without.err);
}
