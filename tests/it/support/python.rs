//! Programs that are not ours, in the Python that `tests/run` sets up.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What `script` writes when it reads `asked`.
pub(crate) fn run(script: &str, asked: &Value) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python3");
    assert!(python.exists(), "{} is missing; tests/run sets it up", python.display());
    let mut python = Command::new(python);
    python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = python.spawn().unwrap();
    running.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let hint = if said.contains("ModuleNotFoundError") { "tests/run sets up what is missing:\n" } else { "" };
    assert!(ended.status.success(), "{hint}{said}");
    String::from_utf8(ended.stdout).unwrap()
}
