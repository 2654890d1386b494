//! Providers that misbehave, over real sockets.
//!
//! The tests know nothing of the adapters: they see what a provider does, the timeline of a delivery, and what recipients
//! get. `segments` only counts. `OTPOST_TEST_MESSAGES` is the number of codes that `repeats` sends; 10,000 by default.

mod black_holes;
mod busy;
mod hedges;
mod push_services;
mod receipts;
mod repeats;
mod segments;
mod slow;
mod smpp;
mod toxics;
mod vendors;

use std::fmt::Display;
use std::net::SocketAddr;

/// The `[[provider]]` of an SMS gateway, with further keys.
fn sms(name: &str, at: impl Display, more: &str) -> String {
    http("sms_gateway", name, at, more)
}

/// The same for a push service.
fn push(name: &str, at: impl Display, more: &str) -> String {
    http("push_http", name, at, more)
}

fn http(kind: &str, name: &str, at: impl Display, more: &str) -> String {
    format!("[[provider]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"http://{at}/send\"\n{more}\n")
}

/// The `[[provider]]` of a mail relay.
fn mail(name: &str, at: SocketAddr, more: &str) -> String {
    format!(
        "[[provider]]\nname = \"{name}\"\nkind = \"smtp\"\nhost = \"localhost\"\nport = {}\n\
         from = \"Test Bank <bank@example.org>\"\n{more}\n",
        at.port()
    )
}
