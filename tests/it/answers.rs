//! The table of inputs and answers, row by row, over mutual TLS: what is sent, what comes back, what is kept of it.
//!
//! Revocation, rotation and floods are in `door`.
//!
//! # All endpoints
//!
//! | input | test |
//! | --- | --- |
//! | certificates that nobody vouches for | `tls::whoever_shows_no_good_certificate_gets_no_answer_at_all` |
//! | certificates that are not listed | `tls::a_good_certificate_that_is_not_listed_..`, `a_good_key_under_another_subject_..`, `a_certificate_that_ends_..` |
//! | old protocols, tickets | `tls::nothing_older_than_tls_1_2_is_spoken`, `no_session_is_handed_out_..` |
//! | paths, methods | `refusals::a_path_that_is_not_exactly_..`, `every_endpoint_has_exactly_one_path`, `a_query_..`, `another_method_..`, `a_configured_base_path_..` |
//! | framing | `framing` |
//! | slow bodies | `limits::a_body_that_does_not_come_is_waited_for_five_seconds` |
//! | large bodies and headers | `limits::a_body_of_16_kib_..`, `a_body_that_is_only_announced_..`, `more_headers_than_anybody_needs_..` |
//! | `Expect`, `Content-Encoding` | `headers::a_sender_that_waits_to_be_asked_..`, `a_compressed_body_is_not_looked_into` |
//! | `Content-Type` | `headers::json_is_taken_under_any_of_its_names_..` |
//! | JSON that is none; encodings; nesting; fields twice | `bodies::only_one_strict_json_object_..`, `every_endpoint_is_as_strict_about_json` |
//! | byte order mark, unknown fields | `bodies::what_is_more_than_the_contract_asks_for_..` |
//! | a field's name in another case | `bodies::a_name_in_another_case_is_another_name` |
//! | idempotency keys, their form | `headers::an_idempotency_key_..`, `keys::a_key_is_printable_ascii_..` |
//! | same key: body, endpoint, client, spelling | `keys::the_same_key_with_the_same_fields_..`, `the_same_key_on_another_endpoint_..`, `spacing_order_and_unknown_fields_..` |
//! | same key in flight; after a refusal | `keys::twins_in_flight_..`, `accept_once::a_key_whose_first_use_was_refused_is_free` |
//! | same key after 72 h | `keys::a_key_is_free_again_after_72_hours_on_every_endpoint` |
//! | no disk, no database, draining | `refusals::with_..`, `process::drain` |
//!
//! # Codes
//!
//! | input | test |
//! | --- | --- |
//! | `otp`; leading zeros | `fields::a_code_is_..`, `leading_zeros_reach_the_recipient` |
//! | `storageCustomerId` | `fields::a_customer_is_..` |
//! | a customer who cannot be told | `dispatch::endings::whoever_cannot_or_must_not_be_told_ends_with_the_reason` |
//! | `storageCardId`, `balanceId` | `fields::a_card_or_balance_..` |
//! | `amount` | `fields::an_amount_is_..` |
//! | `currency` | `fields::a_currency_is_three_letters`, `amounts_are_read_out_..` |
//! | `merchantName`; card numbers in it | `fields::a_merchant_is_..`, `a_hostile_merchant_..` |
//! | the same code without a key | `accept_once::the_same_code_without_a_key_..` |
//! | a hundred at once | `refusals::a_hundred_codes_for_one_customer_are_all_taken` |
//!
//! # Checks of an identity
//!
//! | input | test, in `verifications` |
//! | --- | --- |
//! | `status` and path, `reason` where none belongs | `a_status_of_another_path_..` |
//! | unknown `reason` or `status` | `an_unknown_reason_..` |
//! | `verificationId`, `userId` | `a_reference_in_any_spelling_..` |
//! | `email` | `a_mailbox_is_one_plain_address_or_none`, `without_a_mailbox_..`, `a_mailbox_that_is_taken_at_the_door_..` |
//! | names | `a_name_is_whatever_a_stranger_wrote`, `a_hostile_name_..` |
//! | out of order, repeated | `checks_are_told_in_the_order_..` |
//!
//! # Locked cards
//!
//! | input | test |
//! | --- | --- |
//! | no key, exact repeat, repeat after 24 h | `accept_once::a_lock_without_a_key_..`, `locks_without_a_key_that_differ_..` |
//! | `dcCardId` | `locks::a_card_is_1_to_20_digits_as_text_or_number` |
//! | `date` | `locks::a_date_is_..`, `dispatch::endings::a_card_event_older_than_a_day_..` |
//! | `reason` | `locks::every_published_reason_..`, `an_unlock_with_a_reason_..` |
//! | order | `locks::an_unlock_before_a_lock_..`, `an_event_that_must_wait_..`, `events_of_a_card_..` |
//!
//! # Payments that are held back
//!
//! | input | test, in `transactional_locks` |
//! | --- | --- |
//! | `resourceType` | `a_resource_type_..` |
//! | `resourceId` | `a_resource_is_a_number_or_a_uuid_..` |
//! | `lockReason` | `an_unknown_lock_reason_..` |
//! | `timestamp` | `a_timestamp_is_..` |
//! | a suspicion of fraud | `a_suspicion_of_fraud_reads_like_..`; of templates, in `render`: `a_template_that_writes_the_reason_..` |
//!
//! # Payments
//!
//! | input | test, in `transactions` |
//! | --- | --- |
//! | what is required | `a_payment_needs_..`, `without_a_payment_inside_there_is_none` |
//! | unknown statuses | `an_unknown_status_..` |
//! | everything else | `nothing_else_refuses_a_payment`, `unknown_fields_are_passed_over_..`, `a_hostile_description_..` |
//! | JSON inside | `the_objects_inside_are_read_as_strictly_..` |
//!
//! # The public key, and encrypted bodies
//!
//! | input | test |
//! | --- | --- |
//! | methods, query, body, no key | `public_key` |
//! | rotation | `public_key`, `encryption::during_a_rotation_both_keys_open_..` |
//! | bodies that cannot be opened | `encryption::whatever_is_wrong_with_an_encrypted_body_..` |

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
mod refusals;
mod tls;
mod transactional_locks;
mod transactions;
mod verifications;

use crate::support::Gateway;
use crate::support::notice::Notice;

/// Stands in every bad value; no answer may repeat it.
const CANARY: &str = "C4n4ry";

/// What a row of the table expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// 204, with nothing to remark on.
    Taken,
    /// 204, and a remark that names this.
    Warned(&'static str),
    /// 422, and an answer that names this.
    Refused(&'static str),
}

use Expect::{Refused, Taken, Warned};

/// The samples have something to remark on themselves only when a row puts it there.
async fn check(gateway: &Gateway, row: &str, notice: &Notice, expected: Expect) {
    let before = gateway.deliveries().await.len();

    let answer = gateway.post(notice).await;

    let kept = gateway.deliveries().await.len() - before;
    let found = match answer.status {
        204 => (204, kept, gateway.last().await.line.warnings),
        status => (status, kept, Some(answer.body.clone())),
    };
    let fits = match (expected, &found) {
        (Taken, (204, 1, warnings)) => warnings.is_none() && answer.body.is_empty(),
        (Warned(word), (204, 1, Some(warnings))) => warnings.contains(word),
        (Refused(word), (422, 0, Some(body))) => is_a_detail(body) && body.contains(word),
        _ => false,
    };
    assert!(fits, "{row}: expected {expected:?}, found {found:?}");
    assert!(!format!("{answer:?}").contains(CANARY), "{row}: the answer repeats the input: {answer:?}");
    let remarks = found.2.unwrap_or_default();
    assert!(!remarks.contains(CANARY), "{row}: what is kept repeats the input: {remarks}");
}

/// Every answer with a body has this one shape.
fn is_a_detail(body: &str) -> bool {
    let Ok(serde_json::Value::Object(said)) = serde_json::from_str(body) else { return false };
    said.len() == 1 && said.get("detail").is_some_and(serde_json::Value::is_string)
}
