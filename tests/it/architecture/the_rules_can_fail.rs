//! Gives each rule made-up source that breaks it: a rule that cannot fail would look just like a rule that is kept.

use super::*;

/// The violations of `rule` about a tree of these files, each without its text.
fn violations(rule: fn(&[Source]) -> Vec<String>, files: &[(&str, &str)]) -> Vec<String> {
    let mut sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    source::mark_test_files(&mut sources);
    rule(&sources).iter().map(|said| said.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")).collect()
}

fn imports_of(path: &str, text: &str) -> Vec<String> {
    let tops = ["store/mod.rs", "store/reports.rs", "channel/mod.rs", "channel/push.rs", "flow/mod.rs"];
    let mut files = tops.map(|top| (top, "")).to_vec();
    files.push((path, text));
    let mut found = violations(forbidden_imports, &files);
    found.dedup();
    found
}

#[test]
fn an_import_is_seen_however_it_is_written() {
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
        assert_eq!(imports_of(path, text), [format!("src/{path}:1")], "{text}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    let text = r##"//! See [`crate::store`].
        // use crate::store;
        /* crate::store /* nested */ crate::store */
        use super::sms;
        use crate::{domain::clock, render::{sms::Template, registry}};
        pub(crate) fn f<'a>(c: char) -> &'a str { if c == '"' { "crate::store" } else { r#"" crate::store"# } }
        mod tests { use super::*; use super::super::registry; }
    "##;
    assert_eq!(imports_of("render/live.rs", text), [""; 0]);
}

#[test]
fn a_violation_names_its_line() {
    let text = "//! Says.\n\nuse crate::{\n    domain::clock,\n    store::Store,\n};\n";
    assert_eq!(imports_of("render/mod.rs", text), ["src/render/mod.rs:5"]);
}

#[test]
fn of_some_modules_only_a_part_may_be_imported() {
    let one = |path: &str| [format!("src/{path}:1")];
    assert_eq!(imports_of("ingest/mod.rs", "use crate::store::reports::Report;"), [""; 0]);
    assert_eq!(imports_of("ingest/mod.rs", "use crate::store; fn f(r: store::reports::Report) {}"), [""; 0]);
    assert_eq!(imports_of("ingest/mod.rs", "use crate::store; fn f(s: store::Store) {}"), one("ingest/mod.rs"));
    assert_eq!(imports_of("ingest/mod.rs", "use crate::store as s; fn f(s: s::Store) {}"), one("ingest/mod.rs"));
    assert_eq!(imports_of("ingest/mod.rs", "use crate::store::Store;"), one("ingest/mod.rs"));

    assert_eq!(
        imports_of("config.rs", "use crate::{channel, flow}; type T = (channel::Settings, flow::Settings);"),
        [""; 0]
    );
    assert_eq!(imports_of("config.rs", "use crate::channel::push; type T = push::Settings;"), [""; 0]);
    assert_eq!(imports_of("config.rs", "use crate::channel; fn f() { channel::connect() }"), one("config.rs"));
    assert_eq!(imports_of("config.rs", "use crate::channel::connect;"), one("config.rs"));
    assert_eq!(imports_of("config.rs", "use crate::app::App;"), one("config.rs"));
}

#[test]
fn a_module_that_the_table_does_not_know_is_reported() {
    assert_eq!(imports_of("attic.rs", ""), ["src/attic.rs:1"]);
    assert_eq!(imports_of("main.rs", "fn main() { otpost::app::run() }"), ["src/main.rs:1"]);
}

#[test]
fn a_cycle_of_three_is_found_without_what_leads_into_it_or_out_of_it() {
    let files = [
        ("a.rs", "use crate::b::B;"),
        ("b/mod.rs", "\nuse crate::{c, e};"),
        ("c.rs", "fn f() { crate::a::g() }"),
        ("d.rs", "use crate::a;"),
        ("e.rs", ""),
    ];
    assert_eq!(violations(cycles, &files), ["src/a.rs:1", "src/b/mod.rs:2", "src/c.rs:1"]);
    assert_eq!(violations(cycles, &files[1..]), [""; 0]);
}

#[test]
fn a_file_is_measured_without_its_tests() {
    let body = "fn f() {}\n".repeat(351);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests {{\n{body}}}\n");
    assert_eq!(violations(long_files, &[("a.rs", &body)]), ["src/a.rs:350"]);
    assert_eq!(violations(long_files, &[("a.rs", &tested)]), [""; 0]);
    let apart = [("a/mod.rs", "#[cfg(test)]\nmod tests;\n"), ("a/tests.rs", &body), ("b/tests.rs", &body)];
    assert_eq!(violations(long_files, &apart), ["src/b/tests.rs:350"]);
}

#[test]
fn a_file_without_an_introduction_is_found() {
    let files = [("a.rs", "//! Says.\n"), ("b.rs", "use std::fmt;\n//! Late.\n"), ("c.rs", "")];
    assert_eq!(violations(files_that_do_not_say_what_they_are, &files), ["src/b.rs:1", "src/c.rs:1"]);
}

#[test]
fn a_caller_that_may_not_see_the_code_is_found() {
    let call = "fn f() {\n    code.reveal()\n}";
    let path = "fn f() { code.map(Code::reveal) }";
    let tested = "fn reveal(&self) {}\n#[cfg(test)]\nmod tests {\n    fn f() { code.reveal() }\n}\n";
    for allowed in ["render/sms.rs", "channel/http.rs"] {
        assert_eq!(violations(revealers, &[(allowed, call)]), [""; 0]);
    }
    assert_eq!(violations(revealers, &[("domain/secret.rs", tested)]), [""; 0]);
    assert_eq!(violations(revealers, &[("domain/secret.rs", call)]), ["src/domain/secret.rs:2"]);
    assert_eq!(violations(revealers, &[("flow/worker.rs", call)]), ["src/flow/worker.rs:2"]);
    assert_eq!(violations(revealers, &[("store/mod.rs", path)]), ["src/store/mod.rs:1"]);
    assert_eq!(violations(sealers, &[("store/seal.rs", "fn f() { code.under_seal(g) }")]), [""; 0]);
    assert_eq!(violations(sealers, &[("store/writer.rs", "fn f() { code.under_seal(g) }")]), ["src/store/writer.rs:1"]);
}

#[test]
fn an_unwanted_word_is_found_outside_tests_only() {
    for text in
        ["// TODO: later", "/* FIXME */", "#[allow(dead_code)]", "#![allow(dead_code)]", "f().unwrap()", "println!()"]
    {
        let tested = format!("#[cfg(test)]\nmod tests {{\n{text}\n}}\n");
        assert_eq!(violations(unwanted_words, &[("a.rs", text)]), ["src/a.rs:1"], "{text}");
        assert_eq!(violations(unwanted_words, &[("a.rs", &tested)]), [""; 0], "{text}");
    }
    let innocent = "// .unwrap() and TODOS\nf().unwrap_or(\"println!\")";
    assert_eq!(violations(unwanted_words, &[("a.rs", innocent)]), [""; 0]);
}

#[test]
fn a_macro_and_an_empty_name_are_found() {
    assert_eq!(violations(macros, &[("a.rs", "macro_rules! m {}")]), ["src/a.rs:1"]);
    for path in ["util.rs", "store/common/mod.rs", "error.rs", "flow/types.rs"] {
        assert_eq!(violations(empty_names, &[(path, "")]), [format!("src/{path}:1")]);
    }
    assert_eq!(violations(empty_names, &[("a.rs", "\nmod helpers {}")]), ["src/a.rs:2"]);
    assert_eq!(violations(empty_names, &[("store/sms_error.rs", ""), ("store/error.rs", "")]), [""; 0]);
}

#[test]
fn a_type_that_is_defined_twice_is_found() {
    let files = [
        ("a.rs", "pub struct Line;\npub enum Error {}"),
        ("b/mod.rs", "enum Error {}\nimpl Iterator for X {\n    type Item = u8;\n}\nstruct Item;"),
        ("b/c.rs", "\npub(crate) trait Line {}\n#[cfg(test)]\nmod tests {\nstruct Item;\n}"),
    ];
    assert_eq!(violations(types_defined_twice, &files), ["src/a.rs:1", "src/b/c.rs:2"]);
}

#[test]
fn an_old_word_is_found_in_names_and_messages_but_not_in_parts_of_other_words() {
    for text in [
        "struct Roster;",
        "fn on_luck() {}",
        "let x = \"the door closed\";",
        "let news = 1;",
        "let x = r#\"Nobody came\"#;",
    ] {
        assert_eq!(violations(vocabulary::old_words, &[("a.rs", text)]), ["src/a.rs:1"], "{text}");
    }
    for text in [
        "x.journal_mode();",
        "let x = \"PRAGMA journal_mode = WAL\";",
        "let x = \"newsletter doorstep\";",
        "// the door",
        "#[cfg(test)]\nmod tests {\nfn door() {}\n}",
    ] {
        assert_eq!(violations(vocabulary::old_words, &[("a.rs", text)]), [""; 0], "{text}");
    }
}
