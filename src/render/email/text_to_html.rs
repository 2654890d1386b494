//! Makes the HTML of a mail's content from its plain text: paragraphs, line breaks, and a highlighted code.
//!
//! Works on borrowed spans of the text and does not copy the code: the HTML goes directly to the caller. Knows neither the
//! page around the content nor any setting.

use icu_casemap::TitlecaseMapper;
use icu_casemap::options::{LeadingAdjustment, TitlecaseOptions, TrailingCase};
use icu_locale::LanguageIdentifier;

use crate::render::template::ast::{TextSpan, escape};
use crate::render::template::values::Variable;

/// A code longer than this is shown in a smaller font, so that one of 16 characters still fits a narrow phone.
const CODE_WIDE: usize = 8;

/// Punctuation and spaces that only make sense next to the code, or next to the brand that a headline omits.
const JOINTS: [char; 11] = [' ', '\u{a0}', ':', '：', ',', '.', ';', '|', '-', '–', '—'];
/// The punctuation that separates the brand from the rest of a subject. After a space alone, the sentence continues.
const SEPARATORS: [char; 6] = [':', '：', '|', '-', '–', '—'];

/// The marks around an isolated value in plain text (Unicode annex 9).
const ISOLATES: [char; 2] = ['\u{2068}', '\u{2069}'];

/// Receives the HTML in pieces.
pub(crate) type Put<'p> = dyn FnMut(&str) + 'p;

/// Writes the text as HTML: an empty line ends a paragraph, and the code has its own block. The lines are known only after
/// rendering, because a condition may begin in one paragraph and end in another.
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
    let after = Some(without_joints(&line[at + 1..])).filter(|after| !is_blank(after));
    let rest = after.map_or_else(Vec::new, |after| blocks(&after));
    before.into_iter().chain([Block::Code(line[at].text())]).chain(rest).collect()
}

/// Writes one line without markup, for a title or a list of mails.
pub(crate) fn plain(spans: &[TextSpan<'_>], put: &mut Put<'_>) {
    for span in spans {
        escape(span.text(), put);
    }
}

/// Writes a mail's subject as its headline: with a capital letter, and without the brand at its beginning or end, which the
/// page shows above it.
pub(crate) fn headline(subject: &[TextSpan<'_>], language: &LanguageIdentifier, put: &mut Put<'_>) {
    let own = without_brand(subject);
    let Some((TextSpan::Fixed(text), rest)) = own.split_first() else { return inline(&own, put) };
    let mut options = TitlecaseOptions::default();
    options.leading_adjustment = Some(LeadingAdjustment::None);
    options.trailing_case = Some(TrailingCase::Unchanged);
    escape(&TitlecaseMapper::new().titlecase_segment_to_string(text, language, options), put);
    inline(rest, put);
}

fn without_brand<'a>(subject: &[TextSpan<'a>]) -> Vec<TextSpan<'a>> {
    let non_empty =
        |spans: Vec<TextSpan<'a>>| spans.into_iter().filter(|span| !span.text().is_empty()).collect::<Vec<_>>();
    let all = non_empty(subject.to_vec());
    let own = match all.as_slice() {
        [TextSpan::Value(Variable::Brand, _), TextSpan::Fixed(text), rest @ ..]
            if text.trim_start().starts_with(SEPARATORS) =>
        {
            [&[TextSpan::Fixed(text.trim_start_matches(JOINTS))], rest].concat()
        }
        [rest @ .., TextSpan::Fixed(text), TextSpan::Value(Variable::Brand, _)]
            if text.trim_end().ends_with(SEPARATORS) =>
        {
            [rest, &[TextSpan::Fixed(text.trim_end_matches(JOINTS))]].concat()
        }
        _ => Vec::new(),
    };
    if is_blank(&own) { all } else { non_empty(own) }
}

/// Writes what a list of mails shows next to the subject: the first lines of the text that do not hold the code, at least
/// one, and more up to `most` characters.
pub(crate) fn preheader(spans: &[TextSpan<'_>], most: usize, put: &mut Put<'_>) {
    let mut length = 0;
    for line in lines(spans).iter().filter(|line| !is_blank(line) && !line.iter().any(is_code)) {
        let of_line = line.iter().map(|span| span.text().chars().count()).sum::<usize>() + 1;
        if length > 0 && length + of_line > most {
            return;
        }
        if length > 0 {
            put(" ");
        }
        plain(line, put);
        length += of_line;
    }
}

// The lines of the text. Values have no line breaks: they were removed before.
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
            TextSpan::Fixed(text) => {
                for (number, line) in text.split('\n').enumerate() {
                    if number > 0 {
                        lines.push(Vec::new());
                    }
                    add(TextSpan::Fixed(line.trim_end_matches('\r')), &mut lines);
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

// The spans without empty ones, and without the punctuation at the beginning.
fn without_joints<'a>(spans: &[TextSpan<'a>]) -> Vec<TextSpan<'a>> {
    let mut rest = spans.iter().copied().filter(|span| !span.text().is_empty()).peekable();
    let mut first = None;
    while first.is_none()
        && let Some(TextSpan::Fixed(text)) = rest.peek()
    {
        first = Some(text.trim_start_matches(JOINTS)).filter(|text| !text.is_empty()).map(TextSpan::Fixed);
        rest.next();
    }
    first.into_iter().chain(rest).collect()
}

fn inline(line: &[TextSpan<'_>], put: &mut Put<'_>) {
    for span in line {
        match span {
            TextSpan::Fixed(text) => escape(text, put),
            TextSpan::Value(_, "") => {}
            TextSpan::Value(variable, value) => {
                let (open, close) = match variable {
                    Variable::Amount | Variable::Merchant | Variable::Card => ("<strong><bdi>", "</bdi></strong>"),
                    _ => ("<bdi>", "</bdi>"),
                };
                put(open);
                // The element isolates the value already.
                escape(value.trim_matches(ISOLATES), put);
                put(close);
            }
        }
    }
}

// In a table, because Outlook does not support boxes; in a monospaced font, in which 0 and O differ.
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
    use icu_locale::langid;

    use super::*;
    use crate::domain::notification::Kind;
    use crate::render::template::ast::Template;
    use crate::render::template::part::TemplatePart;
    use crate::render::template::values::Values;

    fn values(merchant: &str, card: &'static str) -> Values<'static> {
        let (otp, brand, amount, date) = ("048291", "Bank Testowy", "PLN 1,234.50".into(), "31 January".into());
        Values { otp, brand, amount, date, merchant: merchant.into(), card, ..Values::default() }
    }

    fn html(
        kind: Kind,
        part: TemplatePart,
        source: &str,
        values: &Values<'_>,
        write: fn(&[TextSpan<'_>], &mut Put<'_>),
    ) -> String {
        let template = Template::compile(kind, part, source).ok().unwrap();
        let mut out = String::new();
        write(&template.spans(values), &mut |text| out.push_str(text));
        out
    }

    #[test]
    fn a_condition_may_begin_in_one_paragraph_and_end_in_another() {
        let template =
            "{{#if merchant}}A{{/if}}\n\nB{{#if merchant}}\nC\n\nD{{/if}}{{#if card}}\r\n\r\nE{{/if}}\n\n \n\nF";
        for (merchant, card, expected) in [
            ("x", "1", "<p>A</p><p>B<br>C</p><p>D</p><p>E</p><p>F</p>"),
            ("x", "", "<p>A</p><p>B<br>C</p><p>D</p><p>F</p>"),
            ("", "1", "<p>B</p><p>E</p><p>F</p>"),
            ("", "", "<p>B</p><p>F</p>"),
        ] {
            let html = html(Kind::Transaction, TemplatePart::EmailText, template, &values(merchant, card), content);
            assert_eq!(html.replace(" style=\"margin:0 0 16px\"", "").replace('\n', ""), expected);
        }
    }

    #[test]
    fn a_code_in_the_middle_of_a_sentence_leaves_no_stray_punctuation() {
        let source = "Code {{otp}}: {{amount}} to\n{{merchant}}\n{{otp}}.";
        let html = html(Kind::Otp, TemplatePart::EmailText, source, &values("A < B", ""), content);
        let paragraphs: Vec<_> = html.split("<p ").skip(1).map(|part| &part[part.find('>').unwrap() + 1..]).collect();
        let said: Vec<_> = paragraphs.iter().map(|part| &part[..part.find("</p>").unwrap()]).collect();
        let payment = "<strong><bdi>PLN 1,234.50</bdi></strong> to<br>\n<strong><bdi>A &lt; B</bdi></strong>";
        assert_eq!(said, ["Code ", "048291", payment, "048291"]);
    }

    #[test]
    fn a_headline_omits_the_brand_that_the_page_shows_above_it() {
        for (subject, expected) in [
            ("{{brand}}: your card", "Your card"),
            ("{{brand}}: {{#if date}}łatwo{{/if}}", "Łatwo"),
            ("{{brand}} — {{date}}", "<bdi>31 January</bdi>"),
            ("your card | {{brand}}", "Your card"),
            ("{{brand}} unlocked your card", "<bdi>Bank Testowy</bdi> unlocked your card"),
            ("a card of {{brand}}", "A card of <bdi>Bank Testowy</bdi>"),
            ("{{brand}}:", "<bdi>Bank Testowy</bdi>:"),
        ] {
            let write = |spans: &[TextSpan<'_>], put: &mut Put<'_>| headline(spans, &langid!("en"), put);
            assert_eq!(html(Kind::CardUnlocked, TemplatePart::EmailSubject, subject, &values("", ""), write), expected);
        }
    }

    #[test]
    fn a_preheader_has_whole_lines_and_never_the_code() {
        let source = "Code {{otp}} now\n\nFor {{merchant}}\n{{amount}}\nmore than there is room for";
        let write = |spans: &[TextSpan<'_>], put: &mut Put<'_>| preheader(spans, 24, put);
        let shown = html(Kind::Otp, TemplatePart::EmailText, source, &values("A & B", ""), write);
        assert_eq!(shown, "For A &amp; B PLN 1,234.50");
    }
}
