//! Programs that are not ours, in the packages for Node.js that `tests/run` sets up.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

/// Where the packages are.
pub(crate) fn packages() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/node/node_modules");
    assert!(packages.exists(), "{} is missing; tests/run sets it up", packages.display());
    packages
}

/// What `script` answers, one line of JSON for each that it reads.
pub(crate) fn run(script: &str, asked: &[Value]) -> Vec<Value> {
    let mut node = Command::new("node");
    node.args(["-e", script]).env("NODE_PATH", packages());
    let mut running = node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut lines = running.stdin.take().unwrap();
    let text = asked.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    // It answers before it has read everything.
    let writing = thread::spawn(move || std::io::Write::write_all(&mut lines, text.as_bytes()).unwrap());
    let ended = running.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(ended.status.success());
    let said = String::from_utf8(ended.stdout).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the `drive` of a script returns for `asked`: it drives a browser, which takes a while.
pub(crate) async fn drive(script: &str, asked: Value) -> Value {
    let script = format!("{script}\n{}", include_str!("drive.js"));
    tokio::task::spawn_blocking(move || run(&script, &[asked])).await.unwrap().remove(0)
}

/// A server in a process of its own, which ends with this value.
pub(crate) struct NodeServer {
    process: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Drop for NodeServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl NodeServer {
    /// Starts `script`, whose first line is its port on this machine.
    pub(crate) fn start(script: &str, arguments: &[&str]) -> Self {
        let mut node = Command::new("node");
        node.args(["--no-warnings", "-e", script]).args(arguments).env("NODE_PATH", packages());
        let mut process = node.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, lines, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let port = server.line();
        server.address.set_port(port.trim().parse().unwrap());
        server
    }

    /// The next line that it writes.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}
