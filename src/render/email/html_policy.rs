//! What an operator's own HTML of a mail may hold: the content between the layout's head and foot, in simple markup.
//!
//! It is read as signs, not as a page: which elements and attributes there are. What mail programs drop or block, what
//! fetches something, and what would end the page around it, is refused with its place.

use crate::render::template::syntax_limits::Location;

/// Elements that every mail program shows and that need nothing from the page around them.
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

/// Attributes that neither run nor fetch anything.
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

/// The first thing in `source` that is more than content.
pub(crate) fn fault(source: &str) -> Option<Location> {
    let mut rest = 0;
    while let Some(found) = source[rest..].find('<') {
        let start = rest + found;
        let inside = &source[start + 1..];
        let end = inside.find('>').unwrap_or(inside.len());
        if let Some(what) = fault_in(&inside[..end]) {
            return Some(Location::behind(source, start, what));
        }
        rest = start + 1 + end;
    }
    None
}

fn fault_in(tag: &str) -> Option<String> {
    let closing = tag.strip_prefix('/');
    let tag = closing.unwrap_or(tag);
    let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
    if !ELEMENTS.contains(&name.to_ascii_lowercase().as_str()) {
        let sign: String = tag.chars().take(8).filter(|c| !c.is_control()).collect();
        return Some(format!(
            "<{sign}: this is the content between the layout's head and foot, with no more than {}; write &lt; for the sign",
            ELEMENTS.join(", ")
        ));
    }
    let mut attributes = tag[name.len()..].trim_end_matches('/');
    while let Some((attribute, value, rest)) = next_attribute(attributes) {
        let known = ATTRIBUTES.contains(&attribute.to_ascii_lowercase().as_str());
        if !known {
            return Some(format!("<{name}> takes no {attribute} here, only {}", ATTRIBUTES.join(", ")));
        }
        if value.to_ascii_lowercase().contains("url(") {
            return Some(format!("{attribute} fetches something, which tells a stranger who reads the mail"));
        }
        attributes = rest;
    }
    None
}

// `name="value"` and what follows it; without a value it is empty.
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

    fn said(source: &str) -> String {
        fault(source).map(|fault| fault.what).unwrap_or_default()
    }

    #[test]
    fn content_is_taken_and_a_page_is_not() {
        for good in [
            "<p>Code {{otp}}</p>",
            "a &lt; b<br/><a href=\"https://bank.example/\" style='color:#000'>more</a>",
            "<table role=presentation width=100%><tr><td>{{amount}}</td></tr></table>",
            "{{#if merchant}}<p>{{merchant}}</p>{{/if}}",
        ] {
            assert_eq!(said(good), "", "{good}");
        }
        for (bad, expected) in [
            ("<!doctype html><html>", "<!doctype: this is the content"),
            ("<style>p{}</style>", "<style: this"),
            ("<p>a</p></td>x<script>", "<script: this"),
            ("<img src=\"https://x.example/pixel\">", "<img src="),
            ("<!-- note -->", "<!-- note: this"),
            ("a < b", "< b: this"),
            ("<p onclick=\"x\">", "<p> takes no onclick here"),
            ("<p class=x>", "<p> takes no class here"),
            ("<p style=\"background:URL(https://x.example)\">", "style fetches something"),
        ] {
            assert!(said(bad).starts_with(expected), "{bad}: {}", said(bad));
        }
    }

    #[test]
    fn the_place_is_where_the_element_begins() {
        let source = "<p>ł</p>\n ł <img>";
        assert_eq!(fault(source).and_then(|fault| fault.at), Some((2, 4)));
    }
}
