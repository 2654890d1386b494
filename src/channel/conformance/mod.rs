//! One test for all registered kinds: what an answer means, what a failure shows, and what the settings refuse.
//!
//! Answers come from real sockets. What is special to a kind is in its example; nothing here names a kind.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod examples;
mod http;
mod settings;
mod smtp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Provider, Settings, kinds, test_servers};
use crate::domain::contact::{Channel, Contact};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::secret::RenderedText;
use examples::{EXAMPLES, Example, HttpKind, MARK, Protocol, Servers};
use test_servers::{Action, ReceivedRequests};

const CODE: &str = "904216";

/// A server that answers alike, the server of tokens, and a section that sends to them.
struct Partner {
    received: ReceivedRequests,
    /// Requests for tokens.
    asked: ReceivedRequests,
    servers: Servers,
}

impl Partner {
    async fn new(action: Action) -> Self {
        let (messages, received) = test_servers::http(action).await;
        let token =
            format!(r#"{{"access_token":"{}","expires_in":3599,"token_type":"Bearer"}}"#, examples::secret("access"));
        let (tokens, asked) = test_servers::http(test_servers::http_answer("200 OK", &[], &token)).await;
        Self { received, asked, servers: Servers { messages: address(&messages), tokens: address(&tokens) } }
    }
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").trim_end_matches("/send").parse().unwrap()
}

/// Servers that are not there, for what contacts none.
fn no_servers() -> Servers {
    Servers { messages: SocketAddr::from(([127, 0, 0, 1], 9)), tokens: SocketAddr::from(([127, 0, 0, 1], 9)) }
}

impl Example {
    fn section(&self, servers: &Servers) -> Value {
        let mut section = (self.section)(servers);
        section["kind"] = self.kind.into();
        section["name"] = "example".into();
        section
    }

    fn connect(&self, servers: &Servers, changes: &Value) -> Arc<dyn Provider> {
        let mut section = self.section(servers);
        section.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        test_servers::connect(section)
    }

    fn message(&self) -> OutboundMessage {
        let kind = kinds().find(|report| report.kind == self.kind).unwrap();
        let text = format!("Kod {CODE} do zakupu 12,34 EUR: Sklep Zielony");
        // A kind that serves any channel is shown with push.
        let mut message = match kind.channel.unwrap_or(Channel::Push) {
            Channel::Sms => test_servers::sms(&text),
            Channel::Push => test_servers::push("Potwierdzenie zakupu", &text),
            Channel::Email => test_servers::email("Potwierdzenie zakupu", &text, &format!("<p>{text}</p>")),
        };
        if let Protocol::Http(HttpKind { contact: Some(contact), .. }) = self.protocol {
            message.to = Contact::parse(message.to.channel(), contact).unwrap();
        }
        OutboundMessage { code: Some(RenderedText::new(CODE.to_owned())), ..message }
    }
}

/// The kinds that are spoken to over HTTP.
fn http_kinds() -> impl Iterator<Item = (&'static Example, HttpKind)> {
    EXAMPLES.iter().filter_map(|example| match example.protocol {
        Protocol::Http(kind) => Some((example, kind)),
        Protocol::Smtp | Protocol::Own => None,
    })
}

/// Nothing of the message, the contact or the credentials may be in a detail.
fn assert_redacted(kind: &str, detail: Option<&FailureDetail>) {
    let detail = detail.map_or("", FailureDetail::as_str);
    assert!(detail.chars().count() <= FailureDetail::MAX);
    for secret in [CODE, "48600100200", "leon@", "zakupu", "Zielony", MARK] {
        assert!(!detail.contains(secret), "{kind}: {secret} is in {detail}");
    }
}

fn quickly() -> Value {
    json!({ "timeout": "400ms" })
}

/// `message` with so much time left.
fn with_left(message: OutboundMessage, left: u64) -> OutboundMessage {
    OutboundMessage { valid_for: Duration::from_secs(left), ..message }
}

#[test]
fn every_kind_has_one_example() {
    let mut registered: Vec<_> = kinds().map(|report| report.kind).collect();
    let mut shown: Vec<_> = EXAMPLES.iter().map(|example| example.kind).collect();
    registered.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, registered, "add the kind to conformance/examples.rs");
}

fn read(section: Value) -> Result<Settings, String> {
    serde_json::from_value(section).map_err(|error| error.to_string())
}
