//! The text of a message in octets, and the parts of one that is longer than a segment.

use serde::Deserialize;

use super::pdu::tag;
use crate::domain::sms_encoding::{Encoding, gsm_octets};

/// `data_coding` (5.2.19).
const CENTRE_DEFAULT: u8 = 0;
const LATIN_1: u8 = 3;
const UCS_2: u8 = 8;

/// `esm_class` (5.2.12): the text begins with a user data header.
const WITH_HEADER: u8 = 0x40;

/// How texts are encoded that fit GSM 03.38. All others are sent as UCS-2, big endian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alphabet {
    /// The codes of GSM 03.38, an octet for each, as the default alphabet of the centre.
    #[default]
    Gsm,
    /// ISO 8859-1, if that has every character: for centres that convert.
    Latin1,
    /// UCS-2 always.
    Ucs2,
}

/// How the parts of a text are joined that is longer than a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongText {
    /// By a header in each part (3GPP TS 23.040, 9.2.3.24.1).
    #[default]
    Udh,
    /// By the parameters `sar_msg_ref_num` and so on of each part.
    Sar,
    /// It is one message with the parameter `message_payload`: the centre splits it.
    Payload,
}

/// One `submit_sm`, as far as the text decides it.
pub(super) struct MessagePart {
    pub(super) esm_class: u8,
    pub(super) data_coding: u8,
    pub(super) octets: Vec<u8>,
    pub(super) parameters: Vec<(u16, Vec<u8>)>,
}

/// The parts of `text`, in order. `number` tells the long messages to one phone apart.
pub(super) fn parts(text: &str, number: u8, alphabet: Alphabet, long: LongText) -> Vec<MessagePart> {
    let coding = alphabet.coding(text);
    let encoding = if coding == UCS_2 { Encoding::Ucs2 } else { Encoding::Gsm };
    let segments: Vec<&str> = encoding.segments(text).collect();
    let plain = |octets| MessagePart { esm_class: 0, data_coding: coding, octets, parameters: Vec::new() };
    if segments.len() == 1 {
        return vec![plain(octets(coding, text))];
    }
    let Some(count) = u8::try_from(segments.len()).ok().filter(|_| long != LongText::Payload) else {
        let parameters = vec![(tag::MESSAGE_PAYLOAD, octets(coding, text))];
        return vec![MessagePart { parameters, ..plain(Vec::new()) }];
    };
    let part = |(place, segment): (u8, &&str)| match long {
        LongText::Sar => MessagePart {
            parameters: vec![
                (tag::SAR_MSG_REF_NUM, vec![0, number]),
                (tag::SAR_TOTAL_SEGMENTS, vec![count]),
                (tag::SAR_SEGMENT_SEQNUM, vec![place]),
            ],
            ..plain(octets(coding, segment))
        },
        LongText::Udh | LongText::Payload => {
            // The length of the header; element 0, concatenation, of three octets.
            let header = vec![5, 0, 3, number, count, place];
            MessagePart { esm_class: WITH_HEADER, ..plain([header, octets(coding, segment)].concat()) }
        }
    };
    (1..).zip(&segments).map(part).collect()
}

impl Alphabet {
    fn coding(self, text: &str) -> u8 {
        let is_gsm = Encoding::of(text) == Encoding::Gsm;
        match self {
            Self::Gsm if is_gsm => CENTRE_DEFAULT,
            Self::Latin1 if is_gsm && text.chars().all(|c| u8::try_from(c).is_ok()) => LATIN_1,
            Self::Gsm | Self::Latin1 | Self::Ucs2 => UCS_2,
        }
    }
}

fn octets(coding: u8, text: &str) -> Vec<u8> {
    match coding {
        CENTRE_DEFAULT => gsm_octets(text).collect(),
        LATIN_1 => text.chars().filter_map(|c| u8::try_from(c).ok()).collect(),
        _ => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str, alphabet: Alphabet) -> (u8, Vec<u8>) {
        let mut parts = parts(text, 7, alphabet, LongText::Udh);
        assert_eq!((parts.len(), parts[0].esm_class), (1, 0));
        (parts[0].data_coding, std::mem::take(&mut parts[0].octets))
    }

    #[test]
    fn a_text_is_encoded_as_the_alphabet_says_and_else_as_ucs_2() {
        for (text, alphabet, coding, octets) in [
            ("@é1€", Alphabet::Gsm, 0, &b"\x00\x051\x1b\x65"[..]),
            ("@é1", Alphabet::Latin1, 3, b"@\xe91"),
            ("1€", Alphabet::Latin1, 8, b"\x001\x20\xac"),
            ("ç", Alphabet::Latin1, 8, b"\x00\xe7"),
            ("ł😀", Alphabet::Gsm, 8, b"\x01\x42\xd8\x3d\xde\x00"),
            ("a", Alphabet::Ucs2, 8, b"\x00a"),
        ] {
            assert_eq!(only(text, alphabet), (coding, octets.to_vec()), "{text}");
        }
    }

    #[test]
    fn a_long_text_has_a_header_or_parameters_in_each_part_or_is_one_payload() {
        let short = parts(&"a".repeat(160), 7, Alphabet::Gsm, LongText::Payload);
        assert_eq!((short.len(), short[0].octets.len(), short[0].parameters.len()), (1, 160, 0));
        let text = "a".repeat(161);

        let with_header = parts(&text, 7, Alphabet::Gsm, LongText::Udh);
        let heads: Vec<_> = with_header.iter().map(|it| (it.esm_class, &it.octets[..6], it.octets.len())).collect();
        assert_eq!(heads, [(0x40, &[5, 0, 3, 7, 2, 1][..], 159), (0x40, &[5, 0, 3, 7, 2, 2], 14)]);

        let with_parameters = parts(&text, 7, Alphabet::Gsm, LongText::Sar);
        let second = &with_parameters[1];
        assert_eq!((second.esm_class, second.octets.len()), (0, 8));
        assert_eq!(second.parameters, [(0x20c, vec![0, 7]), (0x20e, vec![2]), (0x20f, vec![2])]);

        let payload = parts(&text, 7, Alphabet::Ucs2, LongText::Payload);
        assert_eq!((payload.len(), payload[0].octets.len()), (1, 0));
        assert_eq!((payload[0].parameters[0].0, payload[0].parameters[0].1.len()), (0x424, 322));
    }
}
