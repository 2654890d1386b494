//! The shape of the source, read as text: who may import whom, how long a file may be, and what may not be written.
//!
//! Every rule lists what breaks it as `src/file.rs:line`. `the_rules_can_fail` feeds each rule a text that does.

mod paths;
mod source;
mod the_rules_can_fail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use paths::{Reference, references, uses_of};
use source::Source;

/// Who may import what. `store::reports` means: of `store`, paths that go through `reports`.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("route", &["domain"]),
    ("render", &["domain"]),
    ("channel", &["domain"]),
    ("store", &["domain"]),
    ("pki", &["domain"]),
    ("sim", &["domain"]),
    ("telemetry", &["domain"]),
    ("flow", &["domain", "route", "render", "channel", "store"]),
    ("ingest", &["domain", "flow", "pki", "store::reports"]),
    ("receipts", &["domain", "flow", "store::reports"]),
    ("console", &["domain", "flow", "store::reports"]),
    (
        "config",
        &[
            "domain",
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
            "config",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "route",
            "render",
            "channel",
            "store",
            "pki",
            "sim",
            "telemetry",
            "flow",
            "config",
            "app",
            "console",
            "ingest",
            "receipts",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// A longer file holds more than one thing.
const MAX_LINES: usize = 350;

/// Names that say nothing about what is inside, so that everything ends up there.
const EMPTY_NAMES: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "prelude", "types", "error", "errors"];

fn forbidden_arrows(sources: &[Source]) -> Vec<String> {
    let modules: Vec<_> = sources.iter().map(Source::module).collect();
    let mut complaints = Vec::new();
    for source in sources {
        let room = source.room();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            complaints.push(source.at(1, &format!("{room} has no row in the table of arrows")));
            continue;
        };
        let leaves_for = |reference: &Reference| reference.path.first() != Some(&room);
        for reference in references(source).into_iter().filter(leaves_for) {
            let said = match verdict(&reference, allowed, &modules) {
                AcceptResult::Allowed => vec![],
                AcceptResult::Forbidden => vec![reference],
                AcceptResult::DependsOnUse => uses_of(source, &reference.name, &reference.path)
                    .into_iter()
                    .filter(|used| !matches!(verdict(used, allowed, &modules), AcceptResult::Allowed))
                    .collect(),
            };
            complaints.extend(
                said.iter().map(|it| source.at(it.line, &format!("{room} may not import {}", it.path.join("::")))),
            );
        }
    }
    complaints
}

enum AcceptResult {
    Allowed,
    Forbidden,
    /// A module of which only a part is allowed: what matters is what is taken from it.
    DependsOnUse,
}

fn verdict(reference: &Reference, allowed: &[&str], modules: &[Vec<String>]) -> AcceptResult {
    let (path, first) = (&reference.path, reference.path.first().map_or("", String::as_str));
    let part = |entry: &&str| entry.split_once("::").is_some_and(|(room, _)| room == first);
    let through = |entry: &&str| {
        let (room, part) = entry.split_once("::").unwrap_or((entry, ""));
        room == first && (part.is_empty() || path.iter().skip(1).any(|segment| segment == part))
    };
    match () {
        () if allowed.iter().any(through) => AcceptResult::Allowed,
        () if allowed.iter().any(part) && modules.contains(path) => AcceptResult::DependsOnUse,
        () => AcceptResult::Forbidden,
    }
}

fn circles(sources: &[Source]) -> Vec<String> {
    let mut arrows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources {
        for reference in references(source) {
            let Some(to) = reference.path.first().filter(|to| **to != source.room()) else { continue };
            let seen_at = source.at(reference.line, &format!("{} imports {to}", source.room()));
            arrows.entry(source.room()).or_default().entry(to.clone()).or_insert(seen_at);
        }
    }
    // A room that imports nobody, or whom nobody imports, is in no circle; without it the next one may be such a room.
    loop {
        let imported: BTreeSet<_> = arrows.values().flat_map(BTreeMap::keys).cloned().collect();
        let importing: BTreeSet<_> = arrows.iter().filter(|(_, to)| !to.is_empty()).map(|(it, _)| it.clone()).collect();
        if imported == importing && importing.len() == arrows.len() {
            return arrows.into_values().flat_map(BTreeMap::into_values).collect();
        }
        arrows.retain(|room, _| imported.contains(room) && importing.contains(room));
        for to in arrows.values_mut() {
            to.retain(|room, _| importing.contains(room));
        }
    }
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let long = |source: &&Source| source.plain_lines().count() > MAX_LINES;
    sources.iter().filter(long).map(|it| it.at(MAX_LINES, "the file is too long; a noun is missing")).collect()
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
        matches!(source.room().as_str(), "render" | "channel")
            || (source.path == "domain/secret.rs" && source.is_test(line))
    };
    callers(sources, "reveal", may)
}

fn sealers(sources: &[Source]) -> Vec<String> {
    callers(sources, "under_seal", |source, _| source.path.starts_with("store/seal"))
}

fn callers(sources: &[Source], verb: &str, may: impl Fn(&Source, usize) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let mut lines = source.find(&[".", verb]);
        lines.extend(source.find(&["::", verb]));
        let strangers = lines.into_iter().filter(|line| !may(source, *line));
        complaints.extend(strangers.map(|line| source.at(line, &format!("{verb} is not for this place"))));
    }
    complaints
}

fn unwanted_words(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (line, text) in source.plain_lines() {
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(word) = words.find(|word| matches!(*word, "TODO" | "FIXME")) {
                complaints.push(source.at(line, word));
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
            complaints.extend(lines.map(|line| source.at(line, name)));
        }
    }
    complaints
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
    let mut complaints = Vec::new();
    for source in sources {
        if source.module().iter().any(|part| EMPTY_NAMES.contains(&part.as_str())) {
            complaints.push(source.at(1, "the module's name says nothing"));
        }
        for name in EMPTY_NAMES {
            complaints.extend(source.find(&["mod", name, "{"]).into_iter().map(|line| source.at(line, name)));
        }
    }
    complaints
}

fn today() -> std::io::Result<Vec<Source>> {
    source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_import_follows_an_arrow_of_the_house() {
    assert_none(&forbidden_arrows(&today().unwrap()));
}

#[test]
fn no_two_rooms_import_each_other_however_indirectly() {
    assert_none(&circles(&today().unwrap()));
}

#[test]
fn no_file_is_longer_than_can_be_kept_in_mind() {
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
fn only_the_seal_is_lent_the_code() {
    assert_none(&sealers(&today().unwrap()));
}

#[test]
fn nothing_is_left_unfinished_unwrapped_or_printed() {
    assert_none(&unwanted_words(&today().unwrap()));
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
fn every_row_of_the_table_is_a_room_that_exists() {
    let rooms: Vec<_> = today().unwrap().iter().map(Source::room).collect();
    for (room, allowed) in ARROWS {
        let named = allowed.iter().map(|entry| entry.split("::").next().unwrap_or(entry));
        for name in named.chain([*room]) {
            assert!(rooms.iter().any(|it| it == name), "{name} is in the table but not in src/");
        }
    }
}
