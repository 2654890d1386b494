//! A report as a table on a page: its first rows, without the columns that say nothing in any of them.

use std::io;

use serde::Serialize;

use super::chart::Chart;
use crate::report::cell::Cell;
use crate::report::writer::{Header, ReportWriter};

/// Rows on a page, so that it stays below 100 KiB. Exports have all.
const ROWS_MAX: usize = 150;

/// Gets the rows of a report.
pub(super) struct ReportTable {
    header: Option<Header>,
    rows: Vec<Vec<Cell>>,
    count: u64,
    chart: Chart,
}

#[derive(Serialize)]
pub(super) struct ShownTable {
    facts: Vec<Fact>,
    columns: Vec<ShownColumn>,
    rows: Vec<Vec<ShownCell>>,
    /// Rows that are not shown.
    more: u64,
    definitions: Vec<Fact>,
    chart: Option<String>,
}

#[derive(Serialize)]
struct Fact {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct ShownColumn {
    name: String,
    is_number: bool,
}

#[derive(Serialize)]
struct ShownCell {
    text: String,
    is_number: bool,
    /// The first column names the row.
    is_name: bool,
}

impl ReportTable {
    pub(super) fn new(chart: Chart) -> Self {
        Self { header: None, rows: Vec::new(), count: 0, chart }
    }

    pub(super) fn shown(self) -> ShownTable {
        let Self { header, rows, count, chart } = self;
        let (facts, all) = header.map_or_else(Default::default, |it| (it.facts, it.columns));
        let says = |at: &usize| rows.iter().any(|row| row.get(*at).is_some_and(|cell| !says_nothing(cell)));
        let shown: Vec<usize> = (0..all.len()).filter(|at| all[*at].in_table).filter(says).collect();
        let is_number = |at: usize| rows.iter().any(|row| row[at].is_number());
        let column = |at: &usize| ShownColumn { name: words(all[*at].name), is_number: is_number(*at) };
        let cell = |row: &Vec<Cell>, at: usize| ShownCell {
            text: row[at].plain(),
            is_number: row[at].is_number(),
            is_name: Some(&at) == shown.first(),
        };
        ShownTable {
            facts: facts.into_iter().map(|(name, value)| Fact { name: name.to_owned(), value }).collect(),
            columns: shown.iter().map(column).collect(),
            rows: rows.iter().map(|row| shown.iter().map(|at| cell(row, *at)).collect()).collect(),
            more: count - rows.len() as u64,
            definitions: shown
                .iter()
                .map(|at| Fact { name: words(all[*at].name), value: all[*at].meaning.to_owned() })
                .collect(),
            chart: chart.svg(),
        }
    }
}

impl ReportWriter for ReportTable {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.chart.begin(&header.columns);
        self.header = Some(header.clone());
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.chart.row(cells);
        self.count += 1;
        if self.rows.len() < ROWS_MAX {
            self.rows.push(cells.to_vec());
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn says_nothing(cell: &Cell) -> bool {
    matches!(cell, Cell::Empty | Cell::Whole(0)) || matches!(cell, Cell::Money(price) if price.is_zero())
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}
