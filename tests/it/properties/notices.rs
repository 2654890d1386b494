//! Valid notifications of every endpoint, and the many ways of writing the same one.

use std::fmt::Write as _;

use otpost::ingest::processor::{Endpoint, at};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// An endpoint and a body that it accepts.
pub(super) fn notice() -> impl Strategy<Value = (&'static Endpoint, Value)> {
    prop_oneof![otp(), verification(), card(), transactional_lock(), transaction()]
}

pub(super) fn endpoint(name: &str) -> &'static Endpoint {
    at(&format!("/notifications/{name}")).unwrap().1
}

fn otp() -> BoxedStrategy<(&'static Endpoint, Value)> {
    let code = prop_oneof!["[0-9]{1,16}", "[0-9A-Za-z]{1,16}"];
    (id(), proptest::option::of(id()), uuid(), amount(), currency(), name(), code)
        .prop_map(|(customer, card, balance, amount, currency, merchant, code)| {
            let body = json!({"storageCustomerId": customer, "storageCardId": card, "balanceId": balance,
                "amount": amount, "currency": currency, "merchantName": merchant, "otp": code});
            (endpoint("otp"), body)
        })
        .boxed()
}

fn verification() -> BoxedStrategy<(&'static Endpoint, Value)> {
    let path = select(vec![
        (endpoint("verificationInProgress"), "IN_PROGRESS"),
        (endpoint("verificationAccepted"), "ACCEPTED"),
        (endpoint("verificationRejected"), "REJECTED"),
    ]);
    let email = proptest::option::of(
        "[a-z0-9_+-]{1,20}(\\.[a-z0-9_+-]{1,9}){0,2}@([a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?\\.){1,3}[a-z]{2,10}",
    );
    (path, uuid(), id(), email, name(), word())
        .prop_map(|((endpoint, status), check, user, email, first_name, reason)| {
            let body = json!({"verificationId": check, "userId": user, "email": email, "firstName": first_name,
                "status": status, "reason": reason});
            (endpoint, body)
        })
        .boxed()
}

fn card() -> BoxedStrategy<(&'static Endpoint, Value)> {
    (select(vec![endpoint("cardLocked"), endpoint("cardUnlocked")]), id(), date(), word())
        .prop_map(|(endpoint, card, date, reason)| {
            (endpoint, json!({"dcCardId": card, "date": date, "reason": reason}))
        })
        .boxed()
}

fn transactional_lock() -> BoxedStrategy<(&'static Endpoint, Value)> {
    let endpoint = select(vec![endpoint("transactionalLockReasonAdded"), endpoint("transactionalLockReasonRemoved")]);
    let id = prop_oneof![id(), uuid(), "[0-9]{1,64}"];
    (endpoint, select(vec!["corporation", "user"]), id, word(), date())
        .prop_map(|(endpoint, holder, id, reason, date)| {
            let body = json!({"resourceType": holder, "resourceId": id, "lockReason": reason, "timestamp": date});
            (endpoint, body)
        })
        .boxed()
}

fn transaction() -> BoxedStrategy<(&'static Endpoint, Value)> {
    let status = select(vec!["SUCCESS", "DECLINED", "INVALID", "PENDING"]);
    let stage = select(vec!["AUTHORIZED", "CLEARED", "REVERSED", "HELD"]);
    let category = select(vec!["DEBIT", "CREDIT", "OTHER"]);
    (status, "[!-~]{1,64}", id(), amount(), currency(), stage, category, name(), "[0-9]{4}")
        .prop_map(|(status, reference, card, amount, currency, stage, category, place, last)| {
            let payment = json!({"id": reference, "cardId": card, "amount": amount, "currency": currency,
                "status": stage, "category": category, "description": place,
                "transactionData": {"lastFourDigits": last}});
            (endpoint("transaction"), json!({"status": status, "transaction": payment}))
        })
        .boxed()
}

fn id() -> BoxedStrategy<String> {
    "[0-9]{1,20}".boxed()
}

fn uuid() -> BoxedStrategy<String> {
    any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string()).boxed()
}

fn amount() -> BoxedStrategy<String> {
    "[0-9]{1,19}".boxed()
}

fn currency() -> BoxedStrategy<String> {
    prop_oneof!["[A-Z]{3}", Just("PLN".to_owned()), Just("KWD".to_owned())].boxed()
}

fn name() -> BoxedStrategy<String> {
    prop_oneof!["[ -~]{1,60}", "\\PC{1,300}"].boxed()
}

fn word() -> BoxedStrategy<String> {
    prop_oneof!["[A-Z_]{1,30}", Just("PIN_TRIES_EXCEEDED".to_owned()), Just("FRAUD_SUSPECTED".to_owned())].boxed()
}

fn date() -> BoxedStrategy<String> {
    // From 1970 to `NOW`.
    (0_i64..1_750_171_374, -720_i64..=720)
        .prop_map(|(second, minutes)| {
            let offset = jiff::tz::Offset::from_seconds(i32::try_from(minutes * 60).unwrap()).unwrap();
            let at = jiff::Timestamp::from_second(second).unwrap().to_zoned(offset.to_time_zone());
            at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        })
        .boxed()
}

/// Decides how a body is written: an endless sequence of small numbers.
#[derive(Debug, Clone)]
pub(super) struct Choices(Vec<u8>, usize);

impl Choices {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        proptest::collection::vec(any::<u8>(), 1..64).prop_map(|bytes| Self(bytes, 0))
    }

    fn next(&mut self, below: usize) -> usize {
        self.1 += 1;
        usize::from(self.0[self.1 % self.0.len()]) % below
    }
}

/// `body` written in another way: fields in any order, unknown ones between them, white space anywhere, numbers in place
/// of texts of digits, characters escaped.
pub(super) fn rewritten(body: &Value, choices: &mut Choices) -> String {
    let mut text = if choices.next(8) == 0 { "\u{feff}".to_owned() } else { String::new() };
    write(body, choices, &mut text);
    text
}

fn write(value: &Value, choices: &mut Choices, out: &mut String) {
    blank(choices, out);
    match value {
        Value::Object(members) => write_object(members, choices, out),
        Value::String(text) if is_number(text) && choices.next(2) == 0 => out.push_str(text),
        Value::String(text) => write_text(text, choices, out),
        other => write!(out, "{other}").unwrap(),
    }
    blank(choices, out);
}

fn write_object(members: &Map<String, Value>, choices: &mut Choices, out: &mut String) {
    let mut left: Vec<(&str, Option<&Value>)> =
        members.iter().map(|(name, value)| (name.as_str(), Some(value))).collect();
    left.extend(["unknown", "OTP", ""][..choices.next(4)].iter().map(|name| (*name, None)));
    out.push('{');
    while !left.is_empty() {
        let (name, value) = left.swap_remove(choices.next(left.len()));
        blank(choices, out);
        write_text(name, choices, out);
        blank(choices, out);
        out.push(':');
        match value {
            Some(value) => write(value, choices, out),
            None => out.push_str(UNKNOWN[choices.next(UNKNOWN.len())]),
        }
        if !left.is_empty() {
            out.push(',');
        }
    }
    blank(choices, out);
    out.push('}');
}

/// Values of unknown fields.
const UNKNOWN: [&str; 5] = ["null", "-1.5e3", "\"x\"", "[1, {\"otp\": \"2\"}]", "{\"amount\": [], \"id\": 1}"];

fn write_text(text: &str, choices: &mut Choices, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') || c.is_control() || choices.next(6) == 0 {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else {
            out.push(c);
        }
    }
    out.push('"');
}

fn blank(choices: &mut Choices, out: &mut String) {
    out.push_str(["", "", "", " ", "\n", "\r\n\t"][choices.next(6)]);
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
}
