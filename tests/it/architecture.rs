//! The structure of the source, read as text: which module may import which, how long a file may be, and what it may not say.
//!
//! Every rule lists its violations as `src/file.rs:line`. `the_rules_can_fail` gives each rule a text that breaks it.

mod paths;
pub(crate) mod source;
mod the_rules_can_fail;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use paths::{Reference, references, uses_of};
use source::Source;

/// What each top-level module may import. `store::reports` means: of `store`, paths that go through `reports`.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("file_access", &[]),
    ("file_watcher", &[]),
    ("route", &["domain"]),
    ("render", &["domain", "file_watcher"]),
    ("channel", &["domain", "file_access", "test_ca"]),
    ("store", &["domain", "file_access"]),
    ("pki", &["domain", "file_access"]),
    ("audit", &["domain"]),
    ("dossier", &[]),
    ("report", &["domain"]),
    ("sim", &["domain", "test_ca"]),
    ("server", &["domain", "file_access", "pki"]),
    ("telemetry", &["domain"]),
    ("test_ca", &[]),
    (
        "flow",
        &[
            "domain",
            "file_access",
            "file_watcher",
            "route",
            "render",
            "channel",
            "store",
            "audit",
            "report",
            "dossier",
            "pki",
        ],
    ),
    ("ingest", &["domain", "file_access", "server", "pki", "flow", "store::reports"]),
    ("receipts", &["domain", "server", "flow", "store::reports"]),
    ("console", &["domain", "server", "pki", "flow", "store", "render", "route", "report", "dossier", "audit"]),
    ("ops", &["domain", "flow", "server", "store::reports"]),
    (
        "config",
        &[
            "domain",
            "file_access",
            "ops::Settings",
            "console::Settings",
            "ingest::Settings",
            "receipts::Settings",
            "store::Settings",
            "flow::Settings",
            "route::Settings",
            "render::Settings",
            "channel::Settings",
            "telemetry::Settings",
        ],
    ),
    (
        "app",
        &[
            "domain",
            "file_access",
            "route",
            "render",
            "channel",
            "store",
            "pki",
            "telemetry",
            "flow",
            "ingest",
            "receipts",
            "console",
            "ops",
            "server",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "file_access",
            "file_watcher",
            "route",
            "render",
            "channel",
            "store",
            "pki",
            "sim",
            "audit",
            "dossier",
            "report",
            "telemetry",
            "flow",
            "config",
            "app",
            "console",
            "ops",
            "server",
            "ingest",
            "receipts",
        ],
    ),
    ("docs", &[]),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// A longer file holds more than one thing.
const MAX_LINES: usize = 350;

/// Names that say nothing about what is inside, so that everything ends up there.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "prelude", "types"];

/// Names of files that every module imports back from when they stand at the top; inside a module they are fine.
const EMPTY_AT_THE_TOP: [&str; 2] = ["error", "errors"];

fn forbidden_imports(sources: &[Source]) -> Vec<String> {
    let modules: Vec<_> = sources.iter().map(Source::module).collect();
    let mut violations = Vec::new();
    for source in sources {
        let top = source.top();
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == top) else {
            violations.push(source.at(1, &format!("{top} has no row in the table of imports")));
            continue;
        };
        let leaves = |reference: &Reference| reference.path.first() != Some(&top);
        for reference in references(source).into_iter().filter(leaves) {
            let said = match verdict(&reference, allowed, &modules) {
                AcceptResult::Allowed => vec![],
                AcceptResult::Forbidden => vec![reference],
                AcceptResult::DependsOnUse => uses_of(source, &reference.name, &reference.path)
                    .into_iter()
                    .filter(|used| !matches!(verdict(used, allowed, &modules), AcceptResult::Allowed))
                    .collect(),
            };
            violations.extend(
                said.iter().map(|it| source.at(it.line, &format!("{top} may not import {}", it.path.join("::")))),
            );
        }
    }
    violations
}

enum AcceptResult {
    Allowed,
    Forbidden,
    /// A module of which only a part is allowed: what matters is what is taken from it.
    DependsOnUse,
}

fn verdict(reference: &Reference, allowed: &[&str], modules: &[Vec<String>]) -> AcceptResult {
    let (path, first) = (&reference.path, reference.path.first().map_or("", String::as_str));
    let part = |entry: &&str| entry.split_once("::").is_some_and(|(top, _)| top == first);
    let through = |entry: &&str| {
        let (top, part) = entry.split_once("::").unwrap_or((entry, ""));
        top == first && (part.is_empty() || path.iter().skip(1).any(|segment| segment == part))
    };
    match () {
        () if allowed.iter().any(through) => AcceptResult::Allowed,
        () if allowed.iter().any(part) && modules.contains(path) => AcceptResult::DependsOnUse,
        () => AcceptResult::Forbidden,
    }
}

fn cycles(sources: &[Source]) -> Vec<String> {
    let mut imports: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources {
        for reference in references(source) {
            let Some(to) = reference.path.first().filter(|to| **to != source.top()) else { continue };
            let seen_at = source.at(reference.line, &format!("{} imports {to}", source.top()));
            imports.entry(source.top()).or_default().entry(to.clone()).or_insert(seen_at);
        }
    }
    // A module that imports none, or that none imports, is in no cycle; without it the next one may be such a module.
    loop {
        let imported: BTreeSet<_> = imports.values().flat_map(BTreeMap::keys).cloned().collect();
        let importing: BTreeSet<_> =
            imports.iter().filter(|(_, to)| !to.is_empty()).map(|(it, _)| it.clone()).collect();
        if imported == importing && importing.len() == imports.len() {
            return imports.into_values().flat_map(BTreeMap::into_values).collect();
        }
        imports.retain(|top, _| imported.contains(top) && importing.contains(top));
        for to in imports.values_mut() {
            to.retain(|top, _| importing.contains(top));
        }
    }
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let long = |source: &&Source| source.plain_lines().count() > MAX_LINES;
    sources.iter().filter(long).map(|it| it.at(MAX_LINES, "the file is too long")).collect()
}

fn files_that_do_not_say_what_they_are(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|it| !it.text.starts_with("//!"))
        .map(|it| it.at(1, "the file does not begin with //!"))
        .collect()
}

fn revealers(sources: &[Source]) -> Vec<String> {
    let may = |source: &Source, line| {
        matches!(source.top().as_str(), "render" | "channel")
            || (source.path == "domain/secret.rs" && source.is_test(line))
    };
    callers(sources, "reveal", may)
}

fn sealers(sources: &[Source]) -> Vec<String> {
    callers(sources, "under_seal", |source, _| source.path.starts_with("store/seal"))
}

fn callers(sources: &[Source], verb: &str, may: impl Fn(&Source, usize) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let mut lines = source.find(&[".", verb]);
        lines.extend(source.find(&["::", verb]));
        let outsiders = lines.into_iter().filter(|line| !may(source, *line));
        violations.extend(outsiders.map(|line| source.at(line, &format!("{verb} may not be called here"))));
    }
    violations
}

fn unwanted_words(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        for (line, text) in source.plain_lines() {
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(word) = words.find(|word| matches!(*word, "TODO" | "FIXME")) {
                violations.push(source.at(line, word));
            }
        }
        let patterns: [(&[&str], &str); 4] = [
            (&["#", "[", "allow", "("], "#[allow(..)]: say #[expect(.., reason = \"..\")]"),
            (&["#", "!", "[", "allow", "("], "#![allow(..)]: say #[expect(.., reason = \"..\")]"),
            (&[".", "unwrap", "(", ")"], ".unwrap()"),
            (&["println", "!"], "println!"),
        ];
        for (pattern, name) in patterns {
            let lines = source.find(pattern).into_iter().filter(|line| !source.is_test(*line));
            violations.extend(lines.map(|line| source.at(line, name)));
        }
    }
    violations
}

/// Names that several modules may give to a type of their own: the module is part of the name.
const SHARED_NAMES: [&str; 4] = ["Args", "Command", "Error", "Settings"];

fn types_defined_twice(sources: &[Source]) -> Vec<String> {
    let mut definitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources {
        for (line, name) in source.types().filter(|(line, _)| !source.is_test(*line)) {
            definitions.entry(name.to_owned()).or_default().push(source.at(line, &format!("{name} is defined twice")));
        }
    }
    definitions.retain(|name, places| places.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    definitions.into_values().flatten().collect()
}

fn macros(sources: &[Source]) -> Vec<String> {
    let found = |source: &Source| {
        source
            .find(&["macro_rules", "!"])
            .into_iter()
            .map(|line| source.at(line, "a macro of our own"))
            .collect::<Vec<_>>()
    };
    sources.iter().flat_map(found).collect()
}

fn empty_names(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let module = source.module();
        let at_the_top = module.len() == 1 && EMPTY_AT_THE_TOP.contains(&module[0].as_str());
        if at_the_top || module.iter().any(|part| EMPTY_NAMES.contains(&part.as_str())) {
            violations.push(source.at(1, "the module's name says nothing"));
        }
        for name in EMPTY_NAMES {
            violations.extend(source.find(&["mod", name, "{"]).into_iter().map(|line| source.at(line, name)));
        }
    }
    violations
}

fn today() -> std::io::Result<Vec<Source>> {
    source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_import_is_allowed_by_the_table() {
    assert_none(&forbidden_imports(&today().unwrap()));
}

#[test]
fn no_two_modules_import_each_other() {
    assert_none(&cycles(&today().unwrap()));
}

#[test]
fn no_file_is_longer_than_the_limit() {
    assert_none(&long_files(&today().unwrap()));
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    assert_none(&files_that_do_not_say_what_they_are(&today().unwrap()));
}

#[test]
fn only_render_and_channel_see_the_code() {
    assert_none(&revealers(&today().unwrap()));
}

#[test]
fn only_the_seal_reads_the_code_to_encrypt_it() {
    assert_none(&sealers(&today().unwrap()));
}

#[test]
fn nothing_is_left_unfinished_unwrapped_or_printed() {
    assert_none(&unwanted_words(&today().unwrap()));
}

#[test]
fn a_type_name_stands_for_one_type() {
    assert_none(&types_defined_twice(&today().unwrap()));
}

#[test]
fn names_and_messages_use_the_glossary() {
    assert_none(&vocabulary::old_words(&today().unwrap()));
}

#[test]
fn there_are_no_macros_of_our_own() {
    assert_none(&macros(&today().unwrap()));
}

#[test]
fn every_module_is_named_after_what_it_holds() {
    assert_none(&empty_names(&today().unwrap()));
}

#[test]
fn every_row_of_the_table_is_a_module_that_exists() {
    let tops: Vec<_> = today().unwrap().iter().map(Source::top).collect();
    for (top, allowed) in IMPORTS {
        let named = allowed.iter().map(|entry| entry.split("::").next().unwrap_or(entry));
        for name in named.chain([*top]) {
            assert!(tops.iter().any(|it| it == name), "{name} is in the table but not in src/");
        }
    }
}
