//! What `otpost --version` prints: the version, the commit it was built from, and the versions of the linked libraries.

use std::fmt::Write as _;

/// Set when a release is built: `OTPOST_COMMIT=$(git rev-parse --short HEAD) cargo build --release`. A build without git has none.
const COMMIT: Option<&str> = option_env!("OTPOST_COMMIT");

/// For `--version`; `-V` prints the version alone. The text lives as long as the process, as the parser requires.
pub(super) fn long() -> &'static str {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(commit) = COMMIT.filter(|commit| !commit.is_empty()) {
        let _ = write!(text, " (commit {commit})");
    }
    let _ = write!(text, "\n{}\nSQLite {}", openssl::version::version(), rusqlite::version());
    Box::leak(text.into_boxed_str())
}
