//! A simulated card processor: the published sample notifications, made valid, and a client that posts them.
//!
//! It sends each request once. It is independent of the gateway's code.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::http_client::{Connection, Error, Identity, Target};
use crate::domain::clock::Timestamp;

/// Longer than any processor waits, so that a slow response is measured.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends notifications one at a time. A clone has its own connection.
pub struct Processor {
    target: Target,
    connection: Connection,
}

/// The response of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 204 is the only success.
    pub status: u16,
    /// Empty on success.
    pub body: String,
    /// From the first byte written to the last byte read, including the handshake if there was one.
    pub took: Duration,
}

impl Processor {
    /// A processor for the gateway at `url`, such as `https://gateway.example:8443`. It does not connect yet.
    pub fn new(url: &str, identity: Option<&Identity>) -> Result<Self, Error> {
        Target::new(url, identity).map(Self::of)
    }

    fn of(target: Target) -> Self {
        Self { connection: Connection::new(target.clone(), TIMEOUT), target }
    }

    pub async fn post(&mut self, path: &str, body: &str, idempotency_key: Option<&str>) -> Result<Response, Error> {
        let began = Instant::now();
        let reply = self.connection.post(path, idempotency_key, body.as_bytes()).await?;
        let body = String::from_utf8_lossy(reply.body).into_owned();
        Ok(Response { status: reply.status, body, took: began.elapsed() })
    }

    /// Posts a sample, with a new idempotency key if the endpoint has one.
    pub async fn send(&mut self, sample: &Sample) -> Result<Response, Error> {
        let key = sample.keyed.then(|| uuid::Uuid::new_v4().to_string());
        self.post(sample.path, &sample.body, key.as_deref()).await
    }
}

impl Clone for Processor {
    fn clone(&self) -> Self {
        Self::of(self.target.clone())
    }
}

/// A notification that can be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub path: &'static str,
    pub body: String,
    /// Whether the endpoint has an `X-Idempotency-Key`.
    pub keyed: bool,
}

/// The endpoint for one-time passwords.
pub const OTP_PATH: &str = "/notifications/otp";
const CARD_LOCKED_PATH: &str = "/notifications/cardLocked";
const CARD_UNLOCKED_PATH: &str = "/notifications/cardUnlocked";
const IN_PROGRESS_PATH: &str = "/notifications/verificationInProgress";
const ACCEPTED_PATH: &str = "/notifications/verificationAccepted";
const REJECTED_PATH: &str = "/notifications/verificationRejected";
const REASON_ADDED_PATH: &str = "/notifications/transactionalLockReasonAdded";
const REASON_REMOVED_PATH: &str = "/notifications/transactionalLockReasonRemoved";
const TRANSACTION_PATH: &str = "/notifications/transaction";

/// The published sample of each endpoint, dated `now`.
pub fn samples(now: Timestamp) -> [Sample; 9] {
    let (check, card, payments) = (VerificationSample::default(), CardLock::default(), PaymentLock::default());
    [
        OtpSample::default().sample(),
        check.in_progress(),
        check.accepted(),
        check.rejected("INVALID_CUSTOMER_DATA"),
        card.locked(now),
        card.unlocked(now),
        payments.added(now),
        payments.removed(now),
        TransactionSample::default().sample(now),
    ]
}

/// A one-time password. The default is the published sample.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtpSample {
    pub storage_customer_id: String,
    pub storage_card_id: String,
    pub balance_id: String,
    /// In minor units.
    pub amount: String,
    pub currency: String,
    pub merchant_name: String,
    pub otp: String,
}

impl Default for OtpSample {
    fn default() -> Self {
        Self {
            storage_customer_id: "1337".into(),
            storage_card_id: "1337".into(),
            balance_id: "b334b384-328c-11ed-a261-0242ac120002".into(),
            amount: "1000".into(),
            currency: "PLN".into(),
            merchant_name: "merchant test".into(),
            otp: "1111".into(),
        }
    }
}

impl OtpSample {
    pub fn sample(&self) -> Sample {
        Sample { path: OTP_PATH, body: json(self), keyed: true }
    }
}

/// A card that is locked or unlocked. The default is the published sample.
#[derive(Debug, Clone)]
pub struct CardLock {
    pub dc_card_id: String,
    /// Only for a lock.
    pub reason: String,
}

impl Default for CardLock {
    fn default() -> Self {
        Self { dc_card_id: "11".into(), reason: "PIN_TRIES_EXCEEDED".into() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CardEvent<'a> {
    dc_card_id: &'a str,
    date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl CardLock {
    pub fn locked(&self, now: Timestamp) -> Sample {
        self.event(CARD_LOCKED_PATH, now, Some(&self.reason))
    }

    pub fn unlocked(&self, now: Timestamp) -> Sample {
        self.event(CARD_UNLOCKED_PATH, now, None)
    }

    fn event(&self, path: &'static str, now: Timestamp, reason: Option<&str>) -> Sample {
        let date = date(now);
        Sample { path, body: json(&CardEvent { dc_card_id: &self.dc_card_id, date, reason }), keyed: false }
    }
}

/// An identity verification. The default is the published sample with a fictitious name and mailbox.
#[derive(Debug, Clone)]
pub struct VerificationSample {
    pub user_id: String,
    pub email: String,
}

impl Default for VerificationSample {
    fn default() -> Self {
        Self { user_id: "1337".into(), email: "customer-1337@example.org".into() }
    }
}

impl VerificationSample {
    pub fn in_progress(&self) -> Sample {
        self.with_status(IN_PROGRESS_PATH, "IN_PROGRESS", None)
    }

    pub fn accepted(&self) -> Sample {
        self.with_status(ACCEPTED_PATH, "ACCEPTED", None)
    }

    pub fn rejected(&self, reason: &str) -> Sample {
        self.with_status(REJECTED_PATH, "REJECTED", Some(reason))
    }

    fn with_status(&self, path: &'static str, status: &str, reason: Option<&str>) -> Sample {
        let body = json(&json!({
            "verificationId": "6faaa45a-41f6-4922-95fe-16e316ba7e91", "userId": self.user_id, "email": self.email,
            "firstName": "Alex", "lastName": "Example", "status": status, "reason": reason,
        }));
        Sample { path, body, keyed: true }
    }
}

/// A payment lock of a user or a company. The default is the published sample.
#[derive(Debug, Clone)]
pub struct PaymentLock {
    /// `user` or `corporation`.
    pub resource_type: String,
    pub resource_id: String,
    pub lock_reason: String,
}

impl Default for PaymentLock {
    fn default() -> Self {
        Self {
            resource_type: "corporation".into(),
            resource_id: "a3f33118-946d-4b9c-b27f-e009d28355fa".into(),
            lock_reason: "FRAUD_SUSPECTED".into(),
        }
    }
}

impl PaymentLock {
    pub fn added(&self, now: Timestamp) -> Sample {
        self.event(REASON_ADDED_PATH, now)
    }

    pub fn removed(&self, now: Timestamp) -> Sample {
        self.event(REASON_REMOVED_PATH, now)
    }

    fn event(&self, path: &'static str, now: Timestamp) -> Sample {
        let body = json(&json!({
            "resourceType": self.resource_type, "resourceId": self.resource_id, "lockReason": self.lock_reason,
            "timestamp": date(now),
        }));
        Sample { path, body, keyed: true }
    }
}

/// An approved card payment. The default is the published sample.
#[derive(Debug, Clone)]
pub struct TransactionSample {
    pub card_id: String,
    /// In minor units.
    pub amount: u64,
    pub currency: String,
    pub description: String,
}

impl Default for TransactionSample {
    fn default() -> Self {
        Self { card_id: "1337".into(), amount: 1000, currency: "PLN".into(), description: "merchant test".into() }
    }
}

impl TransactionSample {
    pub fn sample(&self, now: Timestamp) -> Sample {
        let Self { card_id, amount, currency, description } = self;
        let body = json(&json!({
            "status": "SUCCESS", "date": date(now), "description": description,
            "transaction": {
                "id": uuid::Uuid::new_v4().to_string(), "balanceId": "b334b384-328c-11ed-a261-0242ac120002",
                "resourceId": card_id, "resource": "card", "cardId": card_id, "externalTransactionId": "1337",
                "referenceExternalTransactionId": null, "type": "POS", "category": "DEBIT", "amount": amount,
                "currency": currency, "originalAmount": amount, "originalCurrency": currency, "status": "AUTHORIZED",
                "description": description, "date": date(now), "referenceExternalTransactionDate": null,
                "transactionData": {
                    "mcc": "5411", "merchantIdentifier": "1337", "captureMode": "CHIP", "lastFourDigits": "1234",
                    "acquirerCountry": "POL",
                },
            },
        }));
        Sample { path: TRANSACTION_PATH, body, keyed: true }
    }
}

fn date(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn json(value: &impl Serialize) -> String {
    // Fails only for maps with keys that are not strings, and for failing writers.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::providers::message_log::Keeping;
    use super::*;
    use crate::sim::providers::PracticeProvider;

    #[test]
    fn the_published_samples_are_posted_as_valid_json() {
        let now = Timestamp::from_micros(1_750_167_774_000_000);
        let [otp, in_progress, accepted, rejected, locked, unlocked, added, removed, paid] = samples(now);
        let read = |sample: &Sample| serde_json::from_str::<Value>(&sample.body).unwrap();

        assert_eq!(
            read(&otp),
            json!({"storageCustomerId": "1337", "storageCardId": "1337", "balanceId": "b334b384-328c-11ed-a261-0242ac120002",
                "amount": "1000", "currency": "PLN", "merchantName": "merchant test", "otp": "1111"})
        );
        let date = "2025-06-17T13:42:54+00:00";
        assert_eq!(read(&locked), json!({"dcCardId": "11", "date": date, "reason": "PIN_TRIES_EXCEEDED"}));
        assert_eq!(read(&unlocked), json!({"dcCardId": "11", "date": date}));
        let check = |status, reason: Option<&str>| {
            json!({"verificationId": "6faaa45a-41f6-4922-95fe-16e316ba7e91", "userId": "1337",
                "email": "customer-1337@example.org", "firstName": "Alex", "lastName": "Example",
                "status": status, "reason": reason})
        };
        assert_eq!(read(&in_progress), check("IN_PROGRESS", None));
        assert_eq!(read(&accepted), check("ACCEPTED", None));
        assert_eq!(read(&rejected), check("REJECTED", Some("INVALID_CUSTOMER_DATA")));
        let lock = json!({"resourceType": "corporation", "resourceId": "a3f33118-946d-4b9c-b27f-e009d28355fa",
            "lockReason": "FRAUD_SUSPECTED", "timestamp": date});
        assert_eq!([read(&added), read(&removed)], [lock.clone(), lock]);
        assert_eq!(read(&paid)["transaction"]["cardId"], "1337");
        assert!([locked, unlocked].iter().all(|sample| !sample.keyed));
        assert!([otp, in_progress, accepted, rejected, added, removed, paid].iter().all(|sample| sample.keyed));
    }

    #[tokio::test]
    async fn a_sample_can_be_changed_and_posted() {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let gateway =
            PracticeProvider::open(crate::domain::contact::Channel::Sms, anywhere, Keeping::Tokens).await.unwrap();
        let mut processor = Processor::new(&format!("http://{}", gateway.address()), None).unwrap();

        let otp = OtpSample { storage_customer_id: "7".into(), otp: "0042".into(), ..OtpSample::default() };
        let response = processor.send(&otp.sample()).await.unwrap();

        assert_eq!((response.status, response.body.as_str()), (200, r#"{"id":"sms-1"}"#));
    }
}
