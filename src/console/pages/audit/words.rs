//! Audit events in words.

use serde::Serialize;
use serde_json::Value;

/// Characters of a value that a list shows. An export has all of it.
const VALUE_MAX: usize = 200;

/// One entry of the detail of an event.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct EventDetail {
    name: String,
    value: String,
}

/// What the actor did. A kind that has no sentence here is its name in words.
pub(super) fn sentence(kind: &str) -> String {
    let sentence = match kind {
        "accepted" => "accepted a notification",
        "split" => "split a delivery by recipient or channel",
        "claimed" => "took up a delivery again",
        "attempted" => "made an attempt; the next one follows",
        "postponed" => "postponed the delivery",
        "sent" => "sent the message",
        "given_up" => "gave up the delivery",
        "confirmed" => "confirmed that the message was delivered",
        "undelivered" => "reported that the message was not delivered",
        "expired_by_provider" => "reported that the message expired",
        "attempt_failed" => "reported that the message of an attempt was not delivered",
        "contact_retired" => "reported that a contact is gone; it is retired",
        "recipients_blocked" => "blocked recipients who are not in the imported file",
        "recipients_imported" => "imported recipients",
        "recipient_changed" => "changed the settings of a recipient",
        "recipient_erased" => "erased a recipient",
        "recipient_exported" => "exported the data of a recipient",
        "contact_revealed" => "viewed the contacts of a recipient in clear",
        "deliveries_exported" => "exported a list of deliveries",
        "report_exported" => "exported a report",
        "client_rejected" => "rejected a client",
        "notification_rejected" => "sent notifications that were rejected",
        "rejections_began" => "began to be rejected",
        "rejections_ended" => "is accepted again",
        "reloaded" => "reloaded certificates, revocation lists, clients, plans, limits or providers",
        "templates_activated" => "put changed templates into effect",
        "templates_rejected" => "rejected changed templates",
        "audit_archived" => "moved a part of the audit log into a bundle",
        "test_mail_sent" => "had a template with sample values mailed to the own address",
        "clock_set" => "noticed that the system clock was set",
        "dossier_made" => "made a dossier",
        "provider_drained" => "drained a provider",
        "provider_enabled" => "enabled a provider",
        "provider_tested" => "sent a test message through a provider",
        "delivery_paused" => "paused delivery",
        "delivery_resumed" => "resumed delivery",
        "seal_key_rotated" => "rotated the seal key",
        "previous_seal_key_removed" => "removed the previous seal key",
        "delivery_resent" => "had a notification sent again",
        "audit_exported" => "exported a part of the audit log",
        "backup_made" => "made a backup",
        "database_restored" => "restored a backup",
        "ca_created" => "created a client CA",
        "ca_key_encrypted" => "encrypted the key of a client CA",
        "certificate_signed" => "signed the certificate of a client",
        "certificate_revoked" => "revoked the certificate of a client",
        "crl_signed" => "signed a revocation list",
        "encryption_key_created" => "created a key for encrypted requests",
        "encryption_key_activated" => "decided when a key for encrypted requests is published",
        "encryption_key_retired" => "retired a key for encrypted requests",
        "client_certificate_first_used" => "posted with a certificate for the first time",
        "templates_adopted" => "took the texts of the template folder into the database",
        "template_drafted" => "saved or removed a draft",
        "template_change_submitted" => "submitted a change of templates",
        "template_change_approved" => "approved a change of templates",
        "template_approval_denied" => "tried to approve a change of templates of their own",
        "template_change_rejected" => "rejected a change of templates",
        "template_change_withdrawn" => "withdrew a change of templates",
        "template_change_scheduled" => "scheduled a change of templates",
        "template_change_published" => "published a change of templates",
        "template_publish_failed" => "could not publish a change of templates",
        "user_added" => "added a user of the console",
        "user_roles_changed" => "gave other roles to a user",
        "user_disabled" => "disabled a user",
        "user_enabled" => "enabled a user",
        "user_reset" => "reset password and second factor of a user",
        "user_set_up" => "chose a password and a second factor",
        "user_password_changed" => "changed the password",
        "user_app_replaced" => "replaced the authenticator app",
        "user_recovery_codes_replaced" => "replaced the recovery codes",
        "user_email_verified" => "verified an e-mail address",
        "user_email_removed" => "removed the e-mail address",
        "signed_in" => "signed in to the console",
        "sign_in_failed" => "failed to sign in to the console",
        "signed_out" => "signed out of the console",
        "session_ended" => "ended another session",
        "access_denied" => "asked for something that no role of theirs allows",
        "api_token_added" => "made an API token",
        "api_token_revoked" => "revoked an API token, or all of a user",
        "api_token_refused" => "was refused with an API token",
        kind => return kind.replace('_', " "),
    };
    sentence.to_owned()
}

/// The detail of an event, entry by entry.
pub(super) fn details(detail: &str) -> Vec<EventDetail> {
    let Ok(Value::Object(detail)) = serde_json::from_str(detail) else { return Vec::new() };
    let entry = |(name, value): (String, Value)| EventDetail { name: name.replace('_', " "), value: plain(&value) };
    detail.into_iter().map(entry).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text.clone()),
        Value::Array(values) => shortened(values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => format!("{} entries", entries.len()),
        value => value.to_string(),
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;
    use crate::domain::audit_event::AuditKind;

    #[test]
    fn every_kind_is_a_sentence_without_underscores() {
        for kind in AuditKind::iter() {
            let text = sentence(kind.name());
            assert!(!text.is_empty() && !text.contains('_'), "{text}");
        }
    }

    #[test]
    fn details_are_names_and_values() {
        let entry = |name: &str, value: &str| EventDetail { name: name.to_owned(), value: value.to_owned() };
        let shown = details(r#"{"spki_pin":"ab","count":3,"names":["a","b"],"templates":{"x":"y"}}"#);
        assert_eq!(
            shown,
            [entry("count", "3"), entry("names", "a, b"), entry("spki pin", "ab"), entry("templates", "1 entries")]
        );
        assert_eq!(details("no JSON"), []);
    }
}
