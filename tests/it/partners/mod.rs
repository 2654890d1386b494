//! Providers that misbehave, each promise at its number, over real sockets.
//!
//! Nothing here knows how an adapter is written: what a provider does, what the timeline says, and what people got.
//! `segments` is about counting alone. `OTPOST_TEST_MESSAGES` is how many codes `repeats` sends through the gateway; without it, 10,000.

mod black_holes;
mod busy;
mod hedges;
mod receipts;
mod repeats;
mod segments;
mod slow;
mod toxics;

use std::fmt::Display;
use std::net::SocketAddr;

/// The `[[provider]]` of an SMS gateway, with more about it.
fn sms(name: &str, at: impl Display, more: &str) -> String {
    http("sms_gateway", name, at, more)
}

/// The same of a push service.
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
