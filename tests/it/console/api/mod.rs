//! The JSON API: which token may do what, what it reads and changes, and how it says what is wrong.

mod certificates;
mod changes;
mod command_line;
mod description;
mod exports;
mod matrix;
mod pages;
mod reads;
mod schema;
mod tokens;

use crate::support::console::CONSOLE;
use crate::support::{Gateway, Setup, recipient};

/// The phone of the recipient that the gateway knows, in clear and masked.
const PHONE: [&str; 2] = ["+48600100200", "+48*****0200"];

/// An id that nothing has.
const NO_ID: &str = "0195d3a0-0000-7000-8000-000000000000";

/// A gateway with a console, which knows customer 1337.
async fn gateway() -> Gateway {
    let gateway = Setup::new().more(CONSOLE).start().await;
    gateway.knows([recipient("holder").customer("1337").phone(PHONE[0])]).await;
    gateway
}

/// The actors and details of the audit events of a kind.
async fn recorded(gateway: &Gateway, kind: &str) -> Vec<(String, serde_json::Value)> {
    use otpost::store::audit_events::{EventFilter, EventScope};
    let filter = EventFilter { kind: Some(kind.to_owned()), ..EventFilter::newest(EventScope::All, 100) };
    let page = gateway.store().audit_events().find(&filter).await.unwrap();
    let events = page.events.into_iter().rev();
    events.map(|event| (event.line.actor, serde_json::from_str(&event.line.detail).unwrap())).collect()
}
