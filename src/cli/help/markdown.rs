//! Markdown for a terminal: headings, paragraphs, lists, tables, code and links, as far as the guides use them.
//!
//! Every word has escape sequences of its own, so that a pager can begin on any line.

use std::fmt::Write as _;

use crate::cli::output::{self, BOLD, CYAN, RESET, UNDERLINE, visible_width};

const INDENT: usize = 2;

/// `markdown` in lines of at most `width` columns, unless a word or a line of code is longer.
pub(super) fn render(markdown: &str, width: usize) -> String {
    let mut text = String::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            code.for_each(|line| put(&mut text, &format!("    {line}")));
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(cells(line));
            }
            table(&mut text, &rows, width);
        } else if let Some(heading) = line.strip_prefix('#') {
            let style = if heading.starts_with('#') { BOLD.to_owned() } else { format!("{BOLD}{UNDERLINE}") };
            put(&mut text, &styled(heading.trim_start_matches('#').trim(), &style));
        } else if line.trim().is_empty() {
            put(&mut text, "");
        } else {
            let mut paragraph = line.trim().to_owned();
            while let Some(line) = lines.next_if(|line| continues(line)) {
                paragraph.push(' ');
                paragraph.push_str(line.trim());
            }
            block(&mut text, &paragraph, line.len() - line.trim_start().len(), width);
        }
    }
    text
}

fn put(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Whether a line belongs to the paragraph or list item before it.
fn continues(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with(['|', '#']) && !line.starts_with("```") && marker(line).is_none()
}

/// `- ` and `1. ` at the beginning of a list item.
fn marker(line: &str) -> Option<&str> {
    let (marker, _) = line.split_once(' ')?;
    let number = marker.strip_suffix('.').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    (number || matches!(marker, "-" | "*" | ">")).then_some(marker)
}

fn block(text: &mut String, paragraph: &str, indent: usize, width: usize) {
    let (first, content) = match marker(paragraph) {
        Some(marker) => (format!("{:indent$}{marker} ", ""), paragraph[marker.len()..].trim()),
        None => (" ".repeat(indent), paragraph),
    };
    let (indent, spans) = (first.len(), inline(content));
    for (at, line) in output::wrap(spans.split(' '), width.saturating_sub(indent)).iter().enumerate() {
        let start = if at == 0 { first.clone() } else { " ".repeat(indent) };
        put(text, &format!("{start}{line}"));
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
    line.split('|').map(|cell| inline(&cell.trim().replace('\u{0}', "|"))).collect()
}

fn table(text: &mut String, rows: &[Vec<String>], width: usize) {
    let is_ruler = |row: &Vec<String>| row.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')));
    let columns = rows.first().map_or(0, Vec::len);
    let natural = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| visible_width(cell)).max();
    let natural: Vec<usize> = (0..columns).map(|column| natural(column).unwrap_or(0)).collect();
    let widths = fitted(&natural, width.saturating_sub(INDENT * columns.saturating_sub(1)));
    for (at, row) in rows.iter().filter(|row| !is_ruler(row)).enumerate() {
        let wrapped: Vec<Vec<String>> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| {
                let cell = if at == 0 { styled(cell, BOLD) } else { cell.clone() };
                output::wrap(cell.split(' '), *width)
            })
            .collect();
        for line in 0..wrapped.iter().map(Vec::len).max().unwrap_or(0) {
            let mut whole = String::new();
            for (cell, width) in wrapped.iter().zip(&widths) {
                let part = cell.get(line).map_or("", String::as_str);
                let _ = write!(whole, "{part}{:1$}", "", (width + INDENT).saturating_sub(visible_width(part)));
            }
            put(text, &whole);
        }
    }
}

/// Widths that add up to `available` at most: wide columns share what narrow ones leave.
fn fitted(natural: &[usize], available: usize) -> Vec<usize> {
    let mut widths = vec![None; natural.len()];
    loop {
        let taken: usize = widths.iter().flatten().sum();
        let open = widths.iter().filter(|width| width.is_none()).count();
        let share = available.saturating_sub(taken).checked_div(open).unwrap_or(0).max(1);
        let narrow = |(at, width): &(usize, &usize)| widths[*at].is_none() && **width <= share;
        match natural.iter().enumerate().find(narrow) {
            Some((at, width)) => widths[at] = Some(*width),
            None => return widths.into_iter().map(|width| width.unwrap_or(share)).collect(),
        }
    }
}

/// Code, bold text and links, each word with its style.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, marked) = rest.split_at(at);
        out.push_str(before);
        let span = delimited(marked, "`", CYAN)
            .or_else(|| delimited(marked, "**", BOLD))
            .or_else(|| delimited(marked, "*", UNDERLINE))
            .or_else(|| link(marked));
        let (shown, length) = span.unwrap_or_else(|| (marked[..1].to_owned(), 1));
        out.push_str(&shown);
        rest = &marked[length..];
    }
    out + rest
}

fn delimited(text: &str, mark: &str, style: &str) -> Option<(String, usize)> {
    let content = text.strip_prefix(mark)?;
    let end = content.find(mark).filter(|end| *end > 0)?;
    Some((styled(&content[..end], style), mark.len() * 2 + end))
}

/// `[text](target)` as text, with the target if it is on the web.
fn link(text: &str) -> Option<(String, usize)> {
    let (name, after) = text.strip_prefix('[')?.split_once(']')?;
    let target = after.strip_prefix('(').and_then(|after| after.split_once(')')).map(|(target, _)| target);
    let length = name.len() + 2 + target.map_or(0, |target| target.len() + 2);
    let shown = match target {
        Some(target) if target.starts_with("http") => format!("{} ({target})", inline(name)),
        _ => inline(name),
    };
    Some((shown, length))
}

fn styled(text: &str, style: &str) -> String {
    let words: Vec<_> = text.split(' ').map(|word| format!("{style}{word}{RESET}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(markdown: &str, width: usize) -> String {
        let text = render(markdown, width);
        [BOLD, CYAN, UNDERLINE, RESET].iter().fold(text, |text, code| text.replace(code, ""))
    }

    #[test]
    fn paragraphs_and_list_items_are_wrapped_and_code_is_not() {
        let text =
            plain("One two\nthree four.\n\n- five six seven\n  eight\n1. nine\n\n```sh\nrun --me now\n```\n", 13);
        assert_eq!(text, "One two three\nfour.\n\n- five six\n  seven eight\n1. nine\n\n    run --me now\n");
    }

    #[test]
    fn wide_columns_of_a_table_share_the_space_that_narrow_ones_leave() {
        let text = plain("| a | b |\n|---|:--|\n| one | two three four |\n", 15);
        assert_eq!(text, "a    b\none  two three\n     four\n");
    }

    #[test]
    fn marks_become_styles_and_links_keep_the_address_of_a_web_page() {
        assert_eq!(inline("**b** `c d`"), format!("{BOLD}b{RESET} {CYAN}c{RESET} {CYAN}d{RESET}"));
        assert_eq!(
            plain("[a](x.md), [b](https://c.example) and 2 * 3 [d]", 60),
            "a, b (https://c.example) and 2 * 3 d\n"
        );
        assert!(render("# Title\n", 40).starts_with(&format!("{BOLD}{UNDERLINE}Title")));
    }
}
