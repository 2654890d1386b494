//! The HTML of a mail's content, made from its plain text: paragraphs, line breaks, and a code that stands out.
//!
//! Works on borrowed stretches of the text and copies none of them: what it writes goes straight to whoever asked.
//! Knows neither the page around the content nor a setting.

use crate::render::template::ast::{TextSpan, escape};
use crate::render::template::values::Variable;

/// A code longer than this is written smaller, so that one of sixteen letters still fits a narrow phone.
const CODE_WIDE: usize = 8;

/// Signs and blanks that only made sense beside the code, or beside the name that a headline does without.
const JOINTS: [char; 11] = [' ', '\u{a0}', ':', '：', ',', '.', ';', '|', '-', '–', '—'];
/// Those of them that part a name from what it says; behind a blank alone a sentence goes on.
const SEPARATORS: [char; 6] = [':', '：', '|', '-', '–', '—'];

/// What sets a value apart in plain text (Unicode annex 9).
const ISOLATES: [char; 2] = ['\u{2068}', '\u{2069}'];

/// Where HTML goes, piece by piece.
pub(crate) type Put<'p> = dyn FnMut(&str) + 'p;

/// Writes the text as HTML: a blank line ends a paragraph, and the code has a place of its own. Which lines there are
/// is known only now, because a choice may begin in one paragraph and end in another.
pub(crate) fn content(spans: &[TextSpan<'_>], put: &mut Put<'_>) {
    let mut open = false;
    for block in lines(spans).iter().flat_map(|line| blocks(line)) {
        match block {
            Block::Line(line) => {
                put(if std::mem::replace(&mut open, true) { "<br>\n" } else { "<p style=\"margin:0 0 16px\">" });
                inline(&line, put);
            }
            Block::Gap => close(&mut open, put),
            Block::Code(text) => {
                close(&mut open, put);
                code(text, put);
            }
        }
    }
    close(&mut open, put);
}

fn close(open: &mut bool, put: &mut Put<'_>) {
    if std::mem::take(open) {
        put("</p>\n");
    }
}

enum Block<'a> {
    Line(Vec<TextSpan<'a>>),
    Code(&'a str),
    Gap,
}

fn blocks<'a>(line: &[TextSpan<'a>]) -> Vec<Block<'a>> {
    if is_blank(line) {
        return vec![Block::Gap];
    }
    let Some(at) = line.iter().position(is_code) else { return vec![Block::Line(line.to_vec())] };
    let before = Some(line[..at].to_vec()).filter(|before| !is_blank(before)).map(Block::Line);
    let after = Some(beyond_joints(&line[at + 1..])).filter(|after| !is_blank(after));
    let rest = after.map_or_else(Vec::new, |after| blocks(&after));
    before.into_iter().chain([Block::Code(line[at].text())]).chain(rest).collect()
}

/// Writes one line of words alone, for a title or a list of mails.
pub(crate) fn plain(spans: &[TextSpan<'_>], put: &mut Put<'_>) {
    for span in spans {
        escape(span.text(), put);
    }
}

/// Writes a mail's subject as its headline: without the name it begins or ends with, which stands above it.
pub(crate) fn headline(subject: &[TextSpan<'_>], language: &str, put: &mut Put<'_>) {
    let own = without_brand(subject);
    let Some((TextSpan::Words(words), rest)) = own.split_first() else { return inline(&own, put) };
    // A Turkish i has a capital of its own.
    let first = words.chars().next().filter(|_| !matches!(language, "tr" | "az"));
    let capital: String = first.into_iter().flat_map(char::to_uppercase).collect();
    escape(&capital, put);
    escape(&words[first.map_or(0, char::len_utf8)..], put);
    inline(rest, put);
}

fn without_brand<'a>(subject: &[TextSpan<'a>]) -> Vec<TextSpan<'a>> {
    let written =
        |spans: Vec<TextSpan<'a>>| spans.into_iter().filter(|span| !span.text().is_empty()).collect::<Vec<_>>();
    let all = written(subject.to_vec());
    let own = match all.as_slice() {
        [TextSpan::Value(Variable::Brand, _), TextSpan::Words(words), rest @ ..]
            if words.trim_start().starts_with(SEPARATORS) =>
        {
            [&[TextSpan::Words(words.trim_start_matches(JOINTS))], rest].concat()
        }
        [rest @ .., TextSpan::Words(words), TextSpan::Value(Variable::Brand, _)]
            if words.trim_end().ends_with(SEPARATORS) =>
        {
            [rest, &[TextSpan::Words(words.trim_end_matches(JOINTS))]].concat()
        }
        _ => Vec::new(),
    };
    if is_blank(&own) { all } else { written(own) }
}

/// Writes what a list of mails shows beside the subject: the first lines of the text without any that holds the code,
/// one at least, and more as long as they come to no more than `most` signs.
pub(crate) fn preheader(spans: &[TextSpan<'_>], most: usize, put: &mut Put<'_>) {
    let mut written = 0;
    for line in lines(spans).iter().filter(|line| !is_blank(line) && !line.iter().any(is_code)) {
        let length = line.iter().map(|span| span.text().chars().count()).sum::<usize>() + 1;
        if written > 0 && written + length > most {
            return;
        }
        if written > 0 {
            put(" ");
        }
        plain(line, put);
        written += length;
    }
}

// The text line by line. Values have no line breaks: they are cleaned before they come here.
fn lines<'a>(spans: &[TextSpan<'a>]) -> Vec<Vec<TextSpan<'a>>> {
    let mut lines = vec![Vec::new()];
    let add = |span, lines: &mut Vec<Vec<TextSpan<'a>>>| {
        if let Some(last) = lines.last_mut() {
            last.push(span);
        }
    };
    for span in spans {
        match span {
            TextSpan::Value(..) => add(*span, &mut lines),
            TextSpan::Words(words) => {
                for (number, words) in words.split('\n').enumerate() {
                    if number > 0 {
                        lines.push(Vec::new());
                    }
                    add(TextSpan::Words(words.trim_end_matches('\r')), &mut lines);
                }
            }
        }
    }
    lines
}

fn is_code(span: &TextSpan<'_>) -> bool {
    matches!(span, TextSpan::Value(Variable::Otp, _))
}

fn is_blank(line: &[TextSpan<'_>]) -> bool {
    line.iter().all(|span| span.text().trim().is_empty())
}

// The stretches without the signs they begin with, and without those that are empty.
fn beyond_joints<'a>(spans: &[TextSpan<'a>]) -> Vec<TextSpan<'a>> {
    let mut rest = spans.iter().copied().filter(|span| !span.text().is_empty()).peekable();
    let mut first = None;
    while first.is_none()
        && let Some(TextSpan::Words(words)) = rest.peek()
    {
        first = Some(words.trim_start_matches(JOINTS)).filter(|words| !words.is_empty()).map(TextSpan::Words);
        rest.next();
    }
    first.into_iter().chain(rest).collect()
}

fn inline(line: &[TextSpan<'_>], put: &mut Put<'_>) {
    for span in line {
        match span {
            TextSpan::Words(words) => escape(words, put),
            TextSpan::Value(_, "") => {}
            TextSpan::Value(variable, value) => {
                let (open, close) = match variable {
                    Variable::Amount | Variable::Merchant | Variable::Card => ("<strong><bdi>", "</bdi></strong>"),
                    _ => ("<bdi>", "</bdi>"),
                };
                put(open);
                // The element sets the value apart already.
                escape(value.trim_matches(ISOLATES), put);
                put(close);
            }
        }
    }
}

// A table around it, because Outlook knows no boxes; letters of one width, in which 0 and O differ.
fn code(text: &str, put: &mut Put<'_>) {
    put(
        "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\">\n<tr><td align=\"center\" ",
    );
    put(
        "bgcolor=\"#f1f3f5\" style=\"padding:16px 8px;background-color:#f1f3f5;border-radius:8px;text-align:center\">\n",
    );
    put(
        "<p dir=\"ltr\" style=\"margin:0;font-family:Menlo,Consolas,'Courier New',monospace;font-weight:bold;color:#1a1a1a;",
    );
    put(if text.len() > CODE_WIDE {
        "font-size:24px;line-height:32px;word-break:break-all\">"
    } else {
        "font-size:34px;line-height:44px;letter-spacing:6px;text-indent:6px\">"
    });
    escape(text, put);
    put(
        "</p>\n</td></tr>\n<tr><td height=\"20\" style=\"height:20px;font-size:0;line-height:0\">&nbsp;</td></tr>\n</table>\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::Kind;
    use crate::render::template::ast::Template;
    use crate::render::template::part::TemplatePart;
    use crate::render::template::values::Values;

    fn values(merchant: &str, card: &'static str) -> Values<'static> {
        let (otp, brand, amount, date) = ("048291", "Bank Testowy", "PLN 1,234.50".into(), "31 January".into());
        Values { otp, brand, amount, date, merchant: merchant.into(), card, ..Values::default() }
    }

    fn written(
        kind: Kind,
        part: TemplatePart,
        source: &str,
        values: &Values<'_>,
        write: fn(&[TextSpan<'_>], &mut Put<'_>),
    ) -> String {
        let text = Template::read(kind, part, source).ok().unwrap();
        let mut out = String::new();
        write(&text.spans(values), &mut |text| out.push_str(text));
        out
    }

    #[test]
    fn a_choice_may_begin_in_one_paragraph_and_end_in_another() {
        let template =
            "{{#if merchant}}A{{/if}}\n\nB{{#if merchant}}\nC\n\nD{{/if}}{{#if card}}\r\n\r\nE{{/if}}\n\n \n\nF";
        for (merchant, card, expected) in [
            ("x", "1", "<p>A</p><p>B<br>C</p><p>D</p><p>E</p><p>F</p>"),
            ("x", "", "<p>A</p><p>B<br>C</p><p>D</p><p>F</p>"),
            ("", "1", "<p>B</p><p>E</p><p>F</p>"),
            ("", "", "<p>B</p><p>F</p>"),
        ] {
            let html = written(Kind::Transaction, TemplatePart::EmailText, template, &values(merchant, card), content);
            assert_eq!(html.replace(" style=\"margin:0 0 16px\"", "").replace('\n', ""), expected);
        }
    }

    #[test]
    fn a_code_in_the_midst_of_a_sentence_leaves_no_stray_signs() {
        let source = "Code {{otp}}: {{amount}} to\n{{merchant}}\n{{otp}}.";
        let html = written(Kind::Otp, TemplatePart::EmailText, source, &values("A < B", ""), content);
        let paragraphs: Vec<_> = html.split("<p ").skip(1).map(|part| &part[part.find('>').unwrap() + 1..]).collect();
        let said: Vec<_> = paragraphs.iter().map(|part| &part[..part.find("</p>").unwrap()]).collect();
        let payment = "<strong><bdi>PLN 1,234.50</bdi></strong> to<br>\n<strong><bdi>A &lt; B</bdi></strong>";
        assert_eq!(said, ["Code ", "048291", payment, "048291"]);
    }

    #[test]
    fn a_headline_does_without_the_name_that_stands_above_it() {
        for (subject, expected) in [
            ("{{brand}}: your card", "Your card"),
            ("{{brand}}: {{#if date}}łatwo{{/if}}", "Łatwo"),
            ("{{brand}} — {{date}}", "<bdi>31 January</bdi>"),
            ("your card | {{brand}}", "Your card"),
            ("{{brand}} unlocked your card", "<bdi>Bank Testowy</bdi> unlocked your card"),
            ("a card of {{brand}}", "A card of <bdi>Bank Testowy</bdi>"),
            ("{{brand}}:", "<bdi>Bank Testowy</bdi>:"),
        ] {
            let write = |spans: &[TextSpan<'_>], put: &mut Put<'_>| headline(spans, "en", put);
            assert_eq!(
                written(Kind::CardUnlocked, TemplatePart::EmailSubject, subject, &values("", ""), write),
                expected
            );
        }
    }

    #[test]
    fn a_list_of_mails_shows_whole_lines_and_never_the_code() {
        let source = "Code {{otp}} now\n\nFor {{merchant}}\n{{amount}}\nmore than there is room for";
        let write = |spans: &[TextSpan<'_>], put: &mut Put<'_>| preheader(spans, 24, put);
        let shown = written(Kind::Otp, TemplatePart::EmailText, source, &values("A & B", ""), write);
        assert_eq!(shown, "For A &amp; B PLN 1,234.50");
    }
}
