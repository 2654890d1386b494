//! Output on a terminal: colours, narrow windows, and a reader that stops reading.

use std::process::{Command, Stdio};

use super::Workspace;
use super::delivery::{accept, open};

const OTPOST: &str = env!("CARGO_BIN_EXE_otpost");

/// Runs a command on a terminal of this width, in this environment, and returns what it shows.
fn shown(columns: usize, environment: &[(&str, &str)], args: &[&str]) -> String {
    let line = format!("stty cols {columns}; exec {OTPOST} {}", args.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
    terminal.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR").envs(environment.iter().copied());
    String::from_utf8_lossy(&terminal.output().unwrap().stdout).replace("\r\n", "\n")
}

fn widest(text: &str) -> usize {
    let visible = |line: &str| {
        let parts = line.split('\u{1b}').enumerate();
        parts
            .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |it| it.1) })
            .collect::<String>()
    };
    text.lines().map(|line| visible(line).chars().count()).max().unwrap_or(0)
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let workspace = Workspace::small();
    let config = workspace.path("otpost.toml");
    let args = ["check", "--config", config.to_str().unwrap()];
    let is_coloured = |environment: &[(&str, &str)]| shown(100, environment, &args).contains('\u{1b}');

    assert!(is_coloured(&[]));
    for refusal in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
        assert!(!is_coloured(&[refusal]), "{refusal:?}");
    }
}

#[tokio::test]
async fn sixty_columns_are_enough() {
    let workspace = Workspace::small();
    let store = open(&workspace).await;
    accept(&store).await;
    store.close().await.unwrap();
    let config = workspace.path("otpost.toml");
    let config = config.to_str().unwrap();

    for args in [&["delivery", "list"][..], &["ca", "list"], &["template", "list"]] {
        let text = shown(60, &[], &[args, &["--config", config]].concat());
        assert!(widest(&text) <= 60, "{args:?}\n{text}");
        let wide = shown(200, &[], &[args, &["--config", config]].concat());
        assert!(wide.lines().next().unwrap().contains("  "), "a table where it fits\n{wide}");
    }
}

#[test]
fn the_demo_fits_into_narrow_terminals() {
    for columns in [40, 60, 80] {
        let text = shown(columns, &[("NO_COLOR", "1")], &["demo", "--once"]);
        assert!(text.contains("each delivered once"), "{text}");
        // Addresses and paths are never broken.
        let sentences = text.lines().filter(|line| !line.contains('/')).collect::<Vec<_>>().join("\n");
        assert!(widest(&sentences) <= columns, "{columns}\n{text}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let workspace = Workspace::small();
    let config = workspace.path("otpost.toml");
    for args in
        [&["template", "list"][..], &["ca", "export"], &["check", "--json"], &["openapi"], &["completion", "bash"]]
    {
        let mut command = Command::new(OTPOST);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !matches!(args, ["openapi" | "completion", ..]) {
            command.arg("--config").arg(&config);
        }
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{args:?}");
        assert_eq!(ended.status.code(), Some(0), "{args:?}");
    }
}
