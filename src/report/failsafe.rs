//! A file for a library that does not stop at an error: the first error is kept, and nothing is written after it.
//!
//! The library that packs XLSX prints what fails while it gives up. So it hears of no error, and its caller asks at the end.

use std::io::{self, Seek, SeekFrom, Write};

/// Writes to `to` until that fails.
pub(super) struct Failsafe<W> {
    to: W,
    failed: Option<io::Error>,
    position: u64,
    end: u64,
}

impl<W> Failsafe<W> {
    pub(super) const fn new(to: W) -> Self {
        Self { to, failed: None, position: 0, end: 0 }
    }

    /// The first error, if there was one.
    pub(super) fn result(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl<W: Write> Write for Failsafe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.to.write_all(bytes).err();
        }
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_none() {
            self.failed = self.to.flush().err();
        }
        Ok(())
    }
}

impl<W: Seek> Seek for Failsafe<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.position.saturating_add_signed(by),
            SeekFrom::End(by) => self.end.saturating_add_signed(by),
        };
        if self.failed.is_none() {
            self.failed = self.to.seek(SeekFrom::Start(self.position)).err();
        }
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_kept_and_positions_go_on() {
        let mut room = [0_u8; 4];
        let mut file = Failsafe::new(io::Cursor::new(&mut room[..]));
        file.write_all(b"abcd").unwrap();
        file.seek(SeekFrom::Start(1)).unwrap();
        file.write_all(b"X").unwrap();
        assert!(file.result().is_ok());
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"more").unwrap();
        assert_eq!(file.stream_position().unwrap(), 8);
        assert_eq!(file.result().unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert_eq!(&room, b"aXcd");
    }
}
