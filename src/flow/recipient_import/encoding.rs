//! Reads a text file as UTF-8, whichever of the encodings of Unicode it is in, and refuses other files by name.

use std::collections::VecDeque;
use std::io::{self, Read};

/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;

/// What an operator does about a file in another encoding.
pub(super) const SAVE_AS: &str = "in a spreadsheet, save it as \"CSV UTF-8\"";

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextEncoding {
    Utf8,
    Utf16Little,
    Utf16Big,
}

/// Bytes of a file, in UTF-8 and without a byte order mark. Invalid UTF-8 is passed on as it is.
pub(super) struct Utf8Reader<R> {
    source: R,
    encoding: TextEncoding,
    /// Bytes of the file that are not decoded yet.
    pending: Vec<u8>,
    /// Decoded bytes that are not read yet.
    ready: VecDeque<u8>,
}

impl<R: Read> Utf8Reader<R> {
    /// Recognises the encoding by the first bytes.
    ///
    /// # Errors
    /// The file is not text; the message names what it is.
    pub(super) fn open(mut source: R) -> Result<Self, String> {
        let mut start = Vec::with_capacity(CHUNK);
        source.by_ref().take(4).read_to_end(&mut start).map_err(|error| error.to_string())?;
        if let Some(other) = other_format(&start) {
            return Err(format!("the file is {other}; {SAVE_AS}"));
        }
        let (encoding, mark) = match start.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => (TextEncoding::Utf8, 3),
            [0xff, 0xfe, ..] => (TextEncoding::Utf16Little, 2),
            [0xfe, 0xff, ..] => (TextEncoding::Utf16Big, 2),
            [1..=0xff, 0, 1..=0xff, 0] => (TextEncoding::Utf16Little, 0),
            [0, 1..=0xff, 0, 1..=0xff] => (TextEncoding::Utf16Big, 0),
            _ => (TextEncoding::Utf8, 0),
        };
        let pending = start.split_off(mark);
        let mut reader = Self { source, encoding, pending, ready: VecDeque::new() };
        reader.decode().map_err(|error| error.to_string())?;
        Ok(reader)
    }

    // What is left in `pending` is the first part of a character.
    fn decode(&mut self) -> io::Result<()> {
        let unit = match self.encoding {
            TextEncoding::Utf16Little => u16::from_le_bytes,
            TextEncoding::Utf16Big => u16::from_be_bytes,
            TextEncoding::Utf8 => {
                self.ready.extend(self.pending.drain(..));
                return Ok(());
            }
        };
        let mut units: Vec<u16> = self.pending.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        if units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        self.pending.drain(..units.len() * 2);
        for decoded in char::decode_utf16(units) {
            let character = decoded.map_err(|_| io::Error::other("not UTF-16"))?;
            self.ready.extend(character.encode_utf8(&mut [0; 4]).bytes());
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            if self.encoding == TextEncoding::Utf8 {
                return self.source.read(buffer);
            }
            let count = self.source.by_ref().take(CHUNK as u64).read_to_end(&mut self.pending)?;
            if count == 0 {
                let cut = io::Error::other("the file ends in the middle of a character");
                return if self.pending.is_empty() { Ok(0) } else { Err(cut) };
            }
            self.decode()?;
        }
        self.ready.read(buffer)
    }
}

fn other_format(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [b'P', b'K', 3, 4] => "an Excel workbook (.xlsx) or another ZIP archive",
        [0xd0, 0xcf, 0x11, 0xe0] => "an Excel workbook (.xls)",
        [0x1f, 0x8b, ..] => "compressed with gzip",
        [b'%', b'P', b'D', b'F'] => "a PDF document",
        [0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff] => "in UTF-32",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "recipient,locale\nźdźbło,漢\u{1f511}\n";

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    fn decoded(bytes: &[u8]) -> io::Result<String> {
        // One byte at a time, so that every boundary falls into the middle of a character.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let most = buffer.len().min(1);
                self.0.read(&mut buffer[..most])
            }
        }
        let mut text = String::new();
        Utf8Reader::open(Slow(bytes)).map_err(io::Error::other)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_encoding_of_unicode_reads_the_same() {
        let marked = format!("\u{feff}{TEXT}");
        assert_eq!(decoded(TEXT.as_bytes()).unwrap(), TEXT);
        assert_eq!(decoded(marked.as_bytes()).unwrap(), TEXT);
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(decoded(&utf16(&marked, unit)).unwrap(), TEXT);
            assert_eq!(decoded(&utf16(TEXT, unit)).unwrap(), TEXT);
            let long = TEXT.repeat(2_000);
            assert_eq!(decoded(&utf16(&long, unit)).unwrap(), long);
        }
        assert_eq!(decoded(b"").unwrap(), "");
        assert_eq!(decoded(b"a\n").unwrap(), "a\n");
    }

    #[test]
    fn a_file_that_is_cut_off_or_no_text_is_refused_by_name() {
        let whole = utf16(&format!("\u{feff}{TEXT}"), u16::to_le_bytes);
        assert!(decoded(&whole[..whole.len() - 1]).unwrap_err().to_string().contains("in the middle of a character"));
        for (start, name) in [
            (&b"PK\x03\x04....."[..], ".xlsx"),
            (b"\xd0\xcf\x11\xe0\xa1", ".xls"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\xff\xfe\x00\x00r\x00\x00\x00", "UTF-32"),
        ] {
            assert!(decoded(start).unwrap_err().to_string().contains(name), "{name}");
        }
    }
}
