//! Whatever a template contains and whatever the values are: it is compiled or rejected, and the rendered text is bounded.
//! `OTPOST_TEST_TEMPLATES` is the number of cases, 3,000 by default; the fuzzer (`tests/fuzz/run`) looks for new ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::render::template::ast::{Node, Template};

const PIECES: [&str; 40] = [
    "{{otp}}",
    "{{amount}}",
    "{{merchant}}",
    "{{brand}}",
    "{{~until~}}",
    "{{#if brand}}",
    "{{#if (eq brand \"x\")}}",
    "{{#unless merchant}}",
    "{{else}}",
    "{{else if until}}",
    "{{^}}",
    "{{/if}}",
    "{{/unless}}",
    "{{! note }}",
    "{{!-- }} --}}",
    "{{",
    "}}",
    "{{{",
    "{{&otp}}",
    "{{> x}}",
    "{{#each otp}}",
    "{{log otp}}",
    "(eq ",
    ")",
    "\"",
    "'",
    "<b>",
    "</b>",
    "<a href=\"",
    "\n",
    "\r\n",
    " ",
    "ł",
    "fraud",
    "https://",
    "bank.example",
    "evil",
    ".",
    "\u{202e}",
    "\\",
];

// Well-formed and hostile ones; values are as long as they like.
fn sources() -> impl Strategy<Value = String> {
    let anything = vec(select(&PIECES[..]), 0..60).prop_map(|nodes| nodes.concat());
    let sound = vec(select(&PIECES[..5]), 0..20).prop_map(|nodes| nodes.concat());
    let inside =
        (sound.clone(), anything.clone()).prop_map(|(a, b)| format!("{a}{{{{#if brand}}}}{a}<i>{{{{/if}}}}{b}"));
    prop_oneof![anything, sound, inside]
}

fn count(nodes: &[Node]) -> usize {
    let inner = |node: &Node| match node {
        Node::Choice { then, otherwise, .. } => count(then) + count(otherwise),
        Node::Fixed(_) | Node::Value(_) => 0,
    };
    nodes.len() + nodes.iter().map(inner).sum::<usize>()
}

#[expect(clippy::disallowed_methods, reason = "the length of a test is not a setting of the gateway")]
fn cases() -> u32 {
    std::env::var("OTPOST_TEST_TEMPLATES").map_or(3000, |number| number.parse().unwrap())
}

#[test]
fn every_template_is_compiled_or_rejected_and_its_text_is_bounded() {
    let value = prop_oneof!["[<>&\"'{} a-zł]{0,60}", "<script>{0,9}", Just("{{otp}}".to_owned()), Just(String::new())];
    let all = (0..9_usize, 0..6_usize, sources(), vec(value, 0..9));
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    // The same cases every time.
    let tried = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(
        &all,
        |(kind, file, source, values)| {
            let values: Vec<_> = values.iter().map(String::as_str).collect();

            if let Ok(written) = fuzz_api::render(kind, file, &source, &values) {
                prop_assert!(written.text.len() <= written.bound && written.text.chars().count() <= written.limit);
                if written.html {
                    prop_assert!(written.text.matches('<').count() <= source.matches('<').count(), "{}", written.text);
                }
            }
            fuzz_api::lint(file, &source);
            for kind in Kind::ALL {
                if let Ok(text) = Template::compile(kind, TemplatePart::Sms, &source) {
                    prop_assert!(count(&text.nodes) <= source.len());
                }
            }
            Ok(())
        },
    );
    tried.unwrap();
}
