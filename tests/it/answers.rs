//! The table of inputs and answers, row by row, over mutual TLS: what is sent, what is answered, what is stored.
//!
//! Revocation, rotation and floods are in `mtls`.
//!
//! # All endpoints
//!
//! | input | test |
//! | --- | --- |
//! | certificates of no trusted CA | `tls::a_client_without_a_valid_certificate_..` |
//! | certificates that are not listed | `tls::a_valid_certificate_that_is_not_listed_..`, `a_certificate_with_another_subject_..`, `a_certificate_that_expires_..` |
//! | old protocols, tickets | `tls::nothing_older_than_tls_1_2_..`, `no_session_is_issued_..` |
//! | paths, methods | `rejections::any_other_path_..`, `every_endpoint_has_exactly_one_path`, `a_query_..`, `another_method_..`, `a_base_path_..` |
//! | framing | `framing` |
//! | slow bodies | `limits::a_body_that_does_not_arrive_..` |
//! | large bodies and headers | `limits::a_body_of_16_kib_..`, `a_body_that_is_announced_..`, `too_many_headers_..` |
//! | `Expect`, `Content-Encoding` | `headers::a_client_that_expects_100_continue_..`, `a_compressed_body_..` |
//! | `Content-Type` | `headers::only_json_media_types_..`, `a_content_type_may_come_twice_..` |
//! | `Connection: Upgrade`, headers of proxies | `headers::headers_of_clients_and_proxies_..`, `a_request_to_upgrade_..` |
//! | what a rejection leaves | `traces` |
//! | malformed JSON; encodings; nesting; duplicate fields | `bodies::only_one_strict_json_object_..`, `every_endpoint_is_equally_strict_..` |
//! | byte order mark, unknown fields | `bodies::unknown_fields_and_a_byte_order_mark_..` |
//! | a field's name in another case | `bodies::field_names_..` |
//! | the form of idempotency keys | `headers::an_idempotency_key_..`, `keys::a_key_is_printable_ascii_..` |
//! | same key: body, endpoint, client, spelling | `keys::the_same_key_with_the_same_fields_..`, `the_same_key_on_another_endpoint_..`, `spacing_order_and_unknown_fields_..` |
//! | same key in flight; after a rejection | `keys::concurrent_duplicates_..`, `accept_once` |
//! | same key after 72 h | `keys::a_key_is_free_again_after_72_hours_on_every_endpoint` |
//! | no disk, no database, draining | `rejections`, `process::drain` |
//!
//! # OTPs
//!
//! | input | test, in `fields` |
//! | --- | --- |
//! | `otp`; leading zeros | `an_otp_is_..`, `leading_zeros_reach_the_recipient` |
//! | `storageCustomerId` | `a_customer_is_..` |
//! | a customer who cannot be notified | `dispatch::endings` |
//! | `storageCardId`, `balanceId` | `a_malformed_card_or_balance_..` |
//! | `amount` | `an_amount_is_..` |
//! | `currency` | `a_currency_is_three_letters`, `amounts_are_shown_..` |
//! | `merchantName`; card numbers in it | `a_merchant_name_may_be_..`, `a_hostile_merchant_name_..` |
//! | the same OTP without a key | `accept_once` |
//! | a hundred at once | `rejections::a_hundred_otps_..` |
//!
//! # Identity verifications
//!
//! | input | test, in `verifications` |
//! | --- | --- |
//! | `status` and path, unexpected `reason` | `a_status_of_another_path_..` |
//! | unknown `reason` or `status` | `an_unknown_reason_..` |
//! | `verificationId`, `userId` | `a_verification_id_may_be_written_..` |
//! | `email` | `a_mailbox_is_one_plain_address_..`, `without_a_mailbox_..`, `an_e_mail_reaches_..` |
//! | names | `a_name_may_be_any_text`, `a_hostile_name_..` |
//! | out of order, repeated | `every_identity_verification_..` |
//!
//! # Locked cards
//!
//! | input | test, in `locks` |
//! | --- | --- |
//! | no key, exact repeat, repeat after 24 h | `accept_once` |
//! | `dcCardId` | `a_card_is_1_to_20_digits_as_text_or_number` |
//! | `date` | `a_date_may_be_written_..`, `dispatch::endings` |
//! | `reason` | `every_published_reason_..`, `a_reason_in_an_unlock_..` |
//! | order | `locks_and_unlocks_are_sent_..`, `a_delivery_that_waits_..`, `notifications_of_a_card_..` |
//!
//! # Blocked payments
//!
//! | input | test, in `transactional_locks` |
//! | --- | --- |
//! | `resourceType` | `a_resource_type_..` |
//! | `resourceId` | `a_resource_of_either_type_..` |
//! | `lockReason` | `an_unknown_lock_reason_..` |
//! | `timestamp` | `a_timestamp_..` |
//! | a suspicion of fraud | `a_suspicion_of_fraud_reads_like_..`; templates that reveal it: in `render` |
//!
//! # Payments
//!
//! | input | test, in `transactions` |
//! | --- | --- |
//! | required fields | `a_payment_needs_..`, `a_transaction_without_a_payment_object_..` |
//! | unknown statuses | `an_unknown_status_..` |
//! | everything else | `no_other_field_rejects_..`, `unknown_fields_are_ignored_..`, `a_hostile_description_..` |
//! | JSON of inner objects | `inner_objects_are_read_..` |
//!
//! # The public key, and encrypted bodies
//!
//! | input | test |
//! | --- | --- |
//! | methods, query, body, no key | `public_key` |
//! | rotation | `public_key`, `encryption::during_a_rotation_both_keys_decrypt_..` |
//! | bodies that cannot be decrypted | `encryption::every_encrypted_body_that_cannot_be_decrypted_..` |
//! | plain bodies announced as encrypted | `encryption::a_plain_body_that_is_announced_..` |

mod bodies;
mod dates;
mod encryption;
mod fields;
mod framing;
mod headers;
mod keys;
mod limits;
mod locks;
mod public_key;
mod rejections;
mod tls;
mod traces;
mod transactional_locks;
mod transactions;
mod verifications;

use crate::support::Gateway;
use crate::support::sample_notification::SampleNotification;

/// Part of every invalid value. No answer may repeat it.
const CANARY: &str = "C4n4ry";

/// The expected result of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// 204 without a warning.
    Accepted,
    /// 204 with a warning that contains this.
    Warned(&'static str),
    /// 422 with an answer that contains this.
    Rejected(&'static str),
}

use Expect::{Accepted, Rejected, Warned};

/// Posts one row. The samples themselves cause no warnings.
async fn check(gateway: &Gateway, row: &str, notice: &SampleNotification, expected: Expect) {
    let before = gateway.deliveries().await.len();

    let answer = gateway.post(notice).await;

    let kept = gateway.deliveries().await.len() - before;
    let found = match answer.status {
        204 => (204, kept, gateway.last().await.line.warnings),
        status => (status, kept, Some(answer.body.clone())),
    };
    let fits = match (expected, &found) {
        (Accepted, (204, 1, warnings)) => warnings.is_none() && answer.body.is_empty(),
        (Warned(text), (204, 1, Some(warnings))) => warnings.contains(text),
        (Rejected(text), (422, 0, Some(body))) => is_a_detail(body) && body.contains(text),
        _ => false,
    };
    assert!(fits, "{row}: expected {expected:?}, found {found:?}");
    assert!(!format!("{answer:?}").contains(CANARY), "{row}: the answer repeats the input: {answer:?}");
    let warnings = found.2.unwrap_or_default();
    assert!(!warnings.contains(CANARY), "{row}: the warning repeats the input: {warnings}");
}

/// The form of every answer with a body.
fn is_a_detail(body: &str) -> bool {
    let Ok(serde_json::Value::Object(answer)) = serde_json::from_str(body) else { return false };
    answer.len() == 1 && answer.get("detail").is_some_and(serde_json::Value::is_string)
}
