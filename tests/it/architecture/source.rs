//! Reads Rust source as words with line numbers: enough to see who imports whom, without compiling anything.
//!
//! Comments and the insides of strings are no words. What belongs to a `#[cfg(test)] mod` is known as such.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// One file of `src/`.
pub(crate) struct Source {
    /// Below `src/`, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(super) words: Vec<Word>,
    /// String literals, with their quotes.
    pub(crate) literals: Vec<Word>,
    /// Lines of test modules.
    tests: Vec<RangeInclusive<usize>>,
}

/// An identifier, a number, `::`, or a single other character.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (words, literals) = words(text);
        Self { literals, path: path.to_owned(), text: text.to_owned(), tests: test_modules(&words), words }
    }

    /// The module path of the file: `flow/intake.rs` is `["flow", "intake"]`, `lib.rs` and `main.rs` are themselves.
    pub(super) fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if parts.len() > 1 && parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        parts
    }

    /// The top-level module that the file belongs to.
    pub(super) fn top(&self) -> String {
        self.module().swap_remove(0)
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    pub(super) fn at(&self, line: usize, violation: &str) -> String {
        format!("src/{}:{line}: {violation}", self.path)
    }

    /// The lines that are not tests, numbered from 1.
    pub(super) fn plain_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(at, _)| !self.is_test(*at))
    }

    /// The types that the file defines, with their lines. Associated types of an `impl` are none.
    pub(super) fn types(&self) -> impl Iterator<Item = (usize, &str)> {
        let indented = |line: usize| self.text.lines().nth(line - 1).is_some_and(|text| text.starts_with(' '));
        let defines = |pair: &&[Word]| matches!(pair[0].text.as_str(), "struct" | "enum" | "trait" | "type");
        let types = self.words.windows(2).filter(defines).map(|pair| (pair[1].line, pair[1].text.as_str()));
        types.filter(move |(line, _)| !indented(*line))
    }

    /// Where `pattern` stands, word for word.
    pub(super) fn find(&self, pattern: &[&str]) -> Vec<usize> {
        let hit = |window: &&[Word]| window.iter().zip(pattern).all(|(word, wanted)| word.text == *wanted);
        self.words.windows(pattern.len()).filter(hit).map(|window| window[0].line).collect()
    }
}

/// Every `.rs` file below `root`. A file that is declared as `#[cfg(test)] mod name;` counts as a test from end to end.
pub(crate) fn read(root: &Path) -> std::io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                sources.push(Source::new(&below, &fs::read_to_string(&path)?));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    mark_test_files(&mut sources);
    Ok(sources)
}

pub(super) fn mark_test_files(sources: &mut [Source]) {
    let declared: Vec<_> = sources.iter().flat_map(declared_test_files).collect();
    for source in sources {
        if declared.iter().any(|module| source.module().starts_with(module)) {
            source.tests = vec![1..=usize::MAX];
        }
    }
}

fn declared_test_files(source: &Source) -> Vec<Vec<String>> {
    let at = |index: usize| source.words.get(index).map_or("", |word| word.text.as_str());
    let module = |name: &str| {
        let mut module = source.module();
        if matches!(source.path.as_str(), "lib.rs" | "main.rs") {
            module.clear();
        }
        module.push(name.to_owned());
        module
    };
    test_module_starts(&source.words)
        .filter(|(_, keyword)| at(keyword + 2) == ";")
        .map(|(_, keyword)| module(at(keyword + 1)))
        .collect()
}

/// Index pairs: where the attribute begins, and where its `mod` stands.
fn test_module_starts(words: &[Word]) -> impl Iterator<Item = (usize, usize)> {
    let at = |index: usize| words.get(index).map_or("", |word| word.text.as_str());
    (0..words.len()).filter_map(move |start| {
        let attribute = ["#", "[", "cfg", "("].iter().enumerate().all(|(n, wanted)| at(start + n) == *wanted);
        let of_tests = at(start + 4) == "test" || (at(start + 4) == "all" && at(start + 6) == "test");
        if !attribute || !of_tests {
            return None;
        }
        let mut next = start;
        while at(next) == "#" {
            next = closing(words, next + 1) + 1;
        }
        if at(next) == "pub" {
            next = if at(next + 1) == "(" { closing(words, next + 1) + 1 } else { next + 1 };
        }
        (at(next) == "mod").then_some((start, next))
    })
}

fn test_modules(words: &[Word]) -> Vec<RangeInclusive<usize>> {
    let line = |index: usize| words.get(index).map_or(usize::MAX, |word| word.line);
    test_module_starts(words)
        .map(|(start, keyword)| {
            let inline = words.get(keyword + 2).is_some_and(|word| word.text == "{");
            let end = if inline { closing(words, keyword + 2) } else { keyword + 2 };
            line(start)..=line(end)
        })
        .collect()
}

/// The index of the bracket that closes the one at `open`.
pub(super) fn closing(words: &[Word], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, word) in words.iter().enumerate().skip(open) {
        match word.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    words.len()
}

fn words(text: &str) -> (Vec<Word>, Vec<Word>) {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut found, mut literals, mut line, mut index) = (Vec::new(), Vec::new(), 1, 0);
    while index < chars.len() {
        let c = at(index);
        let end = match c {
            '/' if at(index + 1) == '/' => (index..chars.len()).find(|i| at(*i) == '\n').unwrap_or(chars.len()),
            '/' if at(index + 1) == '*' => end_of_block_comment(&chars, index),
            '"' => end_of_string(&chars, index),
            'r' | 'b' | 'c' if starts_literal(&chars, index) => end_of_prefixed(&chars, index),
            '\'' => end_of_quote(&chars, index),
            _ if is_word(c) => (index..chars.len()).find(|i| !is_word(at(*i))).unwrap_or(chars.len()),
            ':' if at(index + 1) == ':' => index + 2,
            _ => index + 1,
        };
        if is_word(c) && !starts_literal(&chars, index) || (c.is_ascii_punctuation() && !skipped(c, at(index + 1))) {
            found.push(Word { line, text: chars[index..end].iter().collect() });
        }
        if c == '"' || starts_literal(&chars, index) {
            literals.push(Word { line, text: chars[index..end].iter().collect() });
        }
        line += chars[index..end].iter().filter(|c| **c == '\n').count();
        index = end;
    }
    (found, literals)
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn skipped(c: char, next: char) -> bool {
    matches!(c, '"' | '\'' | '_') || (c == '/' && matches!(next, '/' | '*'))
}

/// Whether a string or byte literal with a prefix such as `r#"`, `b"`, `br"`, `c"` or `b'` begins here.
fn starts_literal(chars: &[char], index: usize) -> bool {
    let rest: String = chars[index..].iter().take(4).collect();
    let hashes = |prefix: &str| {
        chars[index..].iter().skip(prefix.len()).find(|c| **c != '#').is_some_and(|c| *c == '"')
            && rest.starts_with(prefix)
    };
    rest.starts_with("b\"")
        || rest.starts_with("c\"")
        || rest.starts_with("b'")
        || ["r", "br", "cr"].into_iter().any(hashes)
}

fn end_of_prefixed(chars: &[char], index: usize) -> usize {
    let open = (index..chars.len()).find(|i| matches!(chars[*i], '"' | '\'')).unwrap_or(chars.len());
    if !chars[index..open].contains(&'r') {
        return if chars.get(open) == Some(&'"') { end_of_string(chars, open) } else { end_of_quote(chars, open) };
    }
    let hashes = chars[index..open].iter().filter(|c| **c == '#').count();
    let closes =
        |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}

fn end_of_string(chars: &[char], open: usize) -> usize {
    let mut index = open + 1;
    while index < chars.len() && chars[index] != '"' {
        index += if chars[index] == '\\' { 2 } else { 1 };
    }
    (index + 1).min(chars.len())
}

/// After a character literal, or after the quote of a lifetime.
fn end_of_quote(chars: &[char], open: usize) -> usize {
    if chars.get(open + 1) == Some(&'\\') {
        return (open + 3..chars.len()).find(|i| chars[*i] == '\'').map_or(chars.len(), |i| i + 1);
    }
    if chars.get(open + 2) == Some(&'\'') { open + 3 } else { open + 1 }
}

fn end_of_block_comment(chars: &[char], open: usize) -> usize {
    let (mut depth, mut index) = (0_usize, open);
    while index < chars.len() {
        match (chars[index], chars.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            return index;
        }
    }
    chars.len()
}
