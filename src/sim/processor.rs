//! A card processor as it would post: the contract's published samples, made valid, and somebody to send them.
//!
//! It sends exactly what it is told, once; it knows nothing of how the gateway is built.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::wire::{Connection, Error, Identity, Target};
use crate::domain::clock::Timestamp;

/// Longer than any processor waits, so that a slow answer is seen rather than lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends notifications, one at a time. A clone is another processor with a connection of its own.
pub struct Processor {
    target: Target,
    connection: Connection,
}

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status; 204 is the only success there is.
    pub status: u16,
    /// The body, empty on success.
    pub body: String,
    /// From the first byte written to the last one read, a handshake included when one was needed.
    pub took: Duration,
}

impl Processor {
    /// A processor for the gateway at `url`, such as `https://gateway.example:8443`. Nothing is contacted yet.
    pub fn new(url: &str, identity: Option<&Identity>) -> Result<Self, Error> {
        Target::new(url, identity).map(Self::of)
    }

    fn of(target: Target) -> Self {
        Self { connection: Connection::new(target.clone(), PATIENCE), target }
    }

    /// Posts any body to any path.
    pub async fn post(&mut self, path: &str, body: &str, idempotency_key: Option<&str>) -> Result<Answer, Error> {
        let began = Instant::now();
        let reply = self.connection.post(path, idempotency_key, body.as_bytes()).await?;
        let body = String::from_utf8_lossy(reply.body).into_owned();
        Ok(Answer { status: reply.status, body, took: began.elapsed() })
    }

    /// Posts a sample, with a new idempotency key if the contract documents one for it.
    pub async fn send(&mut self, sample: &Sample) -> Result<Answer, Error> {
        let key = sample.keyed.then(|| uuid::Uuid::new_v4().to_string());
        self.post(sample.path, &sample.body, key.as_deref()).await
    }
}

impl Clone for Processor {
    fn clone(&self) -> Self {
        Self::of(self.target.clone())
    }
}

/// A notification ready to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where to, as published.
    pub path: &'static str,
    /// JSON.
    pub body: String,
    /// Whether the contract documents an `X-Idempotency-Key` for it.
    pub keyed: bool,
}

/// Where one-time passwords are posted.
pub const OTP_PATH: &str = "/notifications/otp";
const CARD_LOCKED_PATH: &str = "/notifications/cardLocked";
const CARD_UNLOCKED_PATH: &str = "/notifications/cardUnlocked";

/// The contract's samples for an OTP, a locked and an unlocked card, the latter two as of `now`.
pub fn samples(now: Timestamp) -> [Sample; 3] {
    [Otp::default().sample(), CardLock::default().locked(now), CardLock::default().unlocked(now)]
}

/// A one-time password; the default is the published sample.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Otp {
    /// Whose.
    pub storage_customer_id: String,
    /// Of which card.
    pub storage_card_id: String,
    /// Of which account.
    pub balance_id: String,
    /// In minor units.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// To whom the money goes.
    pub merchant_name: String,
    /// The code.
    pub otp: String,
}

impl Default for Otp {
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

impl Otp {
    /// As it is posted.
    pub fn sample(&self) -> Sample {
        Sample { path: OTP_PATH, body: json(self), keyed: true }
    }
}

/// A card being locked or unlocked; the default is the published sample.
#[derive(Debug, Clone)]
pub struct CardLock {
    /// Which card.
    pub dc_card_id: String,
    /// Why it was locked; the other direction has no reason.
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
    /// Locked at `now`, as it is posted.
    pub fn locked(&self, now: Timestamp) -> Sample {
        self.event(CARD_LOCKED_PATH, now, Some(&self.reason))
    }

    /// Unlocked at `now`, as it is posted.
    pub fn unlocked(&self, now: Timestamp) -> Sample {
        self.event(CARD_UNLOCKED_PATH, now, None)
    }

    fn event(&self, path: &'static str, now: Timestamp, reason: Option<&str>) -> Sample {
        let date = now.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        Sample { path, body: json(&CardEvent { dc_card_id: &self.dc_card_id, date, reason }), keyed: false }
    }
}

fn json(value: &impl Serialize) -> String {
    // Fails only on maps with keys that are not text and on failing writers; there are neither.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sim::providers::Provider;
    use crate::sim::providers::station::Keeping;

    #[test]
    fn the_published_samples_are_posted_as_valid_json() {
        let now = Timestamp::from_micros(1_750_167_774_000_000);
        let [otp, locked, unlocked] = samples(now);
        let read = |sample: &Sample| serde_json::from_str::<Value>(&sample.body).unwrap();

        assert_eq!(
            read(&otp),
            json!({"storageCustomerId": "1337", "storageCardId": "1337", "balanceId": "b334b384-328c-11ed-a261-0242ac120002",
                "amount": "1000", "currency": "PLN", "merchantName": "merchant test", "otp": "1111"})
        );
        let date = "2025-06-17T13:42:54+00:00";
        assert_eq!(read(&locked), json!({"dcCardId": "11", "date": date, "reason": "PIN_TRIES_EXCEEDED"}));
        assert_eq!(read(&unlocked), json!({"dcCardId": "11", "date": date}));
        assert_eq!([otp.keyed, locked.keyed, unlocked.keyed], [true, false, false]);
    }

    #[tokio::test]
    async fn a_sample_can_be_made_out_to_anybody_and_posted() {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let gateway = Provider::open(crate::domain::address::Channel::Sms, anywhere, Keeping::Tokens).await.unwrap();
        let mut processor = Processor::new(&format!("http://{}", gateway.address()), None).unwrap();

        let otp = Otp { storage_customer_id: "7".into(), otp: "0042".into(), ..Otp::default() };
        let answer = processor.send(&otp.sample()).await.unwrap();

        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"id":"sms-1"}"#));
    }
}
