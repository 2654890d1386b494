//! Short message centres that are not ours: npm's `smpp` and PyPI's `smpp34`, each in a process of its own.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::node;

pub(crate) const PASSWORD: &str = "hush-hush";

pub(crate) struct MessageCentre {
    _process: Child,
    commands: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
}

impl MessageCentre {
    /// npm's `smpp`, with further keys of its configuration.
    pub(crate) async fn start(more: Value) -> Self {
        let mut node = Command::new("node");
        node.args(["-e", include_str!("smsc.js")]).env("NODE_PATH", node::packages());
        let mut listen = json!({ "password": PASSWORD });
        listen.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self::run(node, &json!({ "listen": listen })).await
    }

    /// PyPI's `smpp34`.
    pub(crate) async fn second() -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python3");
        assert!(python.exists(), "{} is missing; tests/run sets it up", python.display());
        let mut python = Command::new(python);
        python.args(["-c", include_str!("smsc.py")]);
        Self::run(python, &json!({})).await
    }

    async fn run(mut program: Command, first: &Value) -> Self {
        let program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = program.spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut centre = Self { _process: process, commands, events, port: 0 };
        centre.command(first).await;
        centre.port = centre.event("port").await.as_u64().unwrap().try_into().unwrap();
        centre
    }

    /// How it behaves from now on, or what it does now.
    pub(crate) async fn command(&mut self, command: &Value) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    /// The next event of this name. Those before it are skipped.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let line = self.events.next_line().await.unwrap();
            let mut event: Value = serde_json::from_str(&line.expect("tests/run sets up what is missing")).unwrap();
            if !event[name].is_null() {
                return event[name].take();
            }
        }
    }

    /// What happens until these have happened, in any order.
    pub(crate) async fn all_of(&mut self, names: &[&str]) {
        let mut missing = names.to_vec();
        while !missing.is_empty() {
            let event: Value = serde_json::from_str(&self.events.next_line().await.unwrap().unwrap()).unwrap();
            missing.retain(|name| event[name].is_null());
        }
    }

    /// Reports on a message, and returns the status of the answer.
    pub(crate) async fn receipt(&mut self, receipt: Value) -> Value {
        self.command(&json!({ "receipt": receipt })).await;
        self.event("answered").await
    }

    /// The keys of the provider that sends through it.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "kind": "smpp", "name": "smsc", "host": "127.0.0.1", "port": self.port, "tls": false, "system_id": "bank",
            "password": PASSWORD, "sender": "BANK",
        })
    }

    /// The same as a `[[provider]]`, with further keys.
    pub(crate) fn section(&self, more: &str) -> String {
        let settings = self.settings();
        let keys = settings.as_object().unwrap().iter().map(|(key, value)| format!("{key} = {value}\n"));
        format!("[[provider]]\n{}{more}\n", keys.collect::<String>())
    }
}
