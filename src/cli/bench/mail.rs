//! One mail after the other through the gateway's own SMTP adapter, to a relay in a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use uuid::Uuid;

use crate::channel;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Outcome;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::sim::latency::{Latencies, Percentiles};
use crate::sim::stopwatch::monotonic_ns;

const SUBJECT: &str = "Your code";
const TEXT: &str = "123456 is your Bank code to pay PLN 10.00 to merchant test.\n\nDo not share it with anyone, not even bank staff.\n";

/// Sends for as long as `span`; how long each took.
pub(super) async fn send(relay: SocketAddr, span: Duration) -> anyhow::Result<Percentiles> {
    let settings = serde_json::from_value(json!({
        "kind": "smtp", "name": "relay", "host": relay.ip().to_string(), "port": relay.port(), "tls": "none",
        "from": "Bank <no-reply@bank.example>", "hello": "bench.example", "connections": 1,
    }))?;
    let relay = channel::connect(&settings)?;
    let mut latencies = Latencies::default();
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let end = monotonic_ns().saturating_add(span);
    while monotonic_ns() < end {
        let outbound = outbound()?;
        let began = monotonic_ns();
        let outcome = relay.send(&outbound).await;
        latencies.record((monotonic_ns() - began) / 1_000);
        if !matches!(outcome, Outcome::Accepted { .. }) {
            bail!("the relay did not take a mail: {}", outcome.name());
        }
    }
    Ok(latencies.percentiles())
}

fn outbound() -> anyhow::Result<OutboundMessage> {
    let rendered = |text: &str| RenderedText::new(text.to_owned());
    Ok(OutboundMessage {
        delivery: DeliveryId(Uuid::now_v7()),
        priority: Priority::Standard,
        to: Contact::parse(Channel::Email, "leon@mail.example")?,
        message: RenderedMessage::Email {
            subject: rendered(SUBJECT),
            text: rendered(TEXT),
            html: RenderedText::new(format!("<!doctype html><html><body><p>{TEXT}</p></body></html>")),
            locale: Locale::parse("en")?,
        },
        valid_for: Duration::from_mins(5),
    })
}
