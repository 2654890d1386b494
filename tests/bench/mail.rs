//! Sends e-mails one at a time through the SMTP adapter to the mock mail relay.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use uuid::Uuid;

use otpost::channel;
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::DeliveryId;
use otpost::domain::notification::Priority;
use otpost::domain::outbound_message::{OutboundMessage, RenderedMessage};
use otpost::domain::outcome::Outcome;
use otpost::domain::recipient::Locale;
use otpost::domain::secret::RenderedText;
use otpost::sim::latency::{Latencies, Percentiles};
use otpost::sim::stopwatch::monotonic_ns;

const SUBJECT: &str = "Your code";
const TEXT: &str = "123456 is your Bank code to pay PLN 10.00 to merchant test.\n\nDo not share it with anyone, not even bank staff.\n";

/// Sends for `span`, and returns the latencies.
pub(super) async fn send(relay: SocketAddr, span: Duration) -> anyhow::Result<Percentiles> {
    let settings: channel::Settings = serde_json::from_value(json!({
        "kind": "smtp", "name": "relay", "host": relay.ip().to_string(), "port": relay.port(), "tls": "none",
        "from": "Bank <no-reply@bank.example>", "hello": "bench.example", "connections": 1,
    }))?;
    let relay = settings.connect()?.provider;
    let mut latencies = Latencies::default();
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let end = monotonic_ns().saturating_add(span);
    while monotonic_ns() < end {
        let message = message()?;
        let began = monotonic_ns();
        let outcome = relay.send(&message).await.outcome;
        latencies.record((monotonic_ns() - began) / 1_000);
        if !matches!(outcome, Outcome::Accepted { .. }) {
            bail!("the relay did not accept an e-mail: {}", outcome.name());
        }
    }
    Ok(latencies.percentiles())
}

fn message() -> anyhow::Result<OutboundMessage> {
    let rendered = |text: &str| RenderedText::new(text.to_owned());
    Ok(OutboundMessage {
        delivery: DeliveryId(Uuid::now_v7()),
        priority: Priority::Standard,
        to: Contact::parse(Channel::Email, "leon@mail.example")?,
        rendered: RenderedMessage::Email {
            subject: rendered(SUBJECT),
            text: rendered(TEXT),
            html: RenderedText::new(format!("<!doctype html><html><body><p>{TEXT}</p></body></html>")),
            locale: Locale::parse("en")?,
        },
        code: None,
        valid_for: Duration::from_mins(5),
    })
}
