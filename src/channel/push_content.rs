//! What a push message shows and what its app reads, the same for each push service.

use serde_json::{Value, json};

use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};

/// Title and body; empty for messages of other channels, which a push service does not get.
fn texts(message: &OutboundMessage) -> (&str, &str) {
    match &message.rendered {
        RenderedMessage::Push { title, body } => (title.reveal(), body.reveal()),
        RenderedMessage::Sms { .. } | RenderedMessage::Email { .. } => ("", ""),
    }
}

/// Whether the body must not be shown, because a locked screen would show the code: `show_code_on_lock_screen` of a provider allows it.
pub(super) fn hides_body(message: &OutboundMessage, shows_code: bool) -> bool {
    message.code.is_some() && !shows_code
}

/// What the device shows by itself.
pub(super) fn shown(message: &OutboundMessage, shows_code: bool) -> Value {
    let (title, body) = texts(message);
    if hides_body(message, shows_code) { json!({ "title": title }) } else { json!({ "title": title, "body": body }) }
}

/// What the app reads.
pub(super) fn data(message: &OutboundMessage) -> Value {
    let (title, body) = texts(message);
    json!({ "title": title, "body": body, "reference": message.delivery })
}
