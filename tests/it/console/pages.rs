//! What the pages show and change.

mod abuse;
mod deliveries;
mod languages;
mod overview;
mod recipients;

use otpost::domain::access::Role;
use strum::IntoEnumIterator;

use crate::support::console::{Browser, CONSOLE, signed_in};
use crate::support::{Gateway, Setup, recipient};

/// The phone of the recipient that the gateway knows, in clear and masked.
const PHONE: [&str; 2] = ["+48600100200", "+48*****0200"];

/// A gateway with a console, which knows customer 1337.
async fn gateway() -> Gateway {
    let gateway = Setup::new().more(CONSOLE).start().await;
    gateway.knows([recipient("holder").customer("1337").phone(PHONE[0])]).await;
    gateway
}

/// A user with every role.
async fn everybody(gateway: &Gateway) -> Browser {
    signed_in(gateway, &Role::iter().collect::<Vec<_>>()).await
}

/// The details of the audit events of a kind.
async fn recorded(gateway: &Gateway, kind: &str) -> Vec<serde_json::Value> {
    let events = gateway.files.audit().await;
    events.into_iter().filter(|(name, _)| name == kind).map(|(_, detail)| detail).collect()
}
