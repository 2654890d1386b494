//! The domain: notifications, recipients, deliveries and their rules.
//!
//! It holds values only. Nothing here is async, does I/O, knows a framework, reads a clock or holds a lock. Every other
//! module may import it, and it imports none.

pub mod access;
pub mod audit_event;
pub mod certificate_id;
pub mod clock;
pub mod contact;
pub mod content_hash;
pub mod cost;
pub mod country;
pub mod country_prefix;
pub mod delivery;
pub mod duration;
pub mod failure_detail;
pub mod mailbox;
pub mod merchant_name;
pub mod money;
pub mod notification;
pub mod outbound_message;
pub mod outcome;
pub mod preferences;
pub mod price;
pub mod provider_profile;
pub mod receipt;
pub mod recipient;
pub mod report_line;
pub mod routing_text;
pub mod secret;
pub mod sms_encoding;
pub mod template_change;
pub mod template_version;
pub mod written;

/// An error and all its causes in one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
