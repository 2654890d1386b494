//! Reads DER (X.690) as far as the `openssl` crate does not: nested values, object identifiers and strings.

/// A value and its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DerValue<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// Tag, length and content.
    pub(super) encoded: &'a [u8],
}

pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of the context-specific, constructed value 0.
pub(super) const FIRST_OPTIONAL: u8 = 0xa0;

impl<'a> DerValue<'a> {
    /// The value at the beginning of `bytes`, and what follows. Tags have one byte.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let [tag, first, rest @ ..] = bytes else { return None };
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let encoded = bytes.get(..bytes.len() - after.len())?;
        Some((Self { tag: *tag, content, encoded }, after))
    }

    /// The values inside, if it has this tag and nothing else inside.
    pub(super) fn inside(&self, tag: u8) -> Option<Vec<Self>> {
        let (mut values, mut rest) = (Vec::new(), self.content);
        while self.tag == tag && !rest.is_empty() {
            let (value, after) = Self::read(rest)?;
            values.push(value);
            rest = after;
        }
        (self.tag == tag).then_some(values)
    }

    /// An object identifier, as in `2.5.4.3`.
    pub(super) fn object_identifier(&self) -> Option<String> {
        let (mut arcs, mut arc) = (Vec::new(), 0_u64);
        if self.tag != OBJECT_IDENTIFIER || self.content.last()? & 0x80 != 0 {
            return None;
        }
        for byte in self.content {
            arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
            if byte & 0x80 == 0 {
                arcs.push(std::mem::take(&mut arc));
            }
        }
        let (first, rest) = arcs.split_first()?;
        let top = (first / 40).min(2);
        let all = [top, first - top * 40].into_iter().chain(rest.iter().copied());
        Some(all.map(|arc| arc.to_string()).collect::<Vec<_>>().join("."))
    }

    /// The text of a string, `None` for other values. Unlike a C string it may contain NUL.
    pub(super) fn text(&self) -> Option<String> {
        match self.tag {
            // UTF8String
            0x0c => String::from_utf8(self.content.to_vec()).ok(),
            // NumericString, PrintableString, IA5String, VisibleString; TeletexString is Latin-1 in practice.
            0x12 | 0x13 | 0x16 | 0x1a | 0x14 => Some(self.content.iter().map(|byte| char::from(*byte)).collect()),
            // BMPString
            0x1e => String::from_utf16(&units(self.content, |[one, two]| u16::from_be_bytes([one, two]))?).ok(),
            // UniversalString
            0x1c => units(self.content, u32::from_be_bytes)?.into_iter().map(char::from_u32).collect(),
            _ => None,
        }
    }
}

fn units<const N: usize, T>(bytes: &[u8], unit: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
    let chunks = bytes.chunks(N).map(|chunk| <[u8; N]>::try_from(chunk).ok().map(&unit));
    chunks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Option<DerValue<'_>> {
        DerValue::read(bytes).map(|(value, _)| value)
    }

    #[test]
    fn an_identifier_that_is_cut_short_or_too_large_is_not_read() {
        for bad in [&[][..], &[6], &[6, 5, 1], &[6, 0x85], &[6, 1, 0x80], &[6, 0]] {
            assert_eq!(value(bad).and_then(|value| value.object_identifier()), None, "{bad:?}");
        }
        let huge = [6, 12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(value(&huge).and_then(|value| value.object_identifier()), None);
        let found = value(&[6, 3, 0x55, 0x1d, 0x13]).unwrap();
        assert_eq!(found.object_identifier().as_deref(), Some("2.5.29.19"));
    }

    #[test]
    fn strings_of_every_kind_are_read_with_a_nul_inside() {
        for bytes in [
            &[0x0c, 3, b'a', 0, b'b'][..],
            &[0x13, 3, b'a', 0, b'b'],
            &[0x1e, 6, 0, b'a', 0, 0, 0, b'b'],
            &[0x1c, 12, 0, 0, 0, b'a', 0, 0, 0, 0, 0, 0, 0, b'b'],
        ] {
            assert_eq!(value(bytes).unwrap().text().as_deref(), Some("a\0b"), "{bytes:?}");
        }
        for bad in [&[0x0c, 1, 0xff][..], &[0x1e, 1, 0], &[0x04, 1, b'a']] {
            assert_eq!(value(bad).unwrap().text(), None, "{bad:?}");
        }
    }

    #[test]
    fn values_inside_are_read_to_the_end_or_not_at_all() {
        let outer = [0x30, 5, 0x02, 1, 7, 0x05, 0];
        let inside = value(&outer).unwrap().inside(SEQUENCE).unwrap();
        assert_eq!(inside.iter().map(|value| value.tag).collect::<Vec<_>>(), [0x02, 0x05]);
        assert_eq!(value(&outer).unwrap().inside(SET), None);
        assert_eq!(value(&[0x30, 3, 0x02, 5, 7]).unwrap().inside(SEQUENCE), None);
        let mut long = vec![0x04, 0x82, 1, 0];
        long.extend([0; 256]);
        assert_eq!(value(&long).unwrap().content.len(), 256);
    }
}
