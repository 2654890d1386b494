//! JSON, one object in a line: first what the report is and what its columns mean, then the rows.

use std::io::{self, Write};

use serde_json::{Map, Number, Value, json};

use super::cell::Cell;
use super::writer::{Header, ReportWriter};

/// Writes lines of JSON.
pub struct JsonLines<W> {
    to: W,
    names: Vec<&'static str>,
}

impl<W: Write> JsonLines<W> {
    pub const fn new(to: W) -> Self {
        Self { to, names: Vec::new() }
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }
}

impl<W: Write> ReportWriter for JsonLines<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.names = header.columns.iter().map(|column| column.name).collect();
        let facts: Map<String, Value> = header.facts.iter().map(|(name, it)| ((*name).to_owned(), json!(it))).collect();
        let meaning = |column: &super::writer::Column| (column.name.to_owned(), json!(column.meaning));
        let columns: Map<String, Value> = header.columns.iter().map(meaning).collect();
        self.line(&json!({ "report": header.report, "facts": facts, "columns": columns }))
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        let row: Map<String, Value> =
            self.names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), value(cell))).collect();
        self.line(&Value::Object(row))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Whole(number) => json!(number),
        cell if cell.is_number() => cell.plain().parse::<Number>().map_or(Value::Null, Value::Number),
        cell => json!(cell.plain()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::writer::Column;

    #[test]
    fn numbers_are_numbers_and_the_first_line_says_what_they_mean() {
        let mut bytes = Vec::new();
        let mut json = JsonLines::new(&mut bytes);
        let column = |name| Column { name, meaning: "Something.", in_table: true };
        let columns = vec![column("kind"), column("cost"), column("send_p50_ms"), column("none")];
        json.begin(&Header { report: "costs", facts: Vec::new(), columns }).unwrap();
        let cost = Cell::Money("0.045".parse().unwrap());
        json.row(&[Cell::text("otp"), cost, Cell::Span(Duration::from_millis(7)), Cell::Empty]).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["columns"]["cost"], "Something.");
        assert_eq!(lines[1], json!({ "kind": "otp", "cost": 0.045, "send_p50_ms": 7.0, "none": null }));
    }
}
