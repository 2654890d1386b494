//! Finds the placeholders of other programs, such as `{date}` or `%s`: here they are text, and recipients would read them.

use crate::domain::notification::Kind;
use crate::render::template::values::Variable;

/// The longest name of a placeholder, in bytes; more between two brackets is a sentence.
const NAME_MAX: usize = 40;

/// What other programs write before and behind a name, the longer before the shorter.
const BRACKETS: [(&str, &str); 10] = [
    ("${", "}"),
    ("#{", "}"),
    ("{%", "%}"),
    ("<%=", "%>"),
    ("%(", ")s"),
    ("%{", "}"),
    ("((", "))"),
    ("[[", "]]"),
    ("<<", ">>"),
    ("{", "}"),
];

/// What may as well be ordinary text: a placeholder only around the name of a variable.
const AMBIGUOUS: [(&str, &str); 5] = [("[", "]"), ("<", ">"), ("%", "%"), ("@", "@"), ("$", "")];

/// The letters of printf formats that stand for texts and numbers.
const FORMATS: [char; 5] = ['s', 'd', 'i', 'f', '@'];

/// A placeholder in `text`.
pub(super) struct ForeignPlaceholder<'a> {
    /// Its offset in the text.
    pub(super) at: usize,
    pub(super) written: &'a str,
    /// The variable that is meant, if there is one of this name.
    pub(super) variable: Option<Variable>,
}

impl ForeignPlaceholder<'_> {
    /// What is wrong, and what to do.
    pub(super) fn message(&self) -> String {
        let name = self.variable.map_or("name", |variable| variable.name());
        format!("{} is sent as it is written; a variable is written {{{{{name}}}}}", self.written)
    }
}

/// The placeholders in the fixed text of a template for messages of `kind`.
pub(super) fn of(text: &str, kind: Kind) -> Vec<ForeignPlaceholder<'_>> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, _) in text.char_indices() {
        if at < end {
            continue;
        }
        if let Some((length, name)) = bracketed(&text[at..], kind).or_else(|| format(text, at)) {
            let variable = Variable::named(kind, &name.to_ascii_lowercase());
            found.push(ForeignPlaceholder { at, written: &text[at..at + length], variable });
            end = at + length;
        }
    }
    found
}

// The length of the placeholder that `text` begins with, and the name in it.
fn bracketed(text: &str, kind: Kind) -> Option<(usize, &str)> {
    let between = |(open, close): &(&str, &str)| {
        let inside = text.strip_prefix(open)?;
        let length = match *close {
            "" => inside.find(|c: char| !is_of_a_name(c)).unwrap_or(inside.len()),
            close => inside.find(close)?,
        };
        let name = inside[..length].trim();
        let is_name =
            name.len() <= NAME_MAX && name.starts_with(char::is_alphanumeric) && name.chars().all(is_of_a_name);
        is_name.then_some((open.len() + length + close.len(), name))
    };
    let is_variable = |(_, name): &(usize, &str)| Variable::named(kind, &name.to_ascii_lowercase()).is_some();
    let ambiguous = || AMBIGUOUS.iter().find_map(between).filter(is_variable);
    BRACKETS.iter().find_map(between).or_else(ambiguous)
}

// `%s`, `%d`, `%1$s`; not the percent sign of `100%`.
fn format(text: &str, at: usize) -> Option<(usize, &'static str)> {
    let after_digit = text[..at].ends_with(|c: char| c.is_numeric());
    let inside = text[at..].strip_prefix('%').filter(|_| !after_digit)?;
    let position = inside.find('$').filter(|end| inside[..*end].bytes().all(|byte| byte.is_ascii_digit()));
    let letter = &inside[position.map_or(0, |end| end + 1)..];
    let mut letters = letter.chars();
    let is_format = letters.next().is_some_and(|c| FORMATS.contains(&c));
    (is_format && !letters.next().is_some_and(char::is_alphanumeric)).then(|| (text.len() - at - letter.len() + 1, ""))
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<&str> {
        of(text, Kind::CardUnlocked).into_iter().map(|it| it.written).collect()
    }

    #[test]
    fn placeholders_of_other_programs_are_found() {
        for placeholder in [
            "{date}",
            "{ date }",
            "{0}",
            "{card.date}",
            "((date))",
            "((first-name))",
            "${date}",
            "#{date}",
            "%{date}",
            "[[date]]",
            "<<date>>",
            "<%= date %>",
            "{% date %}",
            "%(date)s",
            "%s",
            "%d",
            "%1$s",
            "%@",
            "[date]",
            "[DATE]",
            "<date>",
            "%date%",
            "@date@",
            "$date",
        ] {
            for text in [placeholder.to_owned(), format!("ł {placeholder}, x"), format!("({placeholder})")] {
                assert_eq!(written(&text), [placeholder], "{text}");
            }
        }
        assert_eq!(written("{a} and %s"), ["{a}", "%s"]);
    }

    #[test]
    fn ordinary_text_has_none() {
        for text in [
            "100% sure, 5 %, 100%d",
            "{ two words }",
            "()",
            "(( ))",
            "(today)",
            "((see below, please))",
            "[1]",
            "[Bank]",
            "<3",
            "a < b > c",
            "$5",
            "US$",
            "me@bank.example",
            "20%-30%",
            "%",
            "{",
            "}",
            "{}",
            "{{",
            "# 1",
            "%sale",
        ] {
            assert_eq!(written(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_message_names_the_variable_that_is_meant() {
        let message = |text| of(text, Kind::CardUnlocked)[0].message();
        assert_eq!(message("{date}"), "{date} is sent as it is written; a variable is written {{date}}");
        assert_eq!(message("((Date))"), "((Date)) is sent as it is written; a variable is written {{date}}");
        assert_eq!(message("%s"), "%s is sent as it is written; a variable is written {{name}}");
    }
}
