//! Notifications as the processor posts them: the published samples, with any part changed.

use std::fmt::Write as _;

use openssl::pkey::{PKey, Public};
use otpost::domain::clock::Timestamp;
use otpost::sim::jwe;
use serde_json::{Map, Value, json};

/// The published sample of a code, for customer 1337, without a key.
pub(crate) fn otp() -> SampleNotification {
    SampleNotification::new(
        "/notifications/otp",
        &json!({"storageCustomerId": "1337", "storageCardId": "1337",
            "balanceId": "b334b384-328c-11ed-a261-0242ac120002", "amount": "1000", "currency": "PLN",
            "merchantName": "merchant test", "otp": "48151623"}),
    )
}

/// The published sample of a locked card, number 11.
pub(crate) fn locked(at: Timestamp) -> SampleNotification {
    let sample = json!({"dcCardId": "11", "date": rfc3339(at), "reason": "PIN_TRIES_EXCEEDED"});
    SampleNotification::new("/notifications/cardLocked", &sample)
}

/// The published sample of an unlocked card, number 11.
pub(crate) fn unlocked(at: Timestamp) -> SampleNotification {
    SampleNotification::new("/notifications/cardUnlocked", &json!({"dcCardId": "11", "date": rfc3339(at)}))
}

/// The published sample of a check of an identity, for user 1337; `step` is `InProgress`, `Accepted` or `Rejected`.
pub(crate) fn verification(step: &str) -> SampleNotification {
    let (status, reason) = match step {
        "InProgress" => ("IN_PROGRESS", Value::Null),
        "Accepted" => ("ACCEPTED", Value::Null),
        _ => ("REJECTED", json!("INVALID_CUSTOMER_DATA")),
    };
    SampleNotification::new(
        &format!("/notifications/verification{step}"),
        &json!({"verificationId": "6faaa45a-41f6-4922-95fe-16e316ba7e91", "userId": "1337",
            "email": "one@example.org", "firstName": "Alex", "lastName": "Example",
            "status": status, "reason": reason}),
    )
}

/// The published sample of a reason that holds back payments of a company; `change` is `Added` or `Removed`.
pub(crate) fn transactional_lock(change: &str, at: Timestamp) -> SampleNotification {
    SampleNotification::new(
        &format!("/notifications/transactionalLockReason{change}"),
        &json!({"resourceType": "corporation", "resourceId": "a3f33118-946d-4b9c-b27f-e009d28355fa",
            "lockReason": "DOCUMENT_EXPIRED", "timestamp": rfc3339(at)}),
    )
}

/// A payment with card 1337, of the published shape.
pub(crate) fn transaction(at: Timestamp) -> SampleNotification {
    SampleNotification::new(
        "/notifications/transaction",
        &json!({"status": "SUCCESS", "date": rfc3339(at), "description": "Payment",
            "transaction": {"id": "91b7ab2c-4d5b-4b4f-9d6c-1d6b3f3f7a11",
                "balanceId": "b334b384-328c-11ed-a261-0242ac120002", "resourceId": "1337", "resource": "card",
                "cardId": "1337", "externalTransactionId": "777", "referenceExternalTransactionId": null,
                "type": "POS", "category": "DEBIT", "amount": 1000, "currency": "PLN",
                "originalAmount": 1000, "originalCurrency": "PLN", "status": "AUTHORIZED",
                "description": "Corner Shop", "date": rfc3339(at), "referenceExternalTransactionDate": null,
                "transactionData": {"mcc": "5411", "merchantIdentifier": "M1", "captureMode": "CHIP",
                    "lastFourDigits": "1234", "acquirerCountry": "POL"}}}),
    )
}

/// Every endpoint's sample.
pub(crate) fn every(at: Timestamp) -> [SampleNotification; 9] {
    [
        otp(),
        verification("InProgress"),
        verification("Accepted"),
        verification("Rejected"),
        locked(at),
        unlocked(at),
        transactional_lock("Added", at),
        transactional_lock("Removed", at),
        transaction(at),
    ]
}

pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// One request, still to be changed.
#[derive(Debug, Clone)]
pub(crate) struct SampleNotification {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    fields: Map<String, Value>,
    raw: Option<Vec<u8>>,
}

impl SampleNotification {
    fn new(path: &str, sample: &Value) -> Self {
        let fields = sample.as_object().cloned().unwrap();
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { method: "POST", path: path.to_owned(), headers, fields, raw: None }
    }

    pub(crate) fn customer(self, number: &str) -> Self {
        self.with("storageCustomerId", number)
    }

    pub(crate) fn card(self, number: &str) -> Self {
        self.with("dcCardId", number)
    }

    pub(crate) fn code(self, code: &str) -> Self {
        self.with("otp", code)
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("X-Idempotency-Key", key)
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// Changes a field of an object inside, as in `transaction.cardId`.
    pub(crate) fn with_inner(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (object, name) = self.object_of(path);
        object.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_inner(mut self, path: &str) -> Self {
        let (object, name) = self.object_of(path);
        object.remove(name).unwrap();
        self
    }

    fn object_of<'p>(&mut self, path: &'p str) -> (&mut Map<String, Value>, &'p str) {
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parents = parents.split('.').filter(|parent| !parent.is_empty());
        (parents.fold(&mut self.fields, |object, parent| object[parent].as_object_mut().unwrap()), name)
    }

    pub(crate) fn without(mut self, field: &str) -> Self {
        self.fields.remove(field);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_headers(mut self) -> Self {
        self.headers.clear();
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Neither body nor headers.
    pub(crate) fn without_body(self) -> Self {
        self.without_headers().body("")
    }

    /// These bytes as the body.
    pub(crate) fn body(mut self, raw: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(raw.into());
        self
    }

    /// Encrypted for whoever has the private key, and announced as such.
    pub(crate) fn sealed(self, to: &PKey<Public>) -> Self {
        let compact = jwe::seal(to, &self.bytes()).unwrap();
        self.encrypted(&compact)
    }

    /// This text in the place of the body, announced as encrypted.
    pub(crate) fn encrypted(self, compact: &str) -> Self {
        self.header("Encrypted-Request", "true").header("Public-Key", "any").body(jwe::body(compact))
    }

    /// The fields as JSON, or what was put in their place.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.raw.clone().unwrap_or_else(|| Value::Object(self.fields.clone()).to_string().into_bytes())
    }

    /// The fields as JSON text.
    pub(crate) fn json(&self) -> String {
        Value::Object(self.fields.clone()).to_string()
    }

    /// The whole request, framed properly.
    pub(crate) fn request(&self) -> Vec<u8> {
        let body = self.bytes();
        let mut head = format!("{} {} HTTP/1.1\r\nHost: gateway.test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if body.is_empty() && self.method != "POST" {
            head.push_str("\r\n");
        } else {
            write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
        }
        [head.into_bytes(), body].concat()
    }
}
