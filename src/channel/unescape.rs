//! Undoes the escapes that texts get in JSON, URLs and HTML, so that a text can be recognised in an answer.
//!
//! It is lenient: what is no escape stays as it is.

/// Escapes may be nested: a JSON document in a string of another one.
const ROUNDS: usize = 4;

/// The longest HTML entity that is read, in bytes.
const ENTITY_MAX: usize = 10;

/// `text` without escapes.
pub(super) fn unescape(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let next = once(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// `text` without tags if it is a page of HTML or XML.
pub(super) fn without_tags(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let mut inside = false;
    let visible = text.chars().map(|c| {
        inside = c == '<' || (inside && c != '>');
        if inside || c == '>' { ' ' } else { c }
    });
    visible.collect()
}

fn once(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '%', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let read = match rest.as_bytes()[0] {
            b'\\' => json_escape(rest),
            b'%' => percent_escapes(rest),
            _ => entity(rest),
        };
        let (escaped, length) = read.unwrap_or_else(|| (rest[..1].to_owned(), 1));
        plain.push_str(&escaped);
        rest = &rest[length..];
    }
    plain + rest
}

// Each reads the escape at the beginning of `text`: what it stands for, and its length in bytes.

fn json_escape(text: &str) -> Option<(String, usize)> {
    let plain = match text.as_bytes().get(1)? {
        b'u' => return unicode_escape(text),
        b'n' | b'r' | b't' | b'b' | b'f' => " ",
        b'"' => "\"",
        b'\\' => "\\",
        b'/' => "/",
        _ => return None,
    };
    Some((plain.to_owned(), 2))
}

fn unicode_escape(text: &str) -> Option<(String, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c.to_string(), 6));
    }
    let pair = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((pair.to_string(), 12))
}

// Consecutive ones together, because a character may have several bytes.
fn percent_escapes(text: &str) -> Option<(String, usize)> {
    let byte = |at: usize| {
        let digits = text.get(at..at + 3)?.strip_prefix('%')?;
        u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    };
    let bytes: Vec<u8> = (0..).map_while(|n| byte(3 * n)).collect();
    (!bytes.is_empty()).then(|| (String::from_utf8_lossy(&bytes).into_owned(), 3 * bytes.len()))
}

fn entity(text: &str) -> Option<(String, usize)> {
    let end = text.bytes().take(ENTITY_MAX).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None => digits.parse().ok(),
    };
    let plain = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => char::from_u32(number(name.strip_prefix('#')?)?)?,
    };
    Some((plain.to_string(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_json_urls_and_html_are_undone_also_when_nested() {
        for (escaped, plain) in [
            (r#"\u017c\u00F3\u0142w \ud83d\ude00 \"a\"\n\/"#, "żółw 😀 \"a\" /"),
            ("%C5%bc%41+%20", "żA+ "),
            ("&lt;b&gt; &amp;amp; &#380;&#x17C; &quot;&apos;&nbsp;", "<b> & żż \"' "),
            (r#"{\\\"text\\\":\\\"\\\\u0031\\\"}"#, r#"{"text":"1"}"#),
            (
                r"\ud83d \u12 \x %4 %zz %+4 &; &unknown; &#xd800; 100% a&b",
                r"\ud83d \u12 \x %4 %zz %+4 &; &unknown; &#xd800; 100% a&b",
            ),
        ] {
            assert_eq!(unescape(escaped), plain);
        }
    }

    #[test]
    fn a_page_is_read_without_its_tags() {
        assert_eq!(without_tags(" <p class='a>b'>x</p>").split_whitespace().collect::<Vec<_>>(), ["b'", "x"]);
        assert_eq!(without_tags("a <b"), "a <b");
    }
}
