//! What a template may not do, decided before it is read and again after.
//!
//! Templates are written by people who may edit texts, not by people who may change the program: none of them may
//! abort the process or leave out what the payer has to be shown. The bounds of one text, whatever is in it:
//!
//! | what | bound | kept by |
//! | --- | --- | --- |
//! | source | 4 KiB, HTML 16 KiB | [`before_parsing`], before anything recurses |
//! | blocks in each other | 16, `{{else if}}` counted | [`before_parsing`]; the reader's stack is finite |
//! | parentheses in a tag | 16 | [`before_parsing`] |
//! | partials, layouts, decorators | none, so there are no cycles | [`before_parsing`], and again the reader in `text` |
//! | helpers | `if`, `unless`, `eq`; so no `log`, `lookup`, `each`, `with` | the reader in `text` |
//! | steps of writing | at most the bytes of the source | no piece is written twice, because nothing loops |
//! | finished text | the channel's cap | `render::write`, and beforehand the rehearsal |
//!
//! Nothing here knows a file or a locale.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::part::TemplatePart;
use super::values::Variable;
use crate::domain::notification::Kind;

/// How deep blocks and parentheses may lie in each other: the reader recurses, and its stack is finite.
/// Every `{{else if}}` lies one deeper than the one before it.
const DEPTH_MAX: usize = 16;

/// A rule and what to say to whoever breaks it.
type SyntaxError = (&'static str, &'static str);

const NO_INCLUDES: SyntaxError =
    ("include", "templates cannot include or define other templates: write the words here");
const ESCAPED: SyntaxError = ("raw-value", "values are always escaped: use {{name}}");
const UNCLOSED: SyntaxError = ("syntax", "{{ without }}");
const TOO_DEEP: SyntaxError = ("nesting", "more than 16 blocks lie in each other");

/// Where a template goes wrong and why, in words for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Line and column, both counted from one.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
}

/// A rule that a text breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) fault: Location,
}

impl Violation {
    /// Somewhere in the text, or all over it.
    pub(crate) fn everywhere(rule: &'static str, what: impl Into<String>) -> Self {
        Self { rule, fault: Location { at: None, what: what.into() } }
    }

    /// Behind so many bytes of `source`.
    pub(crate) fn behind(source: &str, offset: usize, rule: &'static str, what: impl Into<String>) -> Self {
        Self { rule, fault: Location::behind(source, offset, what) }
    }
}

impl Location {
    /// Behind so many bytes of `source`.
    pub(crate) fn behind(source: &str, offset: usize, what: impl Into<String>) -> Self {
        let before = source.get(..offset).unwrap_or(source).trim_start_matches('\u{feff}');
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { at: Some((line, column)), what: what.into() }
    }

    /// What handlebars could not read, without the drawing it makes of the place.
    pub(crate) fn of_syntax(error: &handlebars::TemplateError) -> Self {
        use handlebars::TemplateErrorReason::{MismatchingClosedDecorator, MismatchingClosedHelper};
        let what = match error.reason() {
            MismatchingClosedHelper(open, close) | MismatchingClosedDecorator(open, close) => {
                format!("{{{{#{open}}}}} is closed by {{{{/{close}}}}}")
            }
            _ => "this cannot be read: look for a block that is not closed, or a stray sign inside {{ }}".to_owned(),
        };
        Self { at: error.pos(), what }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What would be too large or too deep to read safely, and the signs that are not used here. Only a text without any of
/// it is given to handlebars.
///
/// It sees at least every tag that handlebars sees: what could make the two differ (backslashes, brackets, braces
/// inside a tag) is refused.
pub(crate) fn before_parsing(part: TemplatePart, source: &str) -> Vec<Violation> {
    let limit = part.source_limit();
    if source.len() > limit {
        return vec![Violation::everywhere("size", format!("larger than {limit} bytes: say it in fewer words"))];
    }
    let mut breaches = Vec::new();
    // One entry for each open block: how many levels it takes up.
    let mut open_blocks: Vec<usize> = Vec::new();
    let mut rest = 0;
    while let Some(found) = source[rest..].find("{{") {
        let start = rest + found;
        let mut refuse = |(rule, what): SyntaxError| breaches.push(Violation::behind(source, start, rule, what));
        if source[..start].ends_with('\\') {
            refuse(("syntax", "a backslash before {{ is not used here"));
        }
        match tag(&source[start + 2..]) {
            Ok(inside) => {
                Sign::of(inside).count(&mut open_blocks, &mut refuse);
                if open_blocks.iter().sum::<usize>() > DEPTH_MAX {
                    refuse(TOO_DEEP);
                    break;
                }
                rest = start + 2 + inside.len();
            }
            Err(refusal) => {
                refuse(refusal);
                let Some(end) = source[start..].find("}}") else { break };
                rest = start + end;
            }
        }
    }
    breaches
}

/// What an OTP owes the payer and does not show in every case: amount and payee, together with the code (Delegated
/// Regulation (EU) 2018/389, article 5(1)(a)).
pub(crate) fn after_parsing(kind: Kind, part: TemplatePart, always_written: &BTreeSet<Variable>) -> Option<Violation> {
    if part.is_headline() || kind != Kind::Otp {
        return None;
    }
    let owed = [Variable::Otp, Variable::Amount, Variable::Merchant];
    let missing: Vec<_> = owed.iter().filter(|owed| !always_written.contains(owed)).map(|owed| owed.name()).collect();
    let what = || {
        let missing = missing.join(" and ");
        format!("{missing} must be written in every case: the payer is shown the code with amount and payee")
    };
    (!missing.is_empty()).then(|| Violation::everywhere("payee-shown", what()))
}

enum Sign {
    Opens,
    Chains,
    Closes,
    Plain,
    Refused(SyntaxError),
}

impl Sign {
    // What is open after this sign.
    fn count(self, open_blocks: &mut Vec<usize>, refuse: &mut impl FnMut(SyntaxError)) {
        match self {
            Self::Opens => open_blocks.push(1),
            Self::Chains => open_blocks.last_mut().into_iter().for_each(|levels| *levels += 1),
            Self::Closes => drop(open_blocks.pop()),
            Self::Plain => {}
            Self::Refused(refusal) => refuse(refusal),
        }
    }

    fn of(inside: &str) -> Self {
        let inside = inside.trim_start_matches(|c: char| c == '~' || c.is_whitespace());
        let chained = |after: &str| !after.trim_end_matches('~').trim().is_empty();
        match inside.as_bytes() {
            [b'#', rest @ ..] => Self::of_block(rest.trim_ascii_start()),
            [b'/', ..] => Self::Closes,
            [b'>' | b'*', ..] => Self::Refused(NO_INCLUDES),
            [b'&', ..] => Self::Refused(ESCAPED),
            _ if inside.strip_prefix("else").or(inside.strip_prefix('^')).is_some_and(chained) => Self::Chains,
            _ => Self::Plain,
        }
    }

    fn of_block(name: &[u8]) -> Self {
        match name {
            [b'>' | b'*', ..] => Self::Refused(NO_INCLUDES),
            _ => Self::Opens,
        }
    }
}

// What lies between `{{` and its `}}`.
fn tag(after: &str) -> Result<&str, SyntaxError> {
    if after.starts_with('!') {
        let long = after.starts_with("!--").then(|| after.find("--}}").map(|end| end + 2)).flatten();
        return long.or_else(|| after.find("}}")).and_then(|end| after.get(..end)).ok_or(UNCLOSED);
    }
    let (mut quote, mut parentheses) = (None, 0);
    for (at, c) in after.char_indices() {
        match (quote, c) {
            (_, '\\') => return Err(("syntax", "a backslash inside {{ }} is not used here")),
            (Some(open), _) => quote = Some(open).filter(|open| c != *open),
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') if parentheses == DEPTH_MAX => {
                return Err(("nesting", "more than 16 parentheses in one tag"));
            }
            (None, '(') => parentheses += 1,
            (None, '{') if after[..at].trim_matches(['~', ' ']).is_empty() => return Err(ESCAPED),
            (None, '{') => return Err(UNCLOSED),
            (None, '[') => return Err(("syntax", "brackets inside {{ }} are not used here")),
            (None, '}') if after[at..].starts_with("}}") => return Ok(&after[..at]),
            (None, _) => {}
        }
    }
    Err(UNCLOSED)
}

#[cfg(test)]
mod tests {
    use super::super::ast::Template;
    use super::*;

    const OTP: &str = "{{otp}} {{amount}} {{merchant}}";

    fn refusal(part: TemplatePart, source: &str) -> String {
        said(Template::read(Kind::Otp, part, source))
    }

    fn said(read: Result<Template, Vec<Violation>>) -> String {
        let breaches = read.err().unwrap_or_default();
        breaches.iter().map(|breach| breach.fault.to_string()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_a_template_may_not_do_is_refused_with_its_place() {
        let table = [
            ("{{{otp}}}", "line 1, column 1: values are always escaped"),
            ("{{{{raw}}}}x{{{{/raw}}}}", "line 1, column 1: values are always escaped"),
            ("{{&otp}}", "line 1, column 1: values are always escaped"),
            ("\n  {{> footer}}", "line 2, column 3: templates cannot include"),
            ("{{#> layout}}{{/layout}}", "line 1, column 1: templates cannot include"),
            ("{{#*inline \"a\"}}{{/inline}}", "line 1, column 1: templates cannot include"),
            ("{{* decorate}}", "line 1, column 1: templates cannot include"),
            ("ł\nłł {{log otp}}", "line 2, column 4: there is no {{log ..}} here"),
            ("{{lookup otp \"a\"}}", "there is no {{lookup ..}} here"),
            ("{{#each otp}}{{/each}}", "there is no {{#each}} here"),
            ("{{#with otp}}{{/with}}", "there is no {{#with}} here"),
            ("{{pan}}", "there is no pan here; otp has otp, amount, merchant, until, brand"),
            ("{{this.otp}}", "there is no this.otp here"),
            ("{{@root/otp}}", "there is no @root/otp here"),
            ("{{[otp]}}", "brackets"),
            ("\\{{otp}}", "backslash"),
            ("{{#if \"\\\"\"}}{{/if}}", "backslash"),
            ("{{#if otp", "{{ without }}"),
            ("{{#if otp}}", "cannot be read"),
            ("{{#if otp}}{{/unless}}", "{{#if}} is closed by {{/unless}}"),
            ("{{#if otp brand}}{{/if}}", "take one variable"),
            ("{{#if otp includeZero=true}}{{/if}}", "take no options"),
            ("{{#if (gt otp 1)}}{{/if}}", "only (eq variable"),
            ("{{#if (eq otp 1)}}{{/if}}", "only (eq variable"),
            ("{{#if (eq (eq otp \"1\") \"1\")}}{{/if}}", "expected the name of a variable"),
            ("{{#if true}}{{/if}}", "expected the name of a variable"),
        ];
        for (source, expected) in table {
            let said = refusal(TemplatePart::Sms, &format!("{source}{OTP}"));
            assert!(said.contains(expected), "{source:?} was answered with {said:?}");
        }
    }

    #[test]
    fn no_template_can_exhaust_the_stack() {
        let deep = |open: &str, count| open.repeat(count);
        assert!(refusal(TemplatePart::Sms, &deep("{{#if otp}}", 300)).contains("more than 16 blocks"));
        assert!(refusal(TemplatePart::Sms, &deep("{{ ~ # if otp}}", 200)).contains("more than 16 blocks"));
        assert!(refusal(TemplatePart::EmailHtml, &deep("{{~#if otp}}", 1000)).contains("more than 16 blocks"));
        let chain = format!("{{{{#if otp}}}}{}{{{{/if}}}}", deep("{{else if otp}}", 1000));
        assert!(refusal(TemplatePart::EmailHtml, &chain).contains("more than 16 blocks"));
        assert!(
            refusal(TemplatePart::EmailHtml, &format!("{{{{#if {}", deep("(eq ", 3000))).contains("16 parentheses")
        );
        assert!(
            refusal(TemplatePart::EmailHtml, &format!("{{{{#if \"}}}}\" {}", deep("(eq ", 3000)))
                .contains("16 parentheses")
        );
        assert!(refusal(TemplatePart::EmailHtml, &format!("{{{{#if {}", deep("[", 9000))).contains("brackets"));
        assert!(
            refusal(TemplatePart::EmailHtml, &format!("{{{{! x}}}}{{{{#if {}", deep("(", 9000)))
                .contains("16 parentheses")
        );
        assert!(refusal(TemplatePart::Sms, &deep("x", 4097)).contains("larger than 4096 bytes"));
        assert!(refusal(TemplatePart::EmailHtml, &deep("x", 16_385)).contains("larger than 16384 bytes"));
    }

    #[test]
    fn sixteen_blocks_and_long_texts_are_still_read() {
        let nested = format!("{OTP}{}{}", "{{#if otp}}".repeat(16), "{{/if}}".repeat(16));
        assert_eq!(refusal(TemplatePart::Sms, &nested), "");
        let side_by_side = format!("{OTP}{}", "{{#if otp}}{{else}}{{/if}}".repeat(100));
        assert_eq!(refusal(TemplatePart::Sms, &side_by_side), "");
        assert_eq!(refusal(TemplatePart::Sms, &format!("{{{{!-- a note }}}} --}}}}{OTP}")), "");
    }

    #[test]
    fn a_code_cannot_be_used_where_a_locked_screen_shows_it() {
        for part in [TemplatePart::PushTitle, TemplatePart::EmailSubject] {
            assert!(refusal(part, "{{otp}}").contains("locked screen"));
            assert!(refusal(part, "{{#if otp}}a{{/if}}").contains("locked screen"));
            assert!(refusal(part, "two\nlines").contains("one line"));
            assert_eq!(refusal(part, "{{brand}}, {{amount}}\n"), "");
        }
    }

    #[test]
    fn an_otp_is_always_shown_with_amount_and_payee() {
        for part in [TemplatePart::Sms, TemplatePart::PushBody, TemplatePart::EmailText, TemplatePart::EmailHtml] {
            assert!(refusal(part, "{{otp}}").contains("amount and merchant must be written"));
            let sometimes = "{{otp}} {{amount}} {{#if (eq brand \"x\")}}{{merchant}}{{/if}}";
            assert!(refusal(part, sometimes).contains("merchant must be written in every case"));
            let either_candidate = "{{amount}} {{#if brand}}{{otp}} {{merchant}}{{else}}{{merchant}} {{otp}}{{/if}}";
            assert_eq!(refusal(part, either_candidate), "");
        }
    }

    #[test]
    fn a_value_stands_between_html_tags_and_never_in_one() {
        let html = |source: &str| refusal(TemplatePart::EmailHtml, &format!("<p>{OTP}</p>{source}"));
        assert!(html("<a href=\"{{merchant}}\">").contains("inside an HTML tag"));
        assert!(html("<a {{#if brand}}x{{else}}y{{/if}} {{brand}}>").contains("inside an HTML tag"));
        assert!(html("{{#if brand}}<a {{/if}}{{brand}}").contains("inside an HTML tag"));
        assert_eq!(html("<b>{{brand}}</b>"), "");
    }

    #[test]
    fn a_reason_that_does_not_exist_is_a_mistake() {
        let read = |source: &str| Template::read(Kind::CardLocked, TemplatePart::Sms, source);
        assert!(read("{{#if (eq reason \"card_lost\")}}a{{/if}}").is_ok());
        let said_of = |source: &str| said(read(source));
        assert_eq!(
            said_of("{{#if (eq reason \"lost\")}}a{{/if}}"),
            "line 1, column 1: reason is never \"lost\"; \
             there are card_lost, card_stolen, pending_query, card_consolidation, card_inactive, pin_tries_exceeded, \
             suspected_fraud, card_replaced, other"
        );
        assert!(said_of("{{temporary}}").contains("not written"));
    }

    #[test]
    fn whatever_the_pieces_are_the_reader_answers() {
        let tokens = [
            "{{",
            "}}",
            "{{#if otp}}",
            "{{#unless",
            "{{/if}}",
            "{{else}}",
            "{{else if otp}}",
            "{{^}}",
            "~",
            "\n",
            "{{otp}}",
            "{{~otp~}}",
            "{{!--",
            "--}}",
            " ",
            "(eq ",
            ")",
            "\"",
            "ł",
            "{",
            "}",
            "<",
        ];
        let pairs: Vec<String> = tokens.iter().flat_map(|a| tokens.map(|b| format!("{a}{b}"))).collect();
        for source in pairs.iter().flat_map(|pair| tokens.map(|c| format!("{pair}{c}"))) {
            drop(Template::read(Kind::Otp, TemplatePart::Sms, &source));
        }
    }
}
