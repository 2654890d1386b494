//! The PDUs of SMPP 3.4 (issue 1.2) that a sender of short messages needs, as octets.
//!
//! It knows no connection. What it reads is read leniently: a text may lack its final NUL or be longer than the standard says,
//! because centres do both, and a message that was accepted must not look as if it was not.

use bytes::{Buf, BytesMut};

/// `command_id` (5.1.2.1).
pub(super) mod command {
    pub(in super::super) const GENERIC_NACK: u32 = 0x8000_0000;
    pub(in super::super) const SUBMIT_SM: u32 = 0x0000_0004;
    pub(in super::super) const DELIVER_SM: u32 = 0x0000_0005;
    pub(in super::super) const UNBIND: u32 = 0x0000_0006;
    pub(in super::super) const BIND_TRANSCEIVER: u32 = 0x0000_0009;
    pub(in super::super) const ENQUIRE_LINK: u32 = 0x0000_0015;
    pub(in super::super) const ALERT_NOTIFICATION: u32 = 0x0000_0102;
    /// Set in the answer to a command.
    pub(in super::super) const ANSWER: u32 = 0x8000_0000;
}

/// Tags of optional parameters (5.3.2).
pub(super) mod tag {
    pub(in super::super) const RECEIPTED_MESSAGE_ID: u16 = 0x001e;
    pub(in super::super) const SAR_MSG_REF_NUM: u16 = 0x020c;
    pub(in super::super) const SAR_TOTAL_SEGMENTS: u16 = 0x020e;
    pub(in super::super) const SAR_SEGMENT_SEQNUM: u16 = 0x020f;
    pub(in super::super) const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub(in super::super) const MESSAGE_STATE: u16 = 0x0427;
}

/// The octets of a header (3.2).
const HEADER: usize = 16;

/// The longest PDU that is read, in octets. The longest text of a standard PDU has 64 KiB.
const PDU_MAX: usize = 72 * 1024;

/// The largest sequence number (5.1.4).
pub(super) const SEQUENCE_MAX: u32 = 0x7fff_ffff;

/// One PDU. Its body may contain the message or the password, so there is no `Debug`.
pub(super) struct Pdu {
    pub(super) command: u32,
    pub(super) status: u32,
    pub(super) sequence: u32,
    pub(super) body: Vec<u8>,
}

/// The other side does not speak SMPP: the length of a PDU is none.
pub(super) struct NotSmpp;

impl Pdu {
    /// A command with this body.
    pub(super) fn command(command: u32, sequence: u32, body: Vec<u8>) -> Self {
        Self { command, status: 0, sequence, body }
    }

    /// The answer to this command. The bodies of those that we answer are empty, or an empty text.
    pub(super) fn answer(&self, status: u32) -> Self {
        let body = if self.command == command::DELIVER_SM { vec![0] } else { Vec::new() };
        Self { command: self.command | command::ANSWER, status, sequence: self.sequence, body }
    }

    /// Appends it as it is sent.
    pub(super) fn write(&self, out: &mut BytesMut) {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        for number in [length, self.command, self.status, self.sequence] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.body);
    }

    /// Takes the first PDU out of what was received; `None` while it is incomplete.
    pub(super) fn take(inbox: &mut BytesMut) -> Result<Option<Self>, NotSmpp> {
        let Some((length, _)) = inbox.split_first_chunk() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(HEADER..=PDU_MAX).contains(&length) {
            return Err(NotSmpp);
        }
        if inbox.len() < length {
            return Ok(None);
        }
        let mut pdu = inbox.split_to(length);
        pdu.advance(size_of::<u32>());
        let (command, status, sequence) = (pdu.get_u32(), pdu.get_u32(), pdu.get_u32());
        Ok(Some(Self { command, status, sequence, body: pdu.to_vec() }))
    }
}

/// Writes the fields of a body.
#[derive(Default)]
pub(super) struct BodyWriter(Vec<u8>);

impl BodyWriter {
    /// A text with its final NUL.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.extend(text.bytes().chain([0]));
        self
    }

    pub(super) fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    /// An optional parameter.
    pub(super) fn optional(self, tag: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.octets(&tag.to_be_bytes()).octets(&length.to_be_bytes()).octets(value)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the fields of a body.
pub(super) struct BodyReader<'a>(&'a [u8]);

impl<'a> BodyReader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// Up to the next NUL, or to the end.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        text
    }

    /// So many octets, or those that are there.
    pub(super) fn octets(&mut self, count: usize) -> &'a [u8] {
        let (octets, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        octets
    }

    /// 0 at the end.
    pub(super) fn number(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or_default()
    }

    fn number_of_two(&mut self) -> u16 {
        u16::from_be_bytes([self.number(), self.number()])
    }

    /// The optional parameters: tags and values.
    pub(super) fn optional(mut self) -> impl Iterator<Item = (u16, &'a [u8])> {
        std::iter::from_fn(move || {
            let is_left = !self.0.is_empty();
            is_left.then(|| {
                let (tag, length) = (self.number_of_two(), self.number_of_two());
                (tag, self.octets(length.into()))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pdu_is_written_as_the_standard_shows_it_and_read_back_when_it_is_complete() {
        // The sample of section 3.2.2, as a transceiver.
        let body = BodyWriter::default().text("SMPP3TEST").text("secret08").text("SUBMIT1").octets(&[0, 1, 1]).text("");
        let mut out = BytesMut::new();
        Pdu::command(command::BIND_TRANSCEIVER, 1, body.finish()).write(&mut out);
        let expected = "0000002f000000090000000000000001534d5050335445535400736563726574303800\
                        5355424d4954310000010100";
        assert_eq!(hex::encode(&out), expected);

        let mut inbox = BytesMut::new();
        for octet in &out[..out.len() - 1] {
            inbox.extend_from_slice(&[*octet]);
            assert!(matches!(Pdu::take(&mut inbox), Ok(None)));
        }
        inbox.extend_from_slice(&[0, 0xff]);
        let Ok(Some(pdu)) = Pdu::take(&mut inbox) else { unreachable!("incomplete") };
        assert_eq!((pdu.command, pdu.status, pdu.sequence, inbox.len()), (9, 0, 1, 1));
        let mut fields = BodyReader::new(&pdu.body);
        assert_eq!([fields.text(), fields.text(), fields.text()], [&b"SMPP3TEST"[..], b"secret08", b"SUBMIT1"]);
    }

    #[test]
    fn a_length_that_no_pdu_has_is_no_smpp() {
        for head in [*b"HTTP", [0, 0, 0, 15], [0, 1, 0x20, 1]] {
            assert!(Pdu::take(&mut BytesMut::from(&head[..])).is_err(), "{head:?}");
        }
    }

    #[test]
    fn parameters_are_read_as_far_as_they_are_there() {
        let read = |octets: &'static [u8]| BodyReader::new(octets).optional().collect::<Vec<_>>();
        assert_eq!(read(b"\x00\x1e\x00\x02ab\x04\x27\x00\x01\x02"), [(0x1e, &b"ab"[..]), (0x427, &[2])]);
        assert_eq!(read(b"\x00\x1e\x00\x09ab"), [(0x1e, &b"ab"[..])]);
        assert_eq!(read(b"\x00"), [(0, &b""[..])]);
        assert_eq!(BodyReader::new(b"no end").text(), b"no end");
    }
}
