//! What the settings of every kind hide and refuse.

use serde_json::{Value, json};

use super::{Action, EXAMPLES, Example, MARK, Partner, examples, no_servers, read, test_servers};
use crate::domain::secret::is_secret_key;

/// The first mistake in a section, if it has one.
fn mistake(section: Value) -> Option<String> {
    read(section).map_or_else(Some, |settings| settings.connect().err().map(|error| error.to_string()))
}

/// The section of `example`, with `value` at the pointer `at`.
fn with(example: &Example, at: &str, value: Value) -> Value {
    let mut section = example.section(&no_servers());
    *section.pointer_mut(at).unwrap() = value;
    section
}

/// The JSON pointers to the secrets in a section.
fn secrets(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(table) => table.iter().flat_map(|(key, value)| secrets(value, &format!("{at}/{key}"))).collect(),
        Value::String(text) if text.contains(MARK) => vec![at.to_owned()],
        _ => Vec::new(),
    }
}

fn last_key(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn building_a_provider_contacts_no_server() {
    let partner = Partner::new(Action::NeverReply).await;
    for example in EXAMPLES {
        assert_eq!(mistake(example.section(&partner.servers)), None, "{}", example.kind);
    }
    assert_eq!((partner.received.all().len(), partner.asked.all().len()), (0, 0));
}

#[test]
fn settings_show_no_secret_and_their_keys_are_known_as_secret() {
    for example in EXAMPLES {
        let section = example.section(&no_servers());
        let shown = format!("{:?}", read(section.clone()).unwrap());
        assert!(!shown.contains(MARK) && !shown.contains("PRIVATE KEY"), "{}: {shown}", example.kind);
        let pointers = secrets(&section, "");
        assert!(!pointers.is_empty(), "{}: mark its secrets", example.kind);
        for pointer in pointers {
            assert!(pointer.split('/').any(is_secret_key), "{}: {pointer} is shown by `otpost config`", example.kind);
        }
    }
}

#[test]
fn a_key_that_is_missing_or_of_another_type_is_named() {
    for example in EXAMPLES {
        let section = example.section(&no_servers());
        for key in section.as_object().unwrap().keys() {
            let mut without = section.clone();
            without.as_object_mut().unwrap().remove(key);
            if let Some(error) = mistake(without) {
                assert!(error.contains(key.as_str()), "{} without {key}: {error}", example.kind);
            }
            let error = mistake(with(example, &format!("/{key}"), json!([[]]))).unwrap();
            assert!(error.contains(key.as_str()), "{} with a wrong {key}: {error}", example.kind);
        }
    }
}

#[test]
fn a_misspelt_key_is_refused_with_the_keys_that_exist() {
    for example in EXAMPLES {
        let mut section = example.section(&no_servers());
        section["urll"] = "x".into();
        let error = mistake(section).unwrap();
        assert!(error.contains("urll") && error.contains("`weight`"), "{}: {error}", example.kind);
    }
}

#[test]
fn a_secret_that_is_empty_is_refused_and_none_is_repeated_in_an_error() {
    for example in EXAMPLES {
        for pointer in secrets(&example.section(&no_servers()), "") {
            let empty = mistake(with(example, &pointer, "".into()));
            if !pointer.contains("static_fields") {
                let error = empty.unwrap_or_else(|| panic!("{}: an empty {pointer} is accepted", example.kind));
                assert!(error.contains(last_key(&pointer)), "{}: {error}", example.kind);
            }
            for broken in [format!("{MARK}\n{MARK}"), format!("{MARK}\0"), format!("ż {MARK}"), format!("{MARK}:")] {
                let error = mistake(with(example, &pointer, broken.into())).unwrap_or_default();
                assert!(!error.contains(MARK), "{}: {error}", example.kind);
            }
        }
    }
}

#[test]
fn a_url_that_is_none_or_holds_a_password_is_refused() {
    for example in EXAMPLES {
        let section = example.section(&no_servers());
        let urls = ["/url", "/receipts_url", "/receipts/url"].into_iter().filter(|at| section.pointer(at).is_some());
        for at in urls {
            let password = format!("https://me:{MARK}@a.example/");
            for bad in ["", "a.example", "ftp://a.example/", "https://", "/receipts", &password] {
                let error = mistake(with(example, at, bad.into()));
                let error = error.unwrap_or_else(|| panic!("{}: {at} takes {bad:?}", example.kind));
                assert!(error.contains(last_key(at)) && !error.contains(MARK), "{}: {error}", example.kind);
            }
        }
    }
}

#[test]
fn deduplication_can_be_configured_only_for_a_kind_that_has_it() {
    for example in EXAMPLES {
        let mut section = example.section(&no_servers());
        section["deduplicates"] = true.into();
        let kind = crate::channel::kinds().find(|it| it.kind == example.kind).unwrap();
        let is_refused = mistake(section).is_some_and(|error| error.contains("deduplicates: must be false"));
        assert_eq!(
            is_refused,
            matches!(kind.capabilities.repeat, crate::channel::Repeat::Never(_)),
            "{}",
            example.kind
        );
    }
}

#[tokio::test]
async fn a_secret_that_has_changed_is_used_by_the_provider_that_is_built_next() {
    for (example, kind) in super::http_kinds() {
        let partner = Partner::new(test_servers::http_answer("200 OK", &[], kind.success)).await;
        let section = example.section(&partner.servers).to_string();
        let escaped = |key: &str| json!(key).to_string().trim_matches('"').to_owned();
        let renewed =
            section.replace(MARK, "fresh7Yk").replace(&escaped(&examples::EC_KEY), &escaped(&examples::ec_key()));
        for text in [section.clone(), renewed] {
            let settings: super::Settings = serde_json::from_str(&text).unwrap();
            let result = settings.connect().unwrap().provider.send(&example.message()).await;
            assert!(result.outcome.is_accepted(), "{}: {result:?}", example.kind);
        }
        let [first, second] = &partner.received.all()[..] else { panic!("{}: expected two", example.kind) };
        let [first_token, second_token] = match &partner.asked.all()[..] {
            [] => [String::new(), String::new()],
            [first, second] => [first.clone(), second.clone()],
            more => panic!("{}: {more:?}", example.kind),
        };
        assert_ne!(format!("{first}{first_token}"), format!("{second}{second_token}"), "{}", example.kind);
        let own = second.replace(&examples::secret("access"), "");
        assert!(!own.contains(MARK), "{}: {second}", example.kind);
    }
}
