//! Bodies: any input is accepted or rejected with a fixed text, and a notification is the same however it is written.

use std::cell::Cell;

use otpost::domain::notification::{Notification, NotificationId};
use otpost::flow::intake::IncomingNotification;
use otpost::ingest::fuzz_api;
use otpost::ingest::processor::{Endpoint, endpoints};
use otpost::store::seal::{Sealer, Settings};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::notices::{self, Choices, notice, rewritten};
use super::{NOW, cases};

/// Is part of every generated text, and of no answer.
const MARK: char = '§';

#[test]
fn every_body_is_accepted_or_rejected_with_a_text_that_repeats_nothing_of_it() {
    let rejected = Cell::new(0);
    let tried = TestRunner::new(cases(500)).run(&(endpoint(), spoiled()), |(endpoint, body)| {
        let read = fuzz_api::parse(endpoint, body.to_string().as_bytes(), NOW);

        let Err(detail) = read else { return Ok(()) };
        rejected.set(rejected.get() + 1);
        prop_assert!(detail.is_ascii() && detail.len() < 120, "{detail}");
        let mut texts = Vec::new();
        collect(&body, &mut texts);
        let repeated = texts.iter().find(|text| text.contains(MARK) && detail.contains(text.as_str()));
        prop_assert_eq!(repeated, None);
        Ok(())
    });
    tried.unwrap();
    // The test is worth something only while both outcomes occur.
    assert!((100..490).contains(&rejected.get()), "{} were rejected", rejected.get());
}

#[test]
fn no_bytes_make_the_parser_panic() {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "[\\[\\]{}\":,0-9a-z\\\\. -]{0,200}".prop_map(String::into_bytes),
    ];
    let tried = TestRunner::new(cases(1000)).run(&(endpoint(), bytes), |(endpoint, bytes)| {
        if let Err(detail) = fuzz_api::parse(endpoint, &bytes, NOW) {
            prop_assert!(detail.is_ascii() && detail.len() < 120);
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_notification_is_the_same_however_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let tried = TestRunner::new(cases(500)).run(&(notice(), Choices::any()), |((endpoint, body), mut choices)| {
        let other = rewritten(&body, &mut choices);

        let first = fuzz_api::parse(endpoint, body.to_string().as_bytes(), NOW);
        let second = fuzz_api::parse(endpoint, other.as_bytes(), NOW);

        let (Ok(first), Ok(second)) = (first, second) else {
            return Err(TestCaseError::fail(format!("rejected: {body} or {other}")));
        };
        prop_assert_eq!(&first.identifiers, &second.identifiers);
        let print = sealer.fingerprint(&noted(first), NOW).unwrap();
        prop_assert!(sealer.matches(&print, &noted(second), NOW).unwrap(), "{} is not {}", other, body);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn another_code_amount_or_merchant_is_another_notification() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let body = |code: &str, amount: u64, merchant: &str| {
        let body = json!({"storageCustomerId": "1337", "amount": amount, "currency": "PLN", "merchantName": merchant,
            "otp": code});
        noted(fuzz_api::parse(notices::endpoint("otp"), body.to_string().as_bytes(), NOW).unwrap())
    };
    let said = ("[0-9]{6}", any::<u32>(), "[a-z]{1,20}");
    let tried = TestRunner::new(cases(200)).run(&(said, said, 0..3), |(first, other, changed)| {
        let mut second = first.clone();
        match changed {
            0 => second.0 = other.0,
            1 => second.1 = other.1,
            _ => second.2 = other.2,
        }
        let print = sealer.fingerprint(&body(&first.0, first.1.into(), &first.2), NOW).unwrap();

        let same = sealer.matches(&print, &body(&second.0, second.1.into(), &second.2), NOW).unwrap();

        prop_assert_eq!(same, first == second);
        Ok(())
    });
    tried.unwrap();
}

pub(super) fn sealer(folder: &std::path::Path) -> Sealer {
    let key_file = folder.join("seal.key");
    Sealer::create_key(&key_file).unwrap();
    Sealer::open(&Settings { key_file }).unwrap()
}

pub(super) fn noted(arrival: IncomingNotification) -> Notification {
    let IncomingNotification { client, identifiers, content, warnings, .. } = arrival;
    let id = NotificationId(uuid::Uuid::nil());
    Notification { id, client, received_at: NOW, identifiers, content, warnings }
}

fn endpoint() -> impl Strategy<Value = &'static Endpoint> {
    select(endpoints().collect::<Vec<_>>())
}

// A valid notification, often of another endpoint, with some fields replaced, removed or added.
fn spoiled() -> impl Strategy<Value = Value> {
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), proptest::option::of(tree())), 0..3);
    let spoiled = (notice(), changes, proptest::option::weighted(0.2, ("[a-z§]{1,8}", tree())));
    let spoiled = spoiled.prop_map(|((_, mut body), changes, added)| {
        let members = body.as_object_mut().unwrap();
        for (index, change) in changes {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = index.get(&names).clone();
            match change {
                Some(value) => drop(members.insert(name, value)),
                None => members[&name] = Value::Null,
            }
        }
        members.extend(added);
        body
    });
    prop_oneof![6 => spoiled, 1 => tree()]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,10}§\\PC{0,10}".prop_map(Value::from),
        "(\r\n|\u{0}|\u{202e}|[a-z]){1,6}§".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inside| {
        let objects = proptest::collection::vec(("\\PC{0,6}§", inside.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inside, 0..6).prop_map(Value::from),
            objects.prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => {
            texts.extend(members.keys().cloned());
            members.values().for_each(|value| collect(value, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
