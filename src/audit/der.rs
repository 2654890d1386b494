//! The little of DER (ITU-T X.690) that RFC 3161 needs: values in order, each behind its tag and its length.

/// Tags.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// The first value of a choice or an optional one.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// One value of these parts.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut length = content.len().to_be_bytes().to_vec();
    let zeros = length.iter().take_while(|byte| **byte == 0).count().min(length.len() - 1);
    length.drain(..zeros);
    if length.len() > 1 || length[0] >= 0x80 {
        length.insert(0, 0x80 | u8::try_from(length.len()).unwrap_or(0));
    }
    [&[tag][..], &length, &content].concat()
}

/// A number that is not negative.
pub(super) fn unsigned(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1);
    let digits = &bytes[zeros..];
    // The first bit is the sign.
    let sign: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
    value(INTEGER, &[sign, digits])
}

/// Values that are read one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct DerReader<'a>(pub(super) &'a [u8]);

impl<'a> DerReader<'a> {
    /// The content of the next value, if it has this tag.
    pub(super) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content, rest) = split(self.0)?;
        if found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// The values inside the next one, if it has this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.read(tag).map(DerReader)
    }
}

// Tag, content, and what follows. Tags beyond one byte and lengths beyond four do not occur.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written_whatever_their_length() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let written = [value(OCTETS, &[&content]), unsigned(1)].concat();
            let mut reader = DerReader(&written);
            assert_eq!(reader.read(INTEGER), None, "another tag is left where it is");
            assert_eq!(reader.read(OCTETS), Some(&content[..]), "{length}");
            assert_eq!((reader.read(INTEGER), reader.read(INTEGER)), (Some(&[1][..]), None));
            assert_eq!(DerReader(&written[..=length]).read(OCTETS), None, "cut");
        }
    }

    #[test]
    fn numbers_are_written_without_superfluous_zeros_and_never_negative() {
        for (number, expected) in
            [(0, &[2, 1, 0][..]), (127, &[2, 1, 127]), (128, &[2, 2, 0, 128]), (65_535, &[2, 3, 0, 255, 255])]
        {
            assert_eq!(unsigned(number), expected);
        }
    }
}
