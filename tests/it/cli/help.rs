//! `otpost help`: commands, guides, and what is printed without a terminal.

use super::run;

#[test]
fn help_lists_every_command_and_every_guide() {
    let help = run(&["help"]);

    assert_eq!(help.code, 0, "{}", help.err);
    for name in ["recipient", "delivery", "provider", "serve", "glossary", "operations", "promises", "templates"] {
        help.place_of(&format!("\n  {name} "));
    }
    assert_eq!(help.out, run(&["--help"]).out);
}

#[test]
fn help_of_a_command_is_what_the_command_prints_itself() {
    for command in [vec!["recipient", "import"], vec!["ca"], vec!["serve"]] {
        let help = run(&[&["help"], &command[..]].concat());
        let own = run(&[&command[..], &["--help"]].concat());
        assert_eq!((help.code, help.out), (0, own.out), "{command:?}");
    }
}

#[test]
fn a_guide_is_printed_as_markdown_when_the_output_is_not_a_terminal() {
    let guide = run(&["help", "glossary"]);

    assert_eq!(guide.code, 0, "{}", guide.err);
    assert!(guide.out.starts_with("# ") && !guide.out.contains('\u{1b}'), "{}", guide.out);
}

#[test]
fn an_unknown_topic_is_a_usage_error() {
    let unknown = run(&["help", "recipient", "exprot"]);

    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("no command or guide is named recipient exprot"), "{}", unknown.err);
}

#[test]
fn the_version_names_the_linked_libraries_and_the_short_one_does_not() {
    let long = run(&["--version"]).out;
    let lines: Vec<_> = long.lines().collect();
    assert!(lines[0].starts_with(concat!("otpost ", env!("CARGO_PKG_VERSION"))), "{long}");
    assert!(lines[1].starts_with("OpenSSL 3.") && lines[2].starts_with("SQLite 3."), "{long}");
    assert_eq!(run(&["-V"]).out.trim_end(), concat!("otpost ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let written = run(&["man", &folder.path().display().to_string()]);
    assert_eq!(written.code, 0, "{}", written.err);
    for (page, word) in
        [("otpost.1", "SUBCOMMANDS"), ("otpost-recipient-import.1", "csv"), ("otpost-serve.1", "take\\-over")]
    {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains(word), "{page}: {text}");
    }
}
