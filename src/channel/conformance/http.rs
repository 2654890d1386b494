//! What every kind that is spoken to over HTTP makes of answers, and of none.

use serde_json::json;

use super::test_servers::{Action, http_answer};
use super::{Example, HttpKind, Partner, assert_redacted, http_kinds, quickly, with_left};
use crate::channel::{SendResult, test_servers};
use crate::domain::outcome::{Cause, Outcome};

/// What `action` means to each kind, with its name.
async fn results(action: Action) -> Vec<(&'static str, SendResult)> {
    results_of(action, http_kinds()).await
}

/// The kinds that read the body of a success.
fn readers() -> impl Iterator<Item = (&'static Example, HttpKind)> {
    http_kinds().filter(|(_, kind)| !kind.by_status)
}

async fn results_of(
    action: Action,
    kinds: impl Iterator<Item = (&'static Example, HttpKind)>,
) -> Vec<(&'static str, SendResult)> {
    let mut all = Vec::new();
    for (example, _) in kinds {
        let partner = Partner::new(action.clone()).await;
        let result = example.connect(&partner.servers, &quickly()).send(&example.message()).await;
        assert_eq!(partner.received.all().len(), 1, "{}: one attempt is one request", example.kind);
        assert_redacted(example.kind, result.detail.as_ref());
        all.push((example.kind, result));
    }
    all
}

async fn expect(action: Action, what: &str, expected: Outcome) {
    for (kind, result) in results(action).await {
        assert_eq!(result.outcome, expected, "{kind}, {what}: {:?}", result.detail);
    }
}

#[tokio::test]
async fn a_request_has_the_contact_the_text_the_reference_and_the_time_that_is_left() {
    for (example, kind) in http_kinds() {
        let partner = Partner::new(http_answer("200 OK", &[], kind.success)).await;
        let provider = example.connect(&partner.servers, &json!({}));
        for left in [299, 61] {
            let result = provider.send(&with_left(example.message(), left)).await;
            assert!(result.outcome.is_accepted() && result.detail.is_none(), "{}: {result:?}", example.kind);
        }
        for (request, left) in partner.received.all().iter().zip([299, 61]) {
            let name = example.kind;
            let reference = test_servers::delivery().to_string();
            let contacts = ["48600100200", "token-1", kind.contact.unwrap_or("token-1")];
            assert!(contacts.iter().any(|contact| request.contains(contact)), "{name}: {request}");
            assert!(request.contains(super::CODE), "{name}: {request}");
            assert_eq!(request.contains(&reference), kind.has_reference, "{name}: {request}");
            if let Some(field) = kind.validity {
                assert!(request.contains(&field(left)), "{name}: {} is not in {request}", field(left));
            }
        }
    }
}

#[tokio::test]
async fn trouble_with_the_account_ends_no_message() {
    for status in ["401 No", "403 No"] {
        for (kind, result) in results(http_answer(status, &[], "")).await {
            let cause = result.outcome.cause();
            assert!(matches!(cause, Some(Cause::Unauthorized | Cause::Account)), "{kind}, {status}: {result:?}");
            assert!(matches!(result.outcome, Outcome::Deferred { .. }), "{kind}, {status}: {result:?}");
        }
    }
}

#[tokio::test]
async fn a_status_has_the_same_meaning_for_every_kind() {
    for (status, expected) in [
        ("402 Pay", Outcome::deferred(Cause::Account)),
        ("404 Nothing", Outcome::deferred(Cause::WrongUrl)),
        ("429 Slow down", Outcome::deferred(Cause::Throttled)),
        ("500 Broken", Outcome::deferred(Cause::ProviderDown)),
        ("502 Lost", Outcome::unknown(Cause::Disconnected)),
        ("503 Busy", Outcome::deferred(Cause::ProviderDown)),
        ("504 Late", Outcome::unknown(Cause::TimedOut)),
    ] {
        for body in ["", "<html>no", "{", r#"{"error":{}}"#] {
            expect(http_answer(status, &[], body), status, expected.clone()).await;
        }
    }
}

#[tokio::test]
async fn a_redirect_is_a_wrong_url_and_is_not_followed() {
    let (elsewhere, received) = test_servers::http(http_answer("200 OK", &[], "{}")).await;
    let location = format!("location: {elsewhere}");
    for status in ["301 There", "302 There", "307 There", "308 There"] {
        expect(http_answer(status, &[&location], ""), status, Outcome::deferred(Cause::WrongUrl)).await;
    }
    assert_eq!(received.all().len(), 0);
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_no_acceptance() {
    let nested = "[".repeat(20_000);
    for body in ["", "OK", "{}", "[]", "null", "7", "\u{feff}<!DOCTYPE html><html>", r#"{"id":null,"sid":[]}"#, &nested]
    {
        for (kind, result) in results_of(http_answer("200 OK", &[], body), readers()).await {
            assert!(!result.outcome.is_accepted(), "{kind}: {body}");
            assert!(
                result.outcome.may_have_arrived() || result.outcome.cause() == Some(Cause::WrongUrl),
                "{kind}: {body}"
            );
        }
    }
}

#[tokio::test]
async fn without_an_answer_the_message_may_have_arrived() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned();
    expect(Action::NeverReply, "no answer", Outcome::unknown(Cause::TimedOut)).await;
    expect(Action::Reply(half), "half an answer", Outcome::unknown(Cause::TimedOut)).await;
    expect(Action::Disconnect, "disconnected", Outcome::unknown(Cause::Disconnected)).await;
    let other = Action::Reply("SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned());
    expect(other, "another protocol", Outcome::unknown(Cause::Disconnected)).await;
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let down =
        Action::ReplyForever("HTTP/1.1 500 Down\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect(down, "endless", Outcome::deferred(Cause::ProviderDown)).await;
    let accepted =
        Action::ReplyForever("HTTP/1.1 200 OK\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert!(results_of(accepted, readers()).await.iter().all(|(_, result)| result.outcome.may_have_arrived()));
}

#[tokio::test]
async fn nothing_that_was_sent_is_in_the_detail_of_a_failure() {
    for status in ["200 OK", "400 Bad", "401 No", "500 Down"] {
        for action in [Action::Echo(status), Action::EchoBody(status)] {
            for (kind, result) in results_of(action, readers()).await {
                let detail = result.detail.unwrap_or_else(|| panic!("{kind}: {status} has no detail"));
                assert!(detail.as_str().starts_with(&format!("HTTP {}", &status[..3])), "{kind}: {detail}");
            }
        }
    }
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_the_settings_allow() {
    for (example, limit) in http_kinds().filter_map(|(example, kind)| Some((example, kind.limit?))) {
        let partner = Partner::new(Action::NeverReply).await;
        let provider = example.connect(&partner.servers, &json!({ "timeout": "400ms", limit: 1 }));
        let message = example.message();
        let (one, other) = tokio::join!(provider.send(&message), provider.send(&message));
        let local = [&one, &other].iter().filter(|result| result.outcome.is_local()).count();
        assert_eq!((local, partner.received.all().len()), (1, 1), "{}", example.kind);
    }
}
