//! Text for the terminal: results on standard output, everything else on standard error, tables, and wrapped lines.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use crate::config;

pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const UNDERLINE: &str = "\x1b[4m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const CYAN: &str = "\x1b[36m";
pub(super) const BOLD_RED: &str = "\x1b[1;31m";
pub(super) const RESET: &str = "\x1b[0m";

/// The width of a terminal that does not tell its own, and of a pipe.
const DEFAULT_WIDTH: usize = 110;

/// Whether standard output shows colours.
pub(super) fn colours() -> bool {
    wants_colours(std::io::stdout().is_terminal(), config::variable)
}

/// Whether standard error shows colours.
pub(super) fn error_colours() -> bool {
    wants_colours(std::io::stderr().is_terminal(), config::variable)
}

// <https://no-color.org> and <https://bixense.com/clicolors>; a variable that is empty counts as not set.
fn wants_colours(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let refused = set("CLICOLOR").as_deref() == Some("0") || set("TERM").as_deref() == Some("dumb");
    forced || (is_terminal && !refused)
}

/// `text` without escape sequences.
pub(super) fn plain(text: &str) -> String {
    let mut in_escape = false;
    let is_visible = |c: &char| {
        let hidden = in_escape || *c == '\x1b';
        in_escape = hidden && *c != 'm';
        !hidden
    };
    text.chars().filter(is_visible).collect()
}

/// Whether a command failed because the reader of its output, such as `head`, has read enough.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let io_errors = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io_errors.into_iter().any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes why the command failed to standard error.
pub(super) fn error(text: impl Display) {
    let (on, off) = if error_colours() { (BOLD_RED, RESET) } else { ("", "") };
    note(format_args!("{on}otpost:{off} {text}"));
}

/// Writes a line that is not part of the result to standard error.
pub(super) fn note(text: impl Display) {
    // A closed standard error leaves no place to report that it is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a line of the result to standard output.
pub(super) fn line(text: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

/// Writes a value as one line of JSON.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string(value)?)?)
}

/// Columns of the terminal behind standard output.
pub(super) fn terminal_width() -> usize {
    let columns = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { DEFAULT_WIDTH } else { columns }
}

/// Columns that a line may have: those of the terminal. A pipe has no limit.
pub(super) fn line_limit() -> usize {
    if std::io::stdout().is_terminal() { terminal_width() } else { usize::MAX }
}

/// Writes a sentence of the result, on several lines if the terminal is narrow.
pub(super) fn wrapped(text: &str) -> std::io::Result<()> {
    wrap(text.split(' '), line_limit()).iter().try_for_each(line)
}

/// Columns that `text` takes, escape sequences left out.
pub(super) fn visible_width(text: &str) -> usize {
    plain(text).chars().count()
}

/// Lines of at most `width` columns, unless a word is longer.
pub(super) fn wrap<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.filter(|word| !word.is_empty()) {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if visible_width(line) + 1 + visible_width(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A table, or, on a terminal that is too narrow for it, one line for each cell.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let table = aligned(head, rows);
    let limit = line_limit();
    if table.lines().all(|line| line.chars().count() <= limit) { table } else { records(head, rows, limit) }
}

fn records(head: &[&str], rows: &[Vec<String>], limit: usize) -> String {
    let indent = head.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 2;
    let record = |row: &Vec<String>| {
        let cells = head.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let lines = cells.flat_map(|(name, cell)| {
            let parts = wrap(cell.split(' '), limit.saturating_sub(indent).max(1));
            let label = |at| if at == 0 { *name } else { "" };
            parts.into_iter().enumerate().map(move |(at, part)| format!("{:<indent$}{part}\n", label(at)))
        });
        lines.collect::<String>()
    };
    rows.iter().map(record).collect::<Vec<_>>().join("\n")
}

/// Aligns the columns of a table. The last column is not padded.
fn aligned(head: &[&str], rows: &[Vec<String>]) -> String {
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
    fn the_columns_of_a_table_are_aligned() {
        let rows = [vec!["ż".to_owned(), "2".to_owned()], vec!["long".to_owned(), "3".to_owned()]];
        assert_eq!(aligned(&["a", "b"], &rows), "a     b\nż     2\nlong  3\n");
    }

    #[test]
    fn on_a_narrow_terminal_a_table_is_a_list_of_cells() {
        let rows = [vec!["1".to_owned(), "one two three".to_owned()], vec!["2".to_owned(), String::new()]];
        assert_eq!(records(&["ID", "TEXT"], &rows, 14), "ID    1\nTEXT  one two\n      three\n\nID    2\n");
    }

    #[test]
    fn colours_follow_the_conventions_of_other_programs() {
        let shown = |is_terminal, set: &[(&str, &str)]| {
            wants_colours(is_terminal, |name| set.iter().find(|(key, _)| *key == name).map(|(_, it)| (*it).to_owned()))
        };
        assert!(shown(true, &[]) && !shown(false, &[]));
        assert!(!shown(true, &[("NO_COLOR", "1")]) && shown(true, &[("NO_COLOR", "")]));
        assert!(!shown(true, &[("TERM", "dumb")]) && shown(true, &[("TERM", "xterm")]));
        assert!(!shown(true, &[("CLICOLOR", "0")]) && shown(true, &[("CLICOLOR", "1")]));
        assert!(shown(false, &[("CLICOLOR_FORCE", "1")]) && !shown(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!shown(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }

    #[test]
    fn lines_are_broken_between_words_and_escape_sequences_take_no_space() {
        let words = format!("one {BOLD}two{RESET} three");
        assert_eq!(wrap(words.split(' '), 7), [format!("one {BOLD}two{RESET}"), "three".to_owned()]);
        assert_eq!(wrap("".split(' '), 7), [""]);
    }
}
