//! Finds the paths into our own crate that a file names, in `use` and elsewhere, relative ones resolved.

use super::source::{Source, Word, closing};

/// One path such as `crate::store::reports`, without its `crate`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
    /// What it is called in this file.
    pub(super) name: String,
}

/// Every path that starts with `crate`, `otpost`, `super` or `self`.
pub(super) fn references(source: &Source) -> Vec<Reference> {
    let mut found = Vec::new();
    for start in starts(&source.words) {
        let base = match source.words[start].text.as_str() {
            "crate" | "otpost" => Some(Vec::new()),
            "super" | "self" => Some(module_at(source, start)),
            _ => None,
        };
        if let Some(mut base) = base {
            if source.words[start].text == "super" {
                base.pop();
            }
            Tree { words: &source.words, found: &mut found }.read(start + 2, base);
        }
    }
    found
}

/// Every path that starts with `name`, which stands for `meaning` in this file.
pub(super) fn uses_of(source: &Source, name: &str, meaning: &[String]) -> Vec<Reference> {
    let mut found = Vec::new();
    for start in starts(&source.words).filter(|start| source.words[*start].text == name) {
        Tree { words: &source.words, found: &mut found }.read(start + 2, meaning.to_vec());
    }
    found
}

/// First words of paths: followed by `::`, not led by it.
fn starts(words: &[Word]) -> impl Iterator<Item = usize> {
    let is =
        move |index: Option<usize>, text: &str| index.and_then(|i| words.get(i)).is_some_and(|word| word.text == text);
    (0..words.len()).filter(move |index| is(Some(index + 1), "::") && !is(index.checked_sub(1), "::"))
}

/// The file's module, and the inline modules around word `index`.
fn module_at(source: &Source, index: usize) -> Vec<String> {
    let mut module = source.module();
    for (at, three) in source.words.windows(3).enumerate().take_while(|(at, _)| *at < index) {
        if three[0].text == "mod" && three[2].text == "{" && index < closing(&source.words, at + 2) {
            module.push(three[1].text.clone());
        }
    }
    module
}

struct Tree<'a> {
    words: &'a [Word],
    found: &'a mut Vec<Reference>,
}

impl Tree<'_> {
    fn at(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| &word.text)
    }

    /// Reads what follows `base::` from word `index` on, and returns the index after it.
    fn read(&mut self, mut index: usize, mut base: Vec<String>) -> usize {
        if self.at(index) == "{" {
            let end = closing(self.words, index);
            index += 1;
            while index < end {
                index = if self.at(index) == "," { index + 1 } else { self.read(index, base.clone()) };
            }
            return end + 1;
        }
        match self.at(index) {
            "super" => drop(base.pop()),
            "self" => {}
            segment => base.push(segment.to_owned()),
        }
        match self.at(index + 1) {
            "::" if self.at(index + 2) != "<" => self.read(index + 2, base),
            "as" => self.leaf(index, base, index + 2),
            _ => self.leaf(index, base, index),
        }
    }

    fn leaf(&mut self, index: usize, path: Vec<String>, named_at: usize) -> usize {
        let own = path.last().cloned().unwrap_or_default();
        let name = if named_at == index { own } else { self.at(named_at).to_owned() };
        self.found.push(Reference { line: self.words.get(index).map_or(0, |word| word.line), path, name });
        named_at + 1
    }
}
