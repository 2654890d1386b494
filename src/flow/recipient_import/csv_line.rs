//! Splits one line of a CSV file into cells. It is strict about quotation marks: where one is not closed, lines that
//! follow would become part of a cell, and their recipients would be lost.

use std::borrow::Cow;

/// Why a line cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuoteError {
    pub(super) reason: QuoteReason,
    /// The cell with the mark, 0 for the first.
    pub(super) cell: usize,
    /// Where the mark is in the line; 1 for the first character.
    pub(super) character: usize,
}

/// What is wrong with a quotation mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteReason {
    /// It opens, and is not closed on its line.
    Unclosed,
    /// There is text before it.
    InTheMiddle,
    /// It closes, and there is text behind it.
    TextBehind,
}

/// The cells of a line. Marks around a cell and spaces around those are removed; two marks within a quoted cell are one.
pub(super) fn split(line: &[u8], separator: u8) -> Result<Vec<Cow<'_, [u8]>>, QuoteError> {
    let mut cells = Vec::new();
    let mut begin = 0;
    loop {
        let wrong = |reason, at| QuoteError { reason, cell: cells.len(), character: character(line, at) };
        let mark = begin + blanks(&line[begin..], separator);
        let end = if line.get(mark) == Some(&b'"') {
            let (cell, behind) = quoted(line, mark).ok_or_else(|| wrong(QuoteReason::Unclosed, mark))?;
            let end = behind + blanks(&line[behind..], separator);
            if line.get(end).is_some_and(|byte| *byte != separator) {
                return Err(wrong(QuoteReason::TextBehind, behind - 1));
            }
            cells.push(cell);
            end
        } else {
            let rest = &line[begin..];
            let end = begin + rest.iter().position(|byte| *byte == separator).unwrap_or(rest.len());
            if let Some(at) = line[begin..end].iter().position(|byte| *byte == b'"') {
                return Err(wrong(QuoteReason::InTheMiddle, begin + at));
            }
            cells.push(Cow::Borrowed(line[begin..end].trim_ascii()));
            end
        };
        if end == line.len() {
            return Ok(cells);
        }
        begin = end + 1;
    }
}

/// Whether a quoted cell that began on an earlier line ends on this one.
pub(super) fn closes_quotation(line: &[u8]) -> bool {
    quoted_end(line, 0).is_some()
}

// The cell whose opening mark is at `mark`, and the place behind its closing mark.
fn quoted(line: &[u8], mark: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let end = quoted_end(line, mark + 1)?;
    let inner = &line[mark + 1..end];
    let cell = if inner.contains(&b'"') { Cow::Owned(halved(inner)) } else { Cow::Borrowed(inner) };
    Some((cell, end + 1))
}

// The place of the next mark that is not one of two.
fn quoted_end(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += line.get(at..)?.iter().position(|byte| *byte == b'"')?;
        if line.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

// Within a quoted cell every mark is one of two.
fn halved(inner: &[u8]) -> Vec<u8> {
    let mut cell = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [byte, tail @ ..] = rest {
        cell.push(*byte);
        rest = if *byte == b'"' { tail.get(1..).unwrap_or_default() } else { tail };
    }
    cell
}

fn blanks(text: &[u8], separator: u8) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t') && **byte != separator).count()
}

fn character(line: &[u8], at: usize) -> usize {
    String::from_utf8_lossy(&line[..at]).chars().count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(line: &str, separator: u8) -> Vec<String> {
        let cells = split(line.as_bytes(), separator).unwrap();
        cells.into_iter().map(|cell| String::from_utf8(cell.into_owned()).unwrap()).collect()
    }

    #[test]
    fn a_line_is_split_at_its_separator_and_not_within_marks() {
        assert_eq!(cells("c-1, pl ,,7", b','), ["c-1", "pl", "", "7"]);
        assert_eq!(cells("\"a;b\" ; \"\";\"say \"\"hi\"\"\";\"\"\"\"", b';'), ["a;b", "", "say \"hi\"", "\""]);
        assert_eq!(cells("a\t\tb\t", b'\t'), ["a", "", "b", ""]);
        assert_eq!(cells("", b','), [""]);
        assert_eq!(cells("\"\"\"\"\"\"", b','), ["\"\""]);
    }

    #[test]
    fn a_mark_where_none_belongs_is_an_error_with_its_place() {
        for (line, reason, cell, character) in [
            ("c-1,pl,\"+48600", QuoteReason::Unclosed, 2, 8),
            ("ź,\"a\"\"", QuoteReason::Unclosed, 1, 3),
            ("c-1,+48\"600\"", QuoteReason::InTheMiddle, 1, 8),
            ("c-1,=\"+48600\"", QuoteReason::InTheMiddle, 1, 6),
            ("\"c\"-1,pl", QuoteReason::TextBehind, 0, 3),
            ("\"a\" \"b\",pl", QuoteReason::TextBehind, 0, 3),
        ] {
            assert_eq!(split(line.as_bytes(), b','), Err(QuoteError { reason, cell, character }), "{line}");
        }
    }

    #[test]
    fn the_end_of_a_quotation_is_found_on_a_later_line() {
        assert!(closes_quotation(b"c-2,\"pl"));
        assert!(!closes_quotation(b"c-2,\"\"pl"));
        assert!(!closes_quotation(b"c-2"));
    }
}
