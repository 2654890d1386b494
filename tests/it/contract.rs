//! The OpenAPI description: it is valid, a change of it is noticed, and the gateway does what it says.

use std::path::Path;
use std::process::Command;

use actix_web::test::TestRequest;
use otpost::domain::clock::Timestamp;
use otpost::ingest::processor::{Endpoint, at, endpoints};
use otpost::ingest::{fuzz_api, openapi};
use serde_json::{Value, json};

use crate::support::python;

const GOLDEN: &str = "tests/it/golden/openapi.json";

/// An hour after the dates of the samples.
const NOW: Timestamp = Timestamp::from_micros(1_750_171_374_000_000);

#[test]
fn the_description_equals_the_golden_file() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let golden = std::fs::read_to_string(golden).unwrap();

    let printed = Command::new(env!("CARGO_BIN_EXE_otpost")).arg("openapi").output().unwrap();

    let printed = String::from_utf8(printed.stdout).unwrap();
    let line = printed.lines().zip(golden.lines()).position(|(now, then)| now != then);
    assert!(
        printed == golden,
        "the description differs from {GOLDEN} (line {}); if it is meant to: cargo run -- openapi > {GOLDEN}",
        line.unwrap_or_else(|| printed.lines().count().min(golden.lines().count())) + 1,
    );
}

#[test]
fn an_independent_validator_finds_the_description_valid() {
    let validated = validate(&[]);

    assert_eq!(validated["faults"], json!([]));
}

#[test]
fn every_sample_is_accepted_and_no_required_field_can_be_left_out() {
    for endpoint in endpoints() {
        let (sample, schema) = (sample(endpoint), schema(endpoint));
        assert!(accepted(endpoint, &sample), "{}: {sample}", endpoint.path);

        for path in fields(&schema, "/required") {
            let without = changed(&sample, &path, None);
            let empty = changed(&sample, &path, Some(Value::Null));
            assert!(!accepted(endpoint, &without) && !accepted(endpoint, &empty), "{}: {path:?}", endpoint.path);
        }
    }
}

#[test]
fn no_field_is_needed_but_the_required_ones() {
    for endpoint in endpoints() {
        let (mut body, schema) = (sample(endpoint), schema(endpoint));
        let required = fields(&schema, "/required");

        for path in fields(&schema, "/properties").iter().filter(|path| !required.contains(path)) {
            body = changed(&body, path, None);
        }

        assert!(accepted(endpoint, &body), "{}: {body}", endpoint.path);
    }
}

#[test]
fn a_body_is_accepted_exactly_when_its_schema_accepts_it() {
    let mut bodies = Vec::new();
    for endpoint in endpoints() {
        let sample = sample(endpoint);
        for path in fields(&schema(endpoint), "/properties") {
            bodies.extend(values().into_iter().map(|value| (endpoint, changed(&sample, &path, Some(value)))));
        }
        bodies.extend(values().into_iter().map(|value| (endpoint, value)));
    }

    let validated = validate(&bodies);

    let valid: Vec<bool> = serde_json::from_value(validated["valid"].clone()).unwrap();
    let differing: Vec<_> = bodies
        .iter()
        .zip(valid)
        .filter(|((endpoint, body), valid)| accepted(endpoint, body) != *valid)
        .map(|((endpoint, body), valid)| format!("{} schema {valid}: {body}", endpoint.path))
        .collect();
    assert!(differing.is_empty(), "{} of {}:\n{}", differing.len(), bodies.len(), differing.join("\n"));
}

#[test]
fn an_idempotency_key_may_be_exactly_as_long_as_described() {
    for endpoint in endpoints() {
        let description = description();
        let described = &description["paths"][endpoint.path]["post"]["parameters"][0];
        assert_eq!(described["name"], "X-Idempotency-Key");
        let limit = |name: &str| usize::try_from(described["schema"][name].as_u64().unwrap()).unwrap();
        let (least, most) = (limit("minLength"), limit("maxLength"));

        let takes = |length: usize| {
            let request = TestRequest::post().insert_header(("X-Idempotency-Key", "k".repeat(length)));
            fuzz_api::headers(&request.to_http_request()).is_ok()
        };

        assert!(takes(least) && takes(most) && !takes(least - 1) && !takes(most + 1));
    }
}

#[test]
fn a_body_may_be_nested_exactly_as_deep_as_described() {
    let nested = |depth: usize| {
        let mut body = sample(otp()).to_string();
        body.truncate(body.len() - 1);
        let inside = depth - 1;
        format!("{body},\"x\":{}{}}}", "[".repeat(inside), "]".repeat(inside))
    };

    let takes = |depth| fuzz_api::parse(otp(), nested(depth).as_bytes(), NOW).is_ok();

    assert!(takes(127) && !takes(128));
    assert!(description()["info"]["description"].as_str().unwrap().contains("nested at most 127 deep"));
}

// Without what no schema can tell apart: days that do not exist, 1.0 and 1, lengths in bytes.
fn values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(7),
        json!(1337),
        json!(-1),
        json!(1.5),
        json!(9999),
        json!(10_000),
        json!(9_999_999_999_999_999_u64),
        json!(10_000_000_000_000_000_u64),
        json!(9_999_999_999_999_999_999_u64),
        json!(10_000_000_000_000_000_000_u64),
        json!(u64::MAX),
        json!([]),
        json!({}),
        json!(["1337"]),
        json!({"otp": "1111"}),
    ];
    for count in [3, 4, 5, 16, 17, 19, 20, 21, 64, 65] {
        values.push(json!("1".repeat(count)));
    }
    let id = "6faaa45a-41f6-4922-95fe-16e316ba7e91";
    let texts = [
        "",
        " ",
        "0",
        "0042",
        "-1",
        "1.0",
        " 1",
        "1 ",
        "١٢٣٤",
        "１２",
        "AbC123",
        "{{otp}}",
        "<b>",
        "🔑",
        "pln",
        "PLN",
        "PLŃ",
        "ISK",
        "1SK",
        "PIN_TRIES_EXCEEDED",
        "card_lost",
        "NEW_WORD",
        "two words",
        "In_Progress",
        "IN_PROGRESS",
        "accepted",
        "REJECTED",
        "User",
        "corporation",
        "merchant",
        "users",
        "a@b.cd",
        "a@b",
        "a b@c.de",
        "\"a b\"@c.de",
        "a@b.c,d@e.fg",
        "a@b..c",
        "@b.cd",
        "a@[192.0.2.1]",
        "a:b@c.de",
        "a..b@c.de",
        ".a@b.cd",
        "a.@b.cd",
        "a.b+c@d-e.fg",
        "a@-b.cd",
        "a@b-.cd",
        "a@1.2.3.4",
        "a@b_c.de",
        "a@b!c.de",
        "\"a..b\"@c.de",
        "\"a@b\"@c.de",
        "źdźbło@c.de",
        "a@b\\.cd",
        "a@b.c>",
        "2025-06-17T13:42:54Z",
        "2025-06-17t13:42:54.123+02:00",
        "2025-06-17 13:42:54",
        "2025-06-17T13:42",
        "17.06.2025 13:42:54",
        "2025-06-17",
        "1750167774",
        "b334b384-328c-11ed-a261-0242ac120002",
        "B334B384-328C-11ED-A261-0242AC120002",
        "b334b384328c11eda2610242ac120002",
        "b334b384-328c-11ed-a261",
        "g334b384-328c-11ed-a261-0242ac120002",
    ];
    values.extend(texts.map(|text| json!(text)));
    values.extend([format!("{{{id}}}"), format!("urn:uuid:{id}"), format!("{{{id}"), "x".repeat(300)].map(Value::from));
    values
}

fn accepted(endpoint: &Endpoint, body: &Value) -> bool {
    fuzz_api::parse(endpoint, body.to_string().as_bytes(), NOW).is_ok()
}

fn otp() -> &'static Endpoint {
    at("/notifications/otp").unwrap().1
}

fn description() -> Value {
    serde_json::to_value(openapi::describe()).unwrap()
}

fn validate(bodies: &[(&Endpoint, Value)]) -> Value {
    let bodies: Vec<_> = bodies.iter().map(|(endpoint, body)| json!([endpoint.path, body])).collect();
    let asked = json!({ "description": description(), "bodies": bodies });
    serde_json::from_str(&python::run(include_str!("support/openapi.py"), &asked)).unwrap()
}

fn content(endpoint: &Endpoint) -> Value {
    description()["paths"][endpoint.path]["post"]["requestBody"]["content"]["application/json"].take()
}

fn sample(endpoint: &Endpoint) -> Value {
    content(endpoint)["example"].take()
}

fn schema(endpoint: &Endpoint) -> Value {
    let named = content(endpoint)["schema"]["anyOf"][0]["$ref"].take();
    description().pointer_mut(named.as_str().unwrap().trim_start_matches('#')).unwrap().take()
}

/// The paths of all fields listed under `which`, including those of inner objects.
fn fields(schema: &Value, which: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let named = match schema.pointer(which) {
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        Some(Value::Object(members)) => members.keys().cloned().collect(),
        _ => Vec::new(),
    };
    paths.extend(named.into_iter().map(|name| vec![name]));
    for (name, inside) in schema["properties"].as_object().into_iter().flatten() {
        for mut path in fields(inside, which) {
            path.insert(0, name.clone());
            paths.push(path);
        }
    }
    paths
}

fn changed(body: &Value, path: &[String], put: Option<Value>) -> Value {
    let mut body = body.clone();
    let (last, groups) = path.split_last().unwrap();
    let mut object = &mut body;
    for group in groups {
        if !object[group].is_object() {
            object[group] = json!({});
        }
        object = &mut object[group];
    }
    match put {
        Some(value) => drop(object.as_object_mut().unwrap().insert(last.clone(), value)),
        None => drop(object.as_object_mut().unwrap().remove(last)),
    }
    body
}
