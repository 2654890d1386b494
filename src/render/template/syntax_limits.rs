//! The limits of a template's syntax, checked before and after it is parsed.
//!
//! Templates are written by operators who may change messages but not the program: no template may abort the process or
//! leave out what the payer must be shown. The limits of one template, whatever its content:
//!
//! | what | limit | enforced by |
//! | --- | --- | --- |
//! | source | 4 KiB, HTML 16 KiB | [`before_parsing`], before anything recurses |
//! | nested blocks | 16, `{{else if}}` counted | [`before_parsing`]; the parser's stack is finite |
//! | nested parentheses in a tag | 16 | [`before_parsing`] |
//! | partials, layouts, decorators | none, so there are no cycles | [`before_parsing`], and again the compiler |
//! | helpers | `if`, `unless`, `eq`; so no `log`, `lookup`, `each`, `with` | the compiler |
//! | rendering steps | at most the bytes of the source | no node is rendered twice, because there are no loops |
//! | rendered text | the limit of the channel | `render_part`, and the dry run in advance |
//!
//! Nothing here knows a file or a locale.

use std::collections::BTreeSet;

use super::part::TemplatePart;
use super::values::Variable;
use crate::domain::notification::Kind;
use crate::render::validate::diagnostic::Violation;

/// How deep blocks and parentheses may be nested: the parser recurses, and its stack is finite.
/// Every `{{else if}}` is one level deeper than the one before it.
const DEPTH_MAX: usize = 16;

/// A rule and the message for its violation.
type SyntaxError = (&'static str, &'static str);

const NO_INCLUDES: SyntaxError = ("include", "templates cannot include or define other templates: write the text here");
const ESCAPED: SyntaxError = ("raw-value", "values are always escaped: use {{name}}");
const UNCLOSED: SyntaxError = ("syntax", "{{ without }}");
const TOO_DEEP: SyntaxError = ("nesting", "more than 16 nested blocks");

/// What the parser could not parse. Its own message draws the source, so it is replaced.
pub(crate) fn of_parser(error: &handlebars::TemplateError) -> Violation {
    use handlebars::TemplateErrorReason::{MismatchingClosedDecorator, MismatchingClosedHelper};
    let message = match error.reason() {
        MismatchingClosedHelper(open, close) | MismatchingClosedDecorator(open, close) => {
            format!("{{{{#{open}}}}} is closed by {{{{/{close}}}}}")
        }
        _ => "cannot be parsed: look for an unclosed block or a stray character inside {{ }}".to_owned(),
    };
    Violation { rule: "syntax", at: error.pos(), message }
}

/// What is too large or too deep to parse safely, and syntax that is not supported. Only a source without violations is
/// passed to handlebars.
///
/// It finds at least every tag that handlebars finds: what could make the two differ (backslashes, brackets, braces inside
/// a tag) is rejected.
pub(crate) fn before_parsing(part: TemplatePart, source: &str) -> Vec<Violation> {
    let limit = part.source_limit();
    if source.len() > limit {
        let message = format!("larger than {limit} bytes: shorten it");
        return vec![Violation::at(source, source.floor_char_boundary(limit), "size", message)];
    }
    let mut violations = Vec::new();
    // The number of levels of each open block.
    let mut open_blocks: Vec<usize> = Vec::new();
    let mut rest = 0;
    while let Some(found) = source[rest..].find("{{") {
        let start = rest + found;
        let mut reject = |(rule, message): SyntaxError| violations.push(Violation::at(source, start, rule, message));
        if source[..start].ends_with('\\') {
            reject(("syntax", "a backslash before {{ is not supported"));
        }
        match content(&source[start + 2..]) {
            Ok(inside) => {
                Tag::of(inside).count(&mut open_blocks, &mut reject);
                if open_blocks.iter().sum::<usize>() > DEPTH_MAX {
                    reject(TOO_DEEP);
                    break;
                }
                rest = start + 2 + inside.len();
            }
            Err(error) => {
                reject(error);
                let Some(end) = source[start..].find("}}") else { break };
                rest = start + end;
            }
        }
    }
    violations
}

/// The code, amount or merchant that an OTP does not show in every case, although the payer must be shown all three
/// together (Delegated Regulation (EU) 2018/389, article 5(1)(a)).
pub(crate) fn after_parsing(kind: Kind, part: TemplatePart, always_rendered: &BTreeSet<Variable>) -> Option<Violation> {
    if part.is_headline() || kind != Kind::Otp {
        return None;
    }
    let required = [Variable::Otp, Variable::Amount, Variable::Merchant];
    let missing: Vec<_> = required.iter().filter(|it| !always_rendered.contains(it)).map(|it| it.name()).collect();
    let message = || {
        let missing = missing.join(" and ");
        format!("{missing} must be shown in every case: the payer must see the code with amount and merchant")
    };
    (!missing.is_empty()).then(|| Violation::of_file("merchant-shown", message()))
}

enum Tag {
    Opens,
    Chains,
    Closes,
    Plain,
    Rejected(SyntaxError),
}

impl Tag {
    // Updates the open blocks.
    fn count(self, open_blocks: &mut Vec<usize>, reject: &mut impl FnMut(SyntaxError)) {
        match self {
            Self::Opens => open_blocks.push(1),
            Self::Chains => open_blocks.last_mut().into_iter().for_each(|levels| *levels += 1),
            Self::Closes => drop(open_blocks.pop()),
            Self::Plain => {}
            Self::Rejected(error) => reject(error),
        }
    }

    fn of(inside: &str) -> Self {
        let inside = inside.trim_start_matches(|c: char| c == '~' || c.is_whitespace());
        let chained = |after: &str| !after.trim_end_matches('~').trim().is_empty();
        match inside.as_bytes() {
            [b'#', rest @ ..] => Self::of_block(rest.trim_ascii_start()),
            [b'/', ..] => Self::Closes,
            [b'>' | b'*', ..] => Self::Rejected(NO_INCLUDES),
            [b'&', ..] => Self::Rejected(ESCAPED),
            _ if inside.strip_prefix("else").or(inside.strip_prefix('^')).is_some_and(chained) => Self::Chains,
            _ => Self::Plain,
        }
    }

    fn of_block(name: &[u8]) -> Self {
        match name {
            [b'>' | b'*', ..] => Self::Rejected(NO_INCLUDES),
            _ => Self::Opens,
        }
    }
}

// The content between `{{` and its `}}`.
fn content(after: &str) -> Result<&str, SyntaxError> {
    if after.starts_with('!') {
        let long = after.starts_with("!--").then(|| after.find("--}}").map(|end| end + 2)).flatten();
        return long.or_else(|| after.find("}}")).and_then(|end| after.get(..end)).ok_or(UNCLOSED);
    }
    let (mut quote, mut parentheses) = (None, 0);
    for (at, c) in after.char_indices() {
        match (quote, c) {
            (_, '\\') => return Err(("syntax", "a backslash inside {{ }} is not supported")),
            (Some(open), _) => quote = Some(open).filter(|open| c != *open),
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') if parentheses == DEPTH_MAX => {
                return Err(("nesting", "more than 16 parentheses in one tag"));
            }
            (None, '(') => parentheses += 1,
            (None, '{') if after[..at].trim_matches(['~', ' ']).is_empty() => return Err(ESCAPED),
            (None, '{') => return Err(UNCLOSED),
            (None, '[') => return Err(("syntax", "brackets inside {{ }} are not supported")),
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

    fn rejection(part: TemplatePart, source: &str) -> String {
        messages(Template::compile(Kind::Otp, part, source))
    }

    fn messages(compiled: Result<Template, Vec<Violation>>) -> String {
        let violations = compiled.err().unwrap_or_default();
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn unsupported_syntax_is_rejected_with_its_position() {
        let table = [
            ("{{{otp}}}", "line 1, column 1: values are always escaped"),
            ("{{{{raw}}}}x{{{{/raw}}}}", "line 1, column 1: values are always escaped"),
            ("{{&otp}}", "line 1, column 1: values are always escaped"),
            ("\n  {{> footer}}", "line 2, column 3: templates cannot include"),
            ("{{#> layout}}{{/layout}}", "line 1, column 1: templates cannot include"),
            ("{{#*inline \"a\"}}{{/inline}}", "line 1, column 1: templates cannot include"),
            ("{{* decorate}}", "line 1, column 1: templates cannot include"),
            ("ł\nłł {{log otp}}", "line 2, column 4: unknown helper {{log ..}}"),
            ("{{lookup otp \"a\"}}", "unknown helper {{lookup ..}}"),
            ("{{#each otp}}{{/each}}", "unknown block {{#each}}"),
            ("{{#with otp}}{{/with}}", "unknown block {{#with}}"),
            ("{{pan}}", "unknown variable pan; variables of otp: otp, amount, merchant, until, brand"),
            ("{{this.otp}}", "unknown variable this.otp"),
            ("{{@root/otp}}", "unknown variable @root/otp"),
            ("{{[otp]}}", "brackets"),
            ("\\{{otp}}", "backslash"),
            ("{{#if \"\\\"\"}}{{/if}}", "backslash"),
            ("{{#if otp", "{{ without }}"),
            ("{{#if otp}}", "cannot be parsed"),
            ("{{#if otp}}{{/unless}}", "{{#if}} is closed by {{/unless}}"),
            ("{{#if otp brand}}{{/if}}", "take one variable"),
            ("{{#if otp includeZero=true}}{{/if}}", "take no options"),
            ("{{#if (gt otp 1)}}{{/if}}", "use (eq variable"),
            ("{{#if (eq otp 1)}}{{/if}}", "use (eq variable"),
            ("{{#if (eq (eq otp \"1\") \"1\")}}{{/if}}", "expected the name of a variable"),
            ("{{#if true}}{{/if}}", "expected the name of a variable"),
        ];
        for (source, expected) in table {
            let message = rejection(TemplatePart::Sms, &format!("{source}{OTP}"));
            assert!(message.contains(expected), "{source:?} was answered with {message:?}");
        }
    }

    #[test]
    fn no_template_can_exhaust_the_stack() {
        let deep = |open: &str, count| open.repeat(count);
        assert!(rejection(TemplatePart::Sms, &deep("{{#if otp}}", 300)).contains("more than 16 nested blocks"));
        assert!(rejection(TemplatePart::Sms, &deep("{{ ~ # if otp}}", 200)).contains("more than 16 nested blocks"));
        assert!(rejection(TemplatePart::EmailHtml, &deep("{{~#if otp}}", 1000)).contains("more than 16 nested blocks"));
        let chain = format!("{{{{#if otp}}}}{}{{{{/if}}}}", deep("{{else if otp}}", 1000));
        assert!(rejection(TemplatePart::EmailHtml, &chain).contains("more than 16 nested blocks"));
        assert!(
            rejection(TemplatePart::EmailHtml, &format!("{{{{#if {}", deep("(eq ", 3000))).contains("16 parentheses")
        );
        assert!(
            rejection(TemplatePart::EmailHtml, &format!("{{{{#if \"}}}}\" {}", deep("(eq ", 3000)))
                .contains("16 parentheses")
        );
        assert!(rejection(TemplatePart::EmailHtml, &format!("{{{{#if {}", deep("[", 9000))).contains("brackets"));
        assert!(
            rejection(TemplatePart::EmailHtml, &format!("{{{{! x}}}}{{{{#if {}", deep("(", 9000)))
                .contains("16 parentheses")
        );
        assert!(rejection(TemplatePart::Sms, &deep("x", 4097)).contains("larger than 4096 bytes"));
        assert!(rejection(TemplatePart::EmailHtml, &deep("x", 16_385)).contains("larger than 16384 bytes"));
    }

    #[test]
    fn sixteen_nested_blocks_and_long_texts_are_accepted() {
        let nested = format!("{OTP}{}{}", "{{#if otp}}".repeat(16), "{{/if}}".repeat(16));
        assert_eq!(rejection(TemplatePart::Sms, &nested), "");
        let sequential = format!("{OTP}{}", "{{#if otp}}{{else}}{{/if}}".repeat(100));
        assert_eq!(rejection(TemplatePart::Sms, &sequential), "");
        assert_eq!(rejection(TemplatePart::Sms, &format!("{{{{!-- a note }}}} --}}}}{OTP}")), "");
    }

    #[test]
    fn a_code_is_rejected_where_a_locked_screen_shows_it() {
        for part in [TemplatePart::PushTitle, TemplatePart::EmailSubject] {
            assert!(rejection(part, "{{otp}}").contains("locked screen"));
            assert!(rejection(part, "{{#if otp}}a{{/if}}").contains("locked screen"));
            assert!(rejection(part, "two\nlines").contains("one line"));
            assert_eq!(rejection(part, "{{brand}}, {{amount}}\n"), "");
        }
    }

    #[test]
    fn an_otp_is_always_shown_with_amount_and_merchant() {
        for part in [TemplatePart::Sms, TemplatePart::PushBody, TemplatePart::EmailText, TemplatePart::EmailHtml] {
            assert!(rejection(part, "{{otp}}").contains("amount and merchant must be shown"));
            let sometimes = "{{otp}} {{amount}} {{#if (eq brand \"x\")}}{{merchant}}{{/if}}";
            assert!(rejection(part, sometimes).contains("merchant must be shown in every case"));
            let either_branch = "{{amount}} {{#if brand}}{{otp}} {{merchant}}{{else}}{{merchant}} {{otp}}{{/if}}";
            assert_eq!(rejection(part, either_branch), "");
        }
    }

    #[test]
    fn a_value_is_allowed_between_html_tags_and_never_inside_one() {
        let html = |source: &str| rejection(TemplatePart::EmailHtml, &format!("<p>{OTP}</p>{source}"));
        assert!(html("<a href=\"{{merchant}}\">").contains("inside an HTML tag"));
        assert!(html("<a {{#if brand}}x{{else}}y{{/if}} {{brand}}>").contains("inside an HTML tag"));
        assert!(html("{{#if brand}}<a {{/if}}{{brand}}").contains("inside an HTML tag"));
        assert_eq!(html("<b>{{brand}}</b>"), "");
    }

    #[test]
    fn an_unknown_reason_is_rejected() {
        let compile = |source: &str| Template::compile(Kind::CardLocked, TemplatePart::Sms, source);
        assert!(compile("{{#if (eq reason \"card_lost\")}}a{{/if}}").is_ok());
        let messages_of = |source: &str| messages(compile(source));
        assert_eq!(
            messages_of("{{#if (eq reason \"lost\")}}a{{/if}}"),
            "line 1, column 1: reason is never \"lost\"; \
             its values: card_lost, card_stolen, pending_query, card_consolidation, card_inactive, pin_tries_exceeded, \
             suspected_fraud, card_replaced, other"
        );
        assert!(messages_of("{{temporary}}").contains("cannot be written"));
    }

    #[test]
    fn every_combination_of_tokens_compiles_or_is_rejected() {
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
            drop(Template::compile(Kind::Otp, TemplatePart::Sms, &source));
        }
    }
}
