//! A table for a terminal. Its columns are as wide as the first thousand rows need; rows are not kept beyond that. Columns that
//! say nothing in any of few rows are left out.

use std::io::{self, Write};

use super::cell::Cell;
use super::writer::{Header, ReportWriter};

/// Rows that decide how wide the columns are.
const ROWS: usize = 1_000;

/// Writes a table.
pub struct TextTable<W> {
    to: W,
    shown: Vec<usize>,
    widths: Vec<usize>,
    waiting: Vec<Vec<(String, bool)>>,
    facts: Vec<(&'static str, String)>,
    is_empty: bool,
}

impl<W: Write> TextTable<W> {
    pub fn new(to: W) -> Self {
        let (shown, widths, waiting, facts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { to, shown, widths, waiting, facts, is_empty: true }
    }

    // Of all rows, columns that say nothing are left out.
    fn hide_empty_columns(&mut self) {
        let says = |at: usize| self.waiting.iter().skip(1).any(|row| !matches!(row[at].0.as_str(), "" | "0"));
        let kept: Vec<bool> = (0..self.shown.len()).map(says).collect();
        let retain = |row: &mut Vec<(String, bool)>| {
            let mut kept = kept.iter();
            row.retain(|_| kept.next() == Some(&true));
        };
        self.waiting.iter_mut().for_each(retain);
    }

    fn flush_rows(&mut self) -> io::Result<()> {
        let columns = self.waiting.first().map_or(0, Vec::len);
        if self.widths.is_empty() {
            let width = |at: usize| self.waiting.iter().map(|row| row[at].0.chars().count()).max().unwrap_or(0);
            self.widths = (0..columns).map(width).collect();
        }
        for row in std::mem::take(&mut self.waiting) {
            let mut line = String::new();
            for ((text, is_number), width) in row.iter().zip(&self.widths) {
                let gap = " ".repeat(width.saturating_sub(text.chars().count()));
                let (before, after) = if *is_number { (gap.as_str(), "") } else { ("", gap.as_str()) };
                line.extend([before, text, after, "  "]);
            }
            writeln!(self.to, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl<W: Write> ReportWriter for TextTable<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.facts.clone_from(&header.facts);
        self.shown = (0..header.columns.len()).filter(|at| header.columns[*at].in_table).collect();
        let title = |at: &usize| header.columns[*at].name.to_uppercase().replace('_', " ");
        self.waiting.push(self.shown.iter().map(title).map(|title| (title, false)).collect());
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        // The names of the columns are aligned as the first row is.
        if self.is_empty
            && let Some(names) = self.waiting.first_mut()
        {
            names.iter_mut().zip(&self.shown).for_each(|(name, at)| name.1 = cells[*at].is_number());
        }
        self.is_empty = false;
        self.waiting.push(self.shown.iter().map(|at| (one_line(&cells[*at]), cells[*at].is_number())).collect());
        if self.waiting.len() > ROWS { self.flush_rows() } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_empty {
            writeln!(self.to, "no deliveries")?;
        } else {
            if self.widths.is_empty() {
                self.hide_empty_columns();
            }
            self.flush_rows()?;
        }
        let facts: Vec<_> = self.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(self.to, "\n{}", facts.join("; "))?;
        self.to.flush()
    }
}

fn one_line(cell: &Cell) -> String {
    cell.plain().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::writer::Column;

    #[test]
    fn numbers_stand_to_the_right_and_details_are_left_to_exports() {
        let mut bytes = Vec::new();
        let mut table = TextTable::new(&mut bytes);
        let column = |name, in_table| Column { name, meaning: "", in_table };
        let columns =
            vec![column("kind", true), column("open", true), column("start_p99_ms", false), column("sent", true)];
        table.begin(&Header { report: "summary", facts: vec![("from", "today".to_owned())], columns }).unwrap();
        table.row(&[Cell::text("otp"), Cell::Whole(0), Cell::Empty, Cell::Whole(1_234_567)]).unwrap();
        table.row(&[Cell::text("card\nlocked"), Cell::Whole(0), Cell::Empty, Cell::Whole(5)]).unwrap();
        table.finish().unwrap();
        let expected = "KIND            SENT\notp          1234567\ncard locked        5\n\nfrom today\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
