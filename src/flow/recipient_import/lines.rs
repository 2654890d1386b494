//! The lines of a text file, numbered, with a limit of their length, and a look at the lines that follow.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

/// A longer line has no end: the file has another format.
const LINE_MAX: usize = 1024 * 1024;

/// Bytes that are read in advance at most.
const AHEAD_MAX: usize = 4 * 1024 * 1024;

/// A line without its end.
#[derive(Debug)]
pub(super) struct Line {
    /// 1 for the first.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// Reads lines that end in a line feed, a carriage return or both.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    after_return: bool,
    number: u64,
    ahead: VecDeque<Line>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { reader: BufReader::new(source), after_return: false, number: 0, ahead: VecDeque::new() }
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        match self.ahead.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.read(),
        }
    }

    /// The number of the first line after the last one returned for which `is_wanted` holds. The lines are not consumed.
    /// `None` if there is none before the end of the file or within 4 MiB.
    pub(super) fn find_ahead(&mut self, mut is_wanted: impl FnMut(&[u8]) -> bool) -> io::Result<Option<u64>> {
        let mut size = 0;
        for at in 0.. {
            if at == self.ahead.len() {
                match self.read()? {
                    Some(line) if size < AHEAD_MAX => self.ahead.push_back(line),
                    Some(line) => {
                        self.ahead.push_back(line);
                        return Ok(None);
                    }
                    None => return Ok(None),
                }
            }
            let line = &self.ahead[at];
            size += line.bytes.len() + 1;
            if is_wanted(&line.bytes) {
                return Ok(Some(line.number));
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        if !self.read_into(&mut bytes)? {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes }))
    }

    fn read_into(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let mut is_begun = false;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(is_begun);
            }
            let is_second_end = std::mem::take(&mut self.after_return) && buffer[0] == b'\n';
            let skipped = usize::from(is_second_end);
            let rest = &buffer[skipped..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let taken = &rest[..end.unwrap_or(rest.len())];
            line.extend_from_slice(taken);
            is_begun |= !taken.is_empty();
            if line.len() > LINE_MAX {
                return Err(io::Error::other("the next line is longer than 1 MiB; the file has another format"));
            }
            let used = skipped + taken.len() + usize::from(end.is_some());
            self.after_return = end.is_some_and(|end| rest[end] == b'\r');
            self.reader.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text.as_bytes());
        let next = || lines.next().unwrap().map(|line| (line.number, String::from_utf8(line.bytes).unwrap()));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn lines_end_as_each_system_ends_them() {
        for text in ["a\nb\n\nc", "a\r\nb\r\n\r\nc\r\n", "a\rb\r\rc\r"] {
            let expected = [(1, "a"), (2, "b"), (3, ""), (4, "c")].map(|(number, text)| (number, text.to_owned()));
            assert_eq!(all(text), expected, "{text:?}");
        }
        assert!(all("").is_empty());
    }

    #[test]
    fn looking_ahead_consumes_nothing() {
        let mut lines = Lines::new(&b"a\nb\nc\nd"[..]);
        assert_eq!(lines.next().unwrap().unwrap().bytes, b"a");

        assert_eq!(lines.find_ahead(|line| line == b"c").unwrap(), Some(3));
        assert_eq!(lines.find_ahead(|line| line == b"x").unwrap(), None);

        let rest = std::iter::from_fn(|| lines.next().unwrap().map(|line| line.number));
        assert_eq!(rest.collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let text = format!("a\n{}", "x".repeat(LINE_MAX + 1));
        let mut lines = Lines::new(text.as_bytes());
        assert!(lines.next().unwrap().is_some());
        assert!(lines.next().unwrap_err().to_string().contains("longer than 1 MiB"));
    }
}
