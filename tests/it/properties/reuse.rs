//! An idempotency key that is reused with another body is rejected every time, and the first notification is unchanged.

use otpost::domain::clock::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Just;
use proptest::test_runner::TestRunner;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::cases;
use crate::support::Gateway;
use crate::support::sample_notification::{SampleNotification, every};
use crate::support::sender::Line;

const ID: &str = "[1-9][0-9]{0,18}";
const AMOUNT: &str = "[1-9][0-9]{0,17}";
const CURRENCY: &str = "[A-Z]{3}";
const NAME: &str = "[A-Z][a-z]{1,20}";
const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}";
const DATE: &str = "202[34]-0[1-9]-1[0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{2}[1-9])?(Z|\\+02:00)";
const LOCK_REASON: &str = "CARD_LOST|CARD_STOLEN|SUSPECTED_FRAUD|CARD_INACTIVE";

/// Every field with a meaning: the index of its sample, its path, and a pattern of values.
const MEMBERS: [(usize, &str, &str); 31] = [
    (0, "otp", "[0-9A-Za-z]{1,16}"),
    (0, "amount", AMOUNT),
    (0, "currency", CURRENCY),
    (0, "merchantName", NAME),
    (0, "storageCustomerId", ID),
    (0, "storageCardId", ID),
    (0, "balanceId", UUID),
    (1, "verificationId", UUID),
    (1, "userId", ID),
    (2, "email", "[a-z]{1,20}@example\\.(org|net)"),
    (2, "firstName", NAME),
    (3, "userId", ID),
    (3, "reason", "BLURRED_SELFIE|INVALID_CUSTOMER_DATA"),
    (4, "dcCardId", ID),
    (4, "date", DATE),
    (4, "reason", LOCK_REASON),
    (5, "dcCardId", ID),
    (5, "date", DATE),
    (6, "resourceId", UUID),
    (6, "resourceType", "user|corporation"),
    (6, "timestamp", DATE),
    (7, "resourceId", ID),
    (7, "lockReason", "FRAUD_SUSPECTED|DOCUMENT_EXPIRED"),
    (8, "transaction.id", UUID),
    (8, "transaction.balanceId", UUID),
    (8, "transaction.cardId", ID),
    (8, "transaction.amount", AMOUNT),
    (8, "transaction.currency", CURRENCY),
    (8, "transaction.description", NAME),
    (8, "transaction.status", "AUTHORIZED|CLEARED|REVERSED"),
    (8, "transaction.transactionData.lastFourDigits", "[0-9]{4}"),
];

/// Everything that is stored of notifications. That one was rejected is an event, too, and belongs to none.
const KEPT: &str = "
    SELECT json_array(hex(id), kind, received_at, idempotency_key, warnings) FROM notification
    UNION ALL SELECT json_array(hex(scope), hex(fingerprint), hex(notification_id), expires_at) FROM idempotency
    UNION ALL SELECT json_array(hex(id), state, end_reason, ended_at, due_at, hex(sealed)) FROM delivery
    UNION ALL SELECT json_array(hex(delivery_id), number, outcome) FROM attempt
    UNION ALL SELECT json_array(seq, kind) FROM audit_event
      WHERE notification_id IS NOT NULL";

#[test]
fn a_key_with_any_other_body_is_always_rejected_and_the_first_notification_is_unchanged() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (gateway, line, database) = runtime.block_on(async {
        let gateway = Gateway::start().await;
        let (line, database) = (gateway.line().await, open(&gateway).await);
        (gateway, line, database)
    });
    let parts = std::cell::RefCell::new((line, database, 0));

    let tried = TestRunner::new(cases(250)).run(&two_bodies(gateway.now()), |(first, other)| {
        let (line, database, count) = &mut *parts.borrow_mut();
        *count += 1;
        let [first, other] = [first, other].map(|notice| notice.key(&format!("key-{count}")));
        runtime.block_on(async {
            prop_assert_eq!(post(line, &first).await, 204, "{}", first.json());
            gateway.settle().await;
            let before = kept(database).await;

            let answers = [post(line, &other).await, post(line, &other).await, post(line, &first).await];

            prop_assert_eq!(answers, [422, 422, 204], "{} after {}", other.json(), first.json());
            prop_assert_eq!(kept(database).await, before);
            Ok(())
        })
    });
    tried.unwrap();
}

// Two notifications that differ in one field.
fn two_bodies(now: Timestamp) -> impl Strategy<Value = (SampleNotification, SampleNotification)> {
    let pairs = select(MEMBERS.to_vec()).prop_flat_map(|(sample, path, values)| {
        let two = (values.prop_map(String::from), values.prop_map(String::from));
        (Just((sample, path)), two.prop_filter("two values", |(one, other)| one != other))
    });
    pairs.prop_map(move |((sample, path), (one, other))| {
        let notice = every(now)[sample].clone();
        (notice.clone().with_inner(path, one), notice.with_inner(path, other))
    })
}

async fn open(gateway: &Gateway) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(gateway.files.path("otpost.db")).read_only(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn kept(database: &mut SqliteConnection) -> Vec<String> {
    sqlx::query_scalar(KEPT).fetch_all(database).await.unwrap()
}

async fn post(line: &mut Line, notice: &SampleNotification) -> u16 {
    line.send(&notice.request()).await;
    line.answer().await.unwrap().status
}
