//! Whitespace control of comments: `{{! note ~}}` removes the whitespace behind the comment, `{{~! note }}` that before it.
//!
//! The parser does not know it: it ignores the first form, rejects the second, and reads a comment that ends with `--~}}` on
//! to the end of the next one. So each `~` is replaced by a mark that the parser keeps as a part of the comment.

use std::borrow::Cow;

/// Stand for a `~` at the beginning and at the end of a comment.
const BEFORE: &str = "\u{1}";
const BEHIND: &str = "\u{2}";

/// The source with marks in its comments. Every other character stays at its place.
pub(super) fn marked(source: &str) -> Cow<'_, str> {
    let mut marked = Cow::Borrowed(source);
    let mut at = 0;
    while let Some(found) = source[at..].find("{{") {
        let start = at + found + 2;
        let inside = &source[start..];
        let strips_before = inside.starts_with("~!");
        let Some(comment) = inside.strip_prefix("~!").or_else(|| inside.strip_prefix('!')) else {
            at = start;
            continue;
        };
        let dashes = if comment.starts_with("--") { "--" } else { "" };
        if strips_before {
            let opening = start..start + "~!".len() + dashes.len();
            marked.to_mut().replace_range(opening, &format!("!{dashes}{BEFORE}"));
        }
        let text = start + inside.len() - comment.len() + dashes.len();
        let Some(end) = end(&source[text..], dashes) else { break };
        if end.strips_behind {
            let closing = text + end.at..text + end.at + "~".len() + dashes.len();
            marked.to_mut().replace_range(closing, &format!("{BEHIND}{dashes}"));
        }
        at = text + end.at;
    }
    marked
}

/// Whether a comment with this text removes the whitespace before it, and behind it.
pub(super) fn strips(comment: &str) -> (bool, bool) {
    (comment.starts_with(BEFORE), comment.ends_with(BEHIND))
}

struct End {
    at: usize,
    strips_behind: bool,
}

// Where the closing begins: dashes, `~` and braces.
fn end(text: &str, dashes: &str) -> Option<End> {
    let find = |tilde: &str| text.find(&format!("{dashes}{tilde}}}}}"));
    match (find("~"), find("")) {
        (Some(at), plain) if plain.is_none_or(|plain| at < plain) => Some(End { at, strips_behind: true }),
        (_, Some(at)) => Some(End { at, strips_behind: false }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::Kind;
    use crate::render::template::ast::{Node, Template};
    use crate::render::template::part::TemplatePart;

    fn text(source: &str) -> String {
        let template = Template::compile(Kind::CardUnlocked, TemplatePart::Sms, source);
        let template = template.unwrap_or_else(|violations| panic!("{source}: {violations:?}"));
        let fixed = template.nodes.iter().map(|node| match node {
            Node::Fixed(text) => text.as_str(),
            Node::Value(_) | Node::Choice { .. } => "*",
        });
        fixed.collect()
    }

    #[test]
    fn a_tilde_of_a_comment_removes_whitespace_on_its_side() {
        for (source, expected) in [
            ("a {{! note }} b", "a  b"),
            ("a {{! note ~}} b", "a b"),
            ("a {{~! note }} b", "a b"),
            ("a {{~! note ~}} b", "ab"),
            ("a {{!-- note }} more --}} b", "a  b"),
            ("a {{!-- note }} more --~}} b", "a b"),
            ("a {{~!-- note }} more --~}} b", "ab"),
            ("a {{!~ note }} b", "a  b"),
            ("a {{! ~ note}} b", "a  b"),
            ("a {{!~}} b", "a b"),
            ("a {{!----~}} b {{! c ~}} d", "a b d"),
            ("a {{!-- one --~}} b {{!-- two --}} c", "a b  c"),
            ("a {{! note ~}} {{date}} {{~! note}} b", "a * b"),
            ("a{{! note ~}}\n\n{{date}}", "a*"),
        ] {
            assert_eq!(text(source), expected, "{source}");
        }
    }

    #[test]
    fn everything_but_the_tildes_of_comments_stays_at_its_place() {
        for source in
            ["ł {{~date~}} {{! x ~}} ł {{~!-- y --~}}", "{{!-- no end ~}}", "{{! no end", "{{~! no end", "~}} {{"]
        {
            let marked = marked(source);
            assert_eq!(marked.len(), source.len(), "{source}");
        }
        assert!(matches!(marked("{{~#if date~}}x{{~/if~}} {{! y }}"), Cow::Borrowed(_)));
    }
}
