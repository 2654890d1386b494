//! Feeds each rule made-up source that breaks it: a rule that cannot fail would look just like a rule that is kept.

use super::*;

/// The complaints of `rule` about a tree of these files, each without its text.
fn complaints(rule: fn(&[Source]) -> Vec<String>, files: &[(&str, &str)]) -> Vec<String> {
    let mut sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    source::mark_test_files(&mut sources);
    rule(&sources).iter().map(|said| said.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")).collect()
}

fn arrows_of(path: &str, text: &str) -> Vec<String> {
    let rooms = ["store/mod.rs", "store/reports.rs", "channel/mod.rs", "channel/push.rs", "flow/mod.rs"];
    let mut files = rooms.map(|room| (room, "")).to_vec();
    files.push((path, text));
    let mut found = complaints(forbidden_arrows, &files);
    found.dedup();
    found
}

#[test]
fn an_arrow_is_seen_in_every_candidate_of_writing_it() {
    for text in [
        "use crate::store::Store;",
        "use crate::{domain::clock::Clock, store};",
        "use crate::{domain::{clock, money}, store::{self, Store}};",
        "fn f() -> crate::store::Store {}",
        "use super::store::Store;",
        "use super::super::store;",
        "use self::super::super::store;",
        "pub use crate::store as shop;",
        "mod tests { use super::super::super::store; }",
        "use crate::*;",
        "fn f() { crate::store::open::<u8>() }",
    ] {
        let path = if text.starts_with("use super::store") { "render/mod.rs" } else { "render/sms.rs" };
        assert_eq!(arrows_of(path, text), [format!("src/{path}:1")], "{text}");
    }
}

#[test]
fn what_only_looks_like_an_arrow_is_none() {
    let text = r##"//! See [`crate::store`].
        // use crate::store;
        /* crate::store /* nested */ crate::store */
        use super::sms;
        use crate::{domain::clock, render::{sms::Text, catalog}};
        pub(crate) fn f<'a>(c: char) -> &'a str { if c == '"' { "crate::store" } else { r#"" crate::store"# } }
        mod tests { use super::*; use super::super::catalog; }
    "##;
    assert_eq!(arrows_of("render/guard.rs", text), [""; 0]);
}

#[test]
fn an_arrow_names_the_line_it_starts_from() {
    let text = "//! Says.\n\nuse crate::{\n    domain::clock,\n    store::Store,\n};\n";
    assert_eq!(arrows_of("render/mod.rs", text), ["src/render/mod.rs:5"]);
}

#[test]
fn of_some_rooms_only_a_part_may_be_imported() {
    let one = |path: &str| [format!("src/{path}:1")];
    assert_eq!(arrows_of("ingest/mod.rs", "use crate::store::reports::Report;"), [""; 0]);
    assert_eq!(arrows_of("ingest/mod.rs", "use crate::store; fn f(r: store::reports::Report) {}"), [""; 0]);
    assert_eq!(arrows_of("ingest/mod.rs", "use crate::store; fn f(s: store::Store) {}"), one("ingest/mod.rs"));
    assert_eq!(arrows_of("ingest/mod.rs", "use crate::store as s; fn f(s: s::Store) {}"), one("ingest/mod.rs"));
    assert_eq!(arrows_of("ingest/mod.rs", "use crate::store::Store;"), one("ingest/mod.rs"));

    assert_eq!(
        arrows_of("config.rs", "use crate::{channel, flow}; type T = (channel::Settings, flow::Settings);"),
        [""; 0]
    );
    assert_eq!(arrows_of("config.rs", "use crate::channel::push; type T = push::Settings;"), [""; 0]);
    assert_eq!(arrows_of("config.rs", "use crate::channel; fn f() { channel::connect() }"), one("config.rs"));
    assert_eq!(arrows_of("config.rs", "use crate::channel::connect;"), one("config.rs"));
    assert_eq!(arrows_of("config.rs", "use crate::app::App;"), one("config.rs"));
}

#[test]
fn a_room_that_the_table_does_not_know_is_reported() {
    assert_eq!(arrows_of("attic.rs", ""), ["src/attic.rs:1"]);
    assert_eq!(arrows_of("main.rs", "fn main() { otpost::app::run() }"), ["src/main.rs:1"]);
}

#[test]
fn a_circle_of_three_is_found_and_what_leads_into_it_or_out_of_it_is_left_out() {
    let files = [
        ("a.rs", "use crate::b::B;"),
        ("b/mod.rs", "\nuse crate::{c, e};"),
        ("c.rs", "fn f() { crate::a::g() }"),
        ("d.rs", "use crate::a;"),
        ("e.rs", ""),
    ];
    assert_eq!(complaints(circles, &files), ["src/a.rs:1", "src/b/mod.rs:2", "src/c.rs:1"]);
    assert_eq!(complaints(circles, &files[1..]), [""; 0]);
}

#[test]
fn a_file_is_measured_without_its_tests() {
    let body = "fn f() {}\n".repeat(351);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests {{\n{body}}}\n");
    assert_eq!(complaints(long_files, &[("a.rs", &body)]), ["src/a.rs:350"]);
    assert_eq!(complaints(long_files, &[("a.rs", &tested)]), [""; 0]);
    let apart = [("a/mod.rs", "#[cfg(test)]\nmod tests;\n"), ("a/tests.rs", &body), ("b/tests.rs", &body)];
    assert_eq!(complaints(long_files, &apart), ["src/b/tests.rs:350"]);
}

#[test]
fn a_file_without_an_introduction_is_found() {
    let files = [("a.rs", "//! Says.\n"), ("b.rs", "use std::fmt;\n//! Late.\n"), ("c.rs", "")];
    assert_eq!(complaints(files_that_do_not_say_what_they_are, &files), ["src/b.rs:1", "src/c.rs:1"]);
}

#[test]
fn a_stranger_who_sees_the_code_is_found() {
    let call = "fn f() {\n    code.reveal()\n}";
    let path = "fn f() { code.map(Code::reveal) }";
    let tested = "fn reveal(&self) {}\n#[cfg(test)]\nmod tests {\n    fn f() { code.reveal() }\n}\n";
    for allowed in ["render/sms.rs", "channel/http.rs"] {
        assert_eq!(complaints(revealers, &[(allowed, call)]), [""; 0]);
    }
    assert_eq!(complaints(revealers, &[("domain/secret.rs", tested)]), [""; 0]);
    assert_eq!(complaints(revealers, &[("domain/secret.rs", call)]), ["src/domain/secret.rs:2"]);
    assert_eq!(complaints(revealers, &[("flow/worker.rs", call)]), ["src/flow/worker.rs:2"]);
    assert_eq!(complaints(revealers, &[("store/mod.rs", path)]), ["src/store/mod.rs:1"]);
    assert_eq!(complaints(sealers, &[("store/seal.rs", "fn f() { code.under_seal(g) }")]), [""; 0]);
    assert_eq!(complaints(sealers, &[("store/writer.rs", "fn f() { code.under_seal(g) }")]), ["src/store/writer.rs:1"]);
}

#[test]
fn an_unwanted_word_is_found_outside_tests_only() {
    for text in
        ["// TODO: later", "/* FIXME */", "#[allow(dead_code)]", "#![allow(dead_code)]", "f().unwrap()", "println!()"]
    {
        let tested = format!("#[cfg(test)]\nmod tests {{\n{text}\n}}\n");
        assert_eq!(complaints(unwanted_words, &[("a.rs", text)]), ["src/a.rs:1"], "{text}");
        assert_eq!(complaints(unwanted_words, &[("a.rs", &tested)]), [""; 0], "{text}");
    }
    let innocent = "// .unwrap() and TODOS\nf().unwrap_or(\"println!\")";
    assert_eq!(complaints(unwanted_words, &[("a.rs", innocent)]), [""; 0]);
}

#[test]
fn a_macro_and_an_empty_name_are_found() {
    assert_eq!(complaints(macros, &[("a.rs", "macro_rules! m {}")]), ["src/a.rs:1"]);
    for path in ["util.rs", "store/common/mod.rs", "flow/error.rs", "flow/types.rs"] {
        assert_eq!(complaints(empty_names, &[(path, "")]), [format!("src/{path}:1")]);
    }
    assert_eq!(complaints(empty_names, &[("a.rs", "\nmod helpers {}")]), ["src/a.rs:2"]);
    assert_eq!(complaints(empty_names, &[("store/sms_error.rs", "")]), [""; 0]);
}
