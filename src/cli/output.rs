//! What is written to the terminal, and how: plain text into a pipe, colours only where a person looks.

use std::io::{IsTerminal, Write};

/// Says what went wrong, on standard error.
pub(super) fn complaint(text: &str) {
    let paint = std::io::stderr().is_terminal();
    let (on, off) = if paint { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{on}otpost:{off} {text}");
}

/// Writes a line to standard error: something to know that is not the result.
pub(super) fn note(text: impl std::fmt::Display) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a line to standard output. A reader that has gone away (`| head`) ends the command quietly.
pub(super) fn line(text: impl std::fmt::Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

/// Writes a value as one line of JSON.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string(value)?)?)
}

/// Puts columns of text under each other; the last one is left as long as it is.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut put = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    put(&mut head.iter().copied());
    for row in rows {
        put(&mut row.iter().map(String::as_str));
    }
    text
}

/// A number and its noun: `no errors`, `1 error`, `2 errors`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [vec!["ż".to_owned(), "2".to_owned()], vec!["long".to_owned(), "3".to_owned()]];
        assert_eq!(table(&["a", "b"], &rows), "a     b\nż     2\nlong  3\n");
    }
}
