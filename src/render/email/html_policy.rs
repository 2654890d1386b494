//! The HTML allowed in `email.html.hbs`: simple markup for the content between the header and the footer of the layout.
//!
//! The source is scanned for elements and attributes, not parsed as a page. Rejected with its position is what mail programs
//! drop or block, what fetches something, and what would close the page around the content.

use crate::render::validate::diagnostic::Violation;

/// Elements that every mail program shows and that do not depend on the page around them.
const ELEMENTS: [&str; 24] = [
    "a",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "div",
    "em",
    "h2",
    "h3",
    "hr",
    "i",
    "li",
    "ol",
    "p",
    "small",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "ul",
];

/// Attributes that neither run code nor fetch anything.
const ATTRIBUTES: [&str; 16] = [
    "align",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "colspan",
    "dir",
    "height",
    "href",
    "lang",
    "role",
    "rowspan",
    "scope",
    "style",
    "valign",
    "width",
];

/// The first element or attribute in `source` that is not allowed.
pub(crate) fn violation(source: &str) -> Option<Violation> {
    let mut rest = 0;
    while let Some(found) = source[rest..].find('<') {
        let start = rest + found;
        let inside = &source[start + 1..];
        let end = inside.find('>').unwrap_or(inside.len());
        if let Some(message) = rejection(&inside[..end]) {
            return Some(Violation::at(source, start, "mail-content", message));
        }
        rest = start + 1 + end;
    }
    None
}

fn rejection(tag: &str) -> Option<String> {
    let closing = tag.strip_prefix('/');
    let tag = closing.unwrap_or(tag);
    let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
    if !ELEMENTS.contains(&name.to_ascii_lowercase().as_str()) {
        let start: String = tag.chars().take(8).filter(|c| !c.is_control()).collect();
        return Some(format!(
            "<{start} is not allowed: this file is the content between header and footer; allowed elements: {}; write &lt; \
             for a less-than sign",
            ELEMENTS.join(", ")
        ));
    }
    let mut attributes = tag[name.len()..].trim_end_matches('/');
    while let Some((attribute, value, rest)) = next_attribute(attributes) {
        let known = ATTRIBUTES.contains(&attribute.to_ascii_lowercase().as_str());
        if !known {
            return Some(format!(
                "{attribute} is not allowed in <{name}>; allowed attributes: {}",
                ATTRIBUTES.join(", ")
            ));
        }
        if value.to_ascii_lowercase().contains("url(") {
            return Some(format!(
                "{attribute} fetches something, which reveals to a third party that the mail was opened"
            ));
        }
        attributes = rest;
    }
    None
}

// The name and value of the first attribute, and the rest. A missing value is empty.
fn next_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_start();
    let name = text.split(|c: char| c == '=' || c.is_whitespace()).next().filter(|_| !text.is_empty())?;
    let after = text[name.len()..].trim_start();
    let Some(value) = after.strip_prefix('=').map(str::trim_start) else { return Some((name, "", after)) };
    let (value, rest) = if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        value[1..].split_once(quote).unwrap_or((&value[1..], ""))
    } else {
        value.split_at(value.find(char::is_whitespace).unwrap_or(value.len()))
    };
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(source: &str) -> String {
        violation(source).map(|violation| violation.message).unwrap_or_default()
    }

    #[test]
    fn content_is_accepted_and_a_page_is_rejected() {
        for good in [
            "<p>Code {{otp}}</p>",
            "a &lt; b<br/><a href=\"https://bank.example/\" style='color:#000'>more</a>",
            "<table role=presentation width=100%><tr><td>{{amount}}</td></tr></table>",
            "{{#if merchant}}<p>{{merchant}}</p>{{/if}}",
        ] {
            assert_eq!(message(good), "", "{good}");
        }
        for (bad, expected) in [
            ("<!doctype html><html>", "<!doctype is not allowed: this file is the content"),
            ("<style>p{}</style>", "<style is not allowed"),
            ("<p>a</p></td>x<script>", "<script is not allowed"),
            ("<img src=\"https://x.example/pixel\">", "<img src="),
            ("<!-- note -->", "<!-- note is not allowed"),
            ("a < b", "< b is not allowed"),
            ("<p onclick=\"x\">", "onclick is not allowed in <p>"),
            ("<p class=x>", "class is not allowed in <p>"),
            ("<p style=\"background:URL(https://x.example)\">", "style fetches something"),
        ] {
            assert!(message(bad).starts_with(expected), "{bad}: {}", message(bad));
        }
    }

    #[test]
    fn the_position_is_that_of_the_element() {
        let source = "<p>ł</p>\n ł <img>";
        assert_eq!(violation(source).and_then(|violation| violation.at), Some((2, 4)));
    }
}
