//! CSV as RFC 4180 has it: for people with a spreadsheet, or for machines.
//!
//! A spreadsheet runs what looks like a formula. For people every such text gets an apostrophe in front; numbers stay
//! numbers. For machines texts are as they are, and nothing stands above the names of the columns.

use std::io::{self, Write};

use super::cell::Cell;
use super::writer::{Header, ReportWriter};

/// A byte order mark, by which Excel knows UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// How a CSV is written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub delimiter: char,
    pub bom: bool,
    /// Texts as they are, without the definitions of the columns.
    pub raw: bool,
}

impl Style {
    /// Whether fields can be told apart by this character: it is in no number and in no quotation.
    pub fn may_delimit(character: char) -> bool {
        !character.is_alphanumeric() && !matches!(character, '"' | '\r' | '\n' | '-' | '.' | '\'')
    }
}

/// Writes CSV.
pub struct Csv<W> {
    to: W,
    style: Style,
}

impl<W: Write> Csv<W> {
    pub const fn new(to: W, style: Style) -> Self {
        Self { to, style }
    }

    fn record(&mut self, cells: &[Cell], width: usize) -> io::Result<()> {
        let mut line = String::new();
        for at in 0..width.max(cells.len()) {
            if at > 0 {
                line.push(self.style.delimiter);
            }
            self.field(&mut line, cells.get(at).unwrap_or(&Cell::Empty));
        }
        line.push_str("\r\n");
        self.to.write_all(line.as_bytes())
    }

    fn field(&self, line: &mut String, cell: &Cell) {
        let text = match cell {
            Cell::Text(text) if !self.style.raw => harmless(text),
            cell => cell.plain(),
        };
        line.push_str(&quoted(text, self.style.delimiter));
    }
}

impl<W: Write> ReportWriter for Csv<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        if self.style.bom {
            self.to.write_all(BOM)?;
        }
        let width = header.columns.len();
        if !self.style.raw {
            self.record(&[Cell::Text(format!("otpost report {}", header.report))], width)?;
            for (name, value) in &header.facts {
                self.record(&[Cell::text(name), Cell::text(value)], width)?;
            }
            for column in &header.columns {
                self.record(&[Cell::text(column.name), Cell::text(column.meaning)], width)?;
            }
            self.record(&[], width)?;
        }
        let names: Vec<_> = header.columns.iter().map(|column| Cell::text(column.name)).collect();
        self.record(&names, width)
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.record(cells, cells.len())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The text as one field between delimiters, in quotes where it needs them.
pub fn quoted(text: String, delimiter: char) -> String {
    let needs_quotes = |c: char| c == delimiter || matches!(c, '"' | '\r' | '\n');
    if text.contains(needs_quotes) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// `text` such that a spreadsheet runs nothing of it: an apostrophe stands in front of each line that looks like a formula.
pub fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut rest = text;
    loop {
        let end =
            rest.find(is_line_break).map_or(rest.len(), |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
        let (line, next) = rest.split_at(end);
        if is_formula(line) {
            safe.push('\'');
        }
        safe.push_str(line);
        if next.is_empty() {
            return safe;
        }
        rest = next;
    }
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

// Also behind white space and marks that are not seen, and with the wide characters of East Asian keyboards.
fn is_formula(line: &str) -> bool {
    let is_unseen =
        |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\0');
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    line.starts_with(['\t', '\r']) || line.trim_start_matches(is_unseen).starts_with(begins)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::writer::Column;

    fn written(style: Style, rows: &[Vec<Cell>]) -> String {
        let mut bytes = Vec::new();
        let mut csv = Csv::new(&mut bytes, style);
        let column = |name, meaning| Column { name, meaning, in_table: true };
        let columns = vec![column("name", "What it is."), column("number", "How many.")];
        csv.begin(&Header { report: "summary", facts: vec![("from", "today".to_owned())], columns }).unwrap();
        for row in rows {
            csv.row(row).unwrap();
        }
        csv.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_definitions_stand_above_the_names_of_the_columns_and_every_record_is_as_wide() {
        let style = Style { delimiter: ';', bom: true, raw: false };
        let rows = [vec![Cell::text("a;\"b\"\nc"), Cell::Span(Duration::from_millis(5))]];
        assert_eq!(
            written(style, &rows),
            "\u{feff}otpost report summary;\r\nfrom;today\r\nname;What it is.\r\nnumber;How many.\r\n;\r\n\
             name;number\r\n\"a;\"\"b\"\"\nc\";5.0\r\n"
        );
    }

    #[test]
    fn a_text_for_machines_is_written_as_it_is() {
        let style = Style { delimiter: ',', bom: false, raw: true };
        let rows = [vec![Cell::text("=1+1"), Cell::Whole(2)]];
        assert_eq!(written(style, &rows), "name,number\r\n=1+1,2\r\n");
    }

    #[test]
    fn no_text_is_a_formula_for_a_spreadsheet() {
        for (text, expected) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+48", "'+48"),
            ("-1", "'-1"),
            ("@SUM", "'@SUM"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("  =1", "'  =1"),
            ("\u{a0}\u{200b}=1", "'\u{a0}\u{200b}=1"),
            ("a\n=1", "a\n'=1"),
            ("a\r\n\u{a0}+1", "a\r\n'\u{a0}+1"),
            ("a\u{2028}@b", "a\u{2028}'@b"),
            ("＝1", "'＝1"),
            ("plain - text", "plain - text"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), expected, "{text:?}");
        }
    }
}
