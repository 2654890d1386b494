//! XLSX for Excel and LibreOffice, in constant memory: rows go to a temporary file as they come, and a worksheet that is full
//! is followed by another one. The definitions have a worksheet of their own.

use std::io::{self, Seek, Write};
use std::time::Duration;

use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use super::cell::Cell;
use super::failsafe::Failsafe;
use super::writer::{Header, ReportWriter};

/// Rows of a worksheet, the names of the columns among them.
const ROWS_MAX: u32 = 1_048_576;

/// Days from the beginning of Excel's calendar to 1970.
const DAYS_BEFORE_1970: f64 = 25_569.0;

/// Writes one workbook.
pub struct Xlsx<W> {
    to: Failsafe<W>,
    book: Workbook,
    names: Vec<&'static str>,
    report: &'static str,
    rows_max: u32,
    row: u32,
    worksheets: usize,
    bold: Format,
    time: Format,
    millis: Format,
}

impl<W: Write + Seek + Send> Xlsx<W> {
    pub fn new(to: W) -> Self {
        Self::with_rows(to, ROWS_MAX)
    }

    fn with_rows(to: W, rows_max: u32) -> Self {
        Self {
            to: Failsafe::new(to),
            book: Workbook::new(),
            names: Vec::new(),
            report: "",
            rows_max,
            row: rows_max,
            worksheets: 1,
            bold: Format::new().set_bold(),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000"),
            millis: Format::new().set_num_format("0.0"),
        }
    }

    fn next_worksheet(&mut self) -> Result<(), XlsxError> {
        let number = self.worksheets;
        let name = if number == 1 { self.report.to_owned() } else { format!("{} {number}", self.report) };
        let worksheet = self.book.add_worksheet_with_constant_memory()?;
        worksheet.set_name(name)?;
        worksheet.set_freeze_panes(1, 0)?;
        worksheet.set_landscape();
        worksheet.set_print_fit_to_pages(1, 0);
        for (column, name) in (0..).zip(&self.names) {
            worksheet.set_column_width(column, width(name))?;
            worksheet.write_string_with_format(0, column, *name, &self.bold)?;
        }
        (self.row, self.worksheets) = (1, number + 1);
        Ok(())
    }

    fn cells(&mut self, cells: &[Cell]) -> Result<(), XlsxError> {
        if self.row >= self.rows_max {
            self.next_worksheet()?;
        }
        let (row, at) = (self.row, self.worksheets - 1);
        let worksheet = self.book.worksheet_from_index(at)?;
        for (column, cell) in (0..).zip(cells) {
            match cell {
                Cell::Empty => continue,
                Cell::Text(text) => worksheet.write_string(row, column, text)?,
                Cell::Whole(number) => worksheet.write_number(row, column, whole(*number))?,
                Cell::Money(price) => worksheet.write_number(row, column, price.units())?,
                Cell::Span(span) => worksheet.write_number_with_format(row, column, millis(*span), &self.millis)?,
                Cell::Time(at) => {
                    let days = whole(u64::try_from(at.micros()).unwrap_or(0)) / 86_400e6 + DAYS_BEFORE_1970;
                    worksheet.write_number_with_format(row, column, days, &self.time)?
                }
            };
        }
        self.row += 1;
        Ok(())
    }
}

impl<W: Write + Seek + Send> ReportWriter for Xlsx<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.names = header.columns.iter().map(|column| column.name).collect();
        self.report = header.report;
        let bold = self.bold.clone();
        let first = self.book.add_worksheet_with_constant_memory().map_err(io::Error::other)?;
        definitions(first, header, &bold).map_err(io::Error::other)?;
        self.next_worksheet().map_err(io::Error::other)
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.cells(cells).map_err(io::Error::other)
    }

    fn finish(&mut self) -> io::Result<()> {
        // The rows are what one looks at first.
        self.book.worksheet_from_index(1).map_err(io::Error::other)?.set_active(true);
        let saved = self.book.save_to_writer(&mut self.to).map_err(io::Error::other);
        self.to.flush()?;
        // A full disk is said by the file; the library knows only that something is wrong.
        self.to.result().and(saved)
    }
}

// Rows are not known when the widths are written.
fn width(column: &str) -> f64 {
    match column {
        "delivery" => 38.0,
        "received_at" | "kind" => 24.0,
        "reason" | "provider" | "cause" | "template_version" => 18.0,
        "reasons" | "causes" | "costs" => 40.0,
        name => f64::from(u16::try_from(name.len()).unwrap_or(u16::MAX).max(9)) + 2.0,
    }
}

fn definitions(worksheet: &mut Worksheet, header: &Header, bold: &Format) -> Result<(), XlsxError> {
    worksheet.set_name("definitions")?;
    worksheet.set_column_width(0, 26)?;
    worksheet.set_column_width(1, 110)?;
    worksheet.write_string_with_format(0, 0, format!("otpost report {}", header.report), bold)?;
    let facts = header.facts.iter().map(|(name, value)| (*name, value.as_str()));
    let columns = header.columns.iter().map(|column| (column.name, column.meaning));
    for (row, (name, value)) in (1..).zip(facts.chain(columns)) {
        worksheet.write_string(row, 0, name)?;
        worksheet.write_string(row, 1, value)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a spreadsheet has no other numbers; exact up to 2^53")]
fn whole(number: u64) -> f64 {
    number as f64
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::writer::Column;

    #[test]
    fn a_full_worksheet_is_followed_by_another_one() {
        let mut file = io::Cursor::new(Vec::new());
        let mut book = Xlsx::with_rows(&mut file, 3);
        let columns = vec![Column { name: "number", meaning: "A number.", in_table: true }];
        book.begin(&Header { report: "deliveries", facts: Vec::new(), columns }).unwrap();
        for number in 0..5 {
            book.row(&[Cell::Whole(number)]).unwrap();
        }
        assert_eq!((book.worksheets, book.row), (4, 2));
        book.finish().unwrap();
        assert!(file.into_inner().starts_with(b"PK"));
    }
}
