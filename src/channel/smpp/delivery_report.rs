//! Delivery receipts of a centre: a `deliver_sm` with parameters (5.3.2) and with a text (appendix B).
//!
//! Pure. The text may end with the beginning of the message, so nothing after `text:` is read, and only known words are kept.

use serde::Deserialize;

use super::pdu::{BodyReader, tag};
use crate::domain::clock::Timestamp;
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Receipt, ReceiptBatch, ReceiptCode, ReceiptStatus};

/// The bits of `esm_class` that say what a message is, and their value for a receipt (5.2.12).
const KIND: u8 = 0x3c;
const RECEIPT: u8 = 0x04;

/// `message_state` (5.2.28) and the words of texts. What has no status is not final.
const STATES: [(u8, &str, Option<ReceiptStatus>); 8] = [
    (1, "ENROUTE", None),
    (2, "DELIVRD", Some(ReceiptStatus::Delivered)),
    (3, "EXPIRED", Some(ReceiptStatus::Expired)),
    (4, "DELETED", Some(ReceiptStatus::Undelivered)),
    (5, "UNDELIV", Some(ReceiptStatus::Undelivered)),
    (6, "ACCEPTD", None),
    (7, "UNKNOWN", None),
    (8, "REJECTD", Some(ReceiptStatus::Undelivered)),
];

/// The longest value of `err:` that is kept. The standard has three digits.
const ERROR_MAX: usize = 8;

/// How the texts of receipts write a message's id, compared with the answer to the message.
///
/// Hexadecimal ids are compared without leading zeros and in lower case, because centres differ in that, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptId {
    /// In the same base.
    #[default]
    Same,
    /// In decimal, while the answer is hexadecimal.
    Decimal,
    /// In hexadecimal, while the answer is decimal.
    Hex,
}

impl ReceiptId {
    fn in_text(self, id: &str) -> Option<Reference> {
        let converted = match self {
            Self::Same => None,
            Self::Decimal => id.parse::<u128>().ok().map(|number| format!("{number:x}")),
            Self::Hex => u128::from_str_radix(id, 16).ok().map(|number| number.to_string()),
        };
        reference(converted.as_deref().unwrap_or(id))
    }
}

/// The reference that an id is stored and found by.
pub(super) fn reference(id: &str) -> Option<Reference> {
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Reference::new(id);
    }
    let digits = id.trim_start_matches('0');
    let digits = if digits.is_empty() { id.get(..1).unwrap_or_default() } else { digits };
    Reference::new(&digits.to_ascii_lowercase())
}

/// What the body of a `deliver_sm` reports; `None` when it is no receipt. The time of arrival is added later.
pub(super) fn read(body: &[u8], ids: ReceiptId) -> Option<ReceiptBatch> {
    let mut fields = BodyReader::new(body);
    fields.text();
    for _address in ["source", "destination"] {
        fields.octets(2);
        fields.text();
    }
    if fields.number() & KIND != RECEIPT {
        return None;
    }
    // The protocol and the priority, two times, and four numbers.
    fields.octets(2);
    fields.text();
    fields.text();
    fields.octets(4);
    let length = fields.number();
    let text = fields.octets(length.into());
    let (mut id, mut state, mut payload) = (None, None, None);
    for (parameter, value) in fields.optional() {
        match parameter {
            tag::RECEIPTED_MESSAGE_ID => id = Some(BodyReader::new(value).text()),
            tag::MESSAGE_STATE => state = value.first().copied(),
            tag::MESSAGE_PAYLOAD => payload = Some(value),
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(payload.unwrap_or(text));
    let text = ReceiptText(&text);
    let id = id.and_then(|id| reference(&String::from_utf8_lossy(id)));
    let id = id.or_else(|| ids.in_text(text.field("id")?));
    let state = state.and_then(|state| STATES.iter().find(|(number, ..)| *number == state));
    let state = state.or_else(|| {
        let word = text.field("stat")?;
        STATES.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word))
    });
    let (Some(reference), Some((_, word, status))) = (id, state) else {
        return Some(ReceiptBatch { receipts: Vec::new(), unreadable: 1 });
    };
    let code = ReceiptCode::new(&text.error().map_or_else(|| (*word).to_owned(), |error| format!("{word} {error}")));
    let receipts = status.map(|status| Receipt { reference, status, code, at: Timestamp::default() });
    Some(ReceiptBatch { receipts: receipts.into_iter().collect(), unreadable: 0 })
}

/// `id:IIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text:...`.
struct ReceiptText<'a>(&'a str);

impl<'a> ReceiptText<'a> {
    /// The value of a field. Centres write blanks after the colon, and capitals.
    fn field(&self, name: &str) -> Option<&'a str> {
        let mut words = self.0.split_ascii_whitespace();
        while let Some(word) = words.next() {
            let (key, value) = word.split_once(':').unwrap_or((word, ""));
            if key.eq_ignore_ascii_case("text") {
                return None;
            }
            if key.eq_ignore_ascii_case(name) && word.len() > key.len() {
                let value = if value.is_empty() { words.next().unwrap_or_default() } else { value };
                return Some(value).filter(|value| !value.is_empty() && !value.contains(':'));
            }
        }
        None
    }

    /// The error, unless it is none.
    fn error(&self) -> Option<&'a str> {
        let error = self.field("err")?;
        let is_code = error.len() <= ERROR_MAX && error.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_code && error.bytes().any(|byte| byte != b'0')).then_some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pdu::BodyWriter;
    use super::*;

    fn body(esm_class: u8, text: &str, parameters: &[(u16, &[u8])]) -> Vec<u8> {
        let body = BodyWriter::default().text("").octets(&[1, 1]).text("48600100200").octets(&[5, 0]).text("BANK");
        let body = body.octets(&[esm_class, 0, 0]).text("").text("").octets(&[0, 0, 0, 0]);
        let body = body.octets(&[u8::try_from(text.len()).unwrap()]).octets(text.as_bytes());
        parameters.iter().fold(body, |body, (tag, value)| body.optional(*tag, value)).finish()
    }

    fn found(text: &str, parameters: &[(u16, &[u8])], ids: ReceiptId) -> Option<(String, ReceiptStatus, String)> {
        let batch = read(&body(RECEIPT, text, parameters), ids).unwrap();
        let receipt = batch.receipts.into_iter().next()?;
        Some((receipt.reference.as_str().to_owned(), receipt.status, receipt.code.unwrap().as_str().to_owned()))
    }

    #[test]
    fn a_receipt_is_read_from_its_text_and_its_parameters() {
        use ReceiptStatus::{Delivered, Expired, Undelivered};
        let usual = "id:0123456789 sub:001 dlvrd:001 submit date:2611281200 done date:2611281201 stat:DELIVRD err:000 text:Kod 00";
        let undelivered = "ID: 00aB Sub: 001 Stat: undeliv Err: 27 Text: id:9 stat:DELIVRD";
        let other: [(u16, &[u8]); 2] = [(tag::RECEIPTED_MESSAGE_ID, b"C-7\0"), (tag::MESSAGE_STATE, &[3])];
        let without_nul: [(u16, &[u8]); 1] = [(tag::RECEIPTED_MESSAGE_ID, b"C-7")];
        for (text, parameters, reference, status, code) in [
            (usual, &[][..], "123456789", Delivered, "DELIVRD"),
            (undelivered, &[], "ab", Undelivered, "UNDELIV 27"),
            ("id:7 stat:REJECTD err:x!", &[], "7", Undelivered, "REJECTD"),
            (usual, &other, "C-7", Expired, "EXPIRED"),
            ("", &other, "C-7", Expired, "EXPIRED"),
            (usual, &without_nul, "C-7", Delivered, "DELIVRD"),
        ] {
            let expected = (reference.to_owned(), status, code.to_owned());
            assert_eq!(found(text, parameters, ReceiptId::Same), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_final_is_no_receipt_and_what_cannot_be_read_is_counted() {
        let read = |esm_class, text| read(&body(esm_class, text, &[]), ReceiptId::Same);
        for text in ["id:7 stat:ENROUTE", "id:7 stat:ACCEPTD", "id:7 stat:UNKNOWN"] {
            assert_eq!(read(RECEIPT, text), Some(ReceiptBatch::default()), "{text}");
        }
        for text in ["", "stat:DELIVRD", "id:7", "id: stat:DELIVRD", "id:7 stat:DONE", "text:id:7 stat:DELIVRD"] {
            assert_eq!(read(RECEIPT, text).map(|batch| batch.unreadable), Some(1), "{text}");
        }
        assert_eq!(read(0, "id:7 stat:DELIVRD"), None);
        // An intermediate notification.
        assert_eq!(read(0x20, "id:7 stat:DELIVRD"), None);
        assert_eq!(super::read(&[], ReceiptId::Same), None);
    }

    #[test]
    fn ids_are_the_same_in_every_way_that_centres_write_them() {
        let of_text = |ids: ReceiptId, id: &str| ids.in_text(id).unwrap();
        for (answer, ids, text) in [
            ("0000A1F", ReceiptId::Same, "a1f"),
            ("123", ReceiptId::Same, "0000000123"),
            ("0", ReceiptId::Same, "000"),
            ("5F3A2B", ReceiptId::Decimal, "0006240811"),
            ("6240811", ReceiptId::Hex, "005f3a2b"),
            ("Msg-00A", ReceiptId::Same, "Msg-00A"),
            ("Msg-00A", ReceiptId::Decimal, "Msg-00A"),
        ] {
            assert_eq!(reference(answer), Some(of_text(ids, text)), "{answer} {text}");
        }
        assert_ne!(reference("Msg-A"), reference("msg-a"));
        assert_eq!(reference(""), None);
    }
}
