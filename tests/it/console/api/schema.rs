//! Requests that Schemathesis makes from the description: nothing fails in the gateway, and every answer is one that is described.

use std::path::Path;
use std::process::Command;

use otpost::console::api_description;
use otpost::domain::access::Role;

use super::gateway;
use crate::support::api::{PREFIX, Program};
use crate::support::otp;

/// What is asked of every answer. Whether a request that fits the description is accepted depends on what the gateway has.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

/// Generated requests of each operation; the coverage phase adds those at the limits of each field.
const EXAMPLES: &str = "10";

/// The longest run, in seconds.
const SECONDS: &str = "60";

async fn answers_as_described(role: Role) {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let program = Program::of(&gateway, &[role]).await;
    let folder = tempfile::tempdir().unwrap();
    let description = folder.path().join("openapi.json");
    std::fs::write(&description, api_description().to_json().unwrap()).unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/st");
    assert!(tool.exists(), "{} is missing; tests/run sets it up", tool.display());
    let mut run = Command::new(tool);
    run.current_dir(folder.path()).arg("run").arg(&description);
    run.args(["--url", &format!("http://{}{PREFIX}", gateway.console_address())]);
    run.args(["--header", &format!("Authorization: Bearer {}", program.token)]);
    run.args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "7"]);
    run.args(["--max-time", SECONDS, "--request-timeout", "20", "--no-shrink", "--warnings", "off"]);
    run.args(["--suppress-health-check", "all", "--continue-on-failure"]);

    let output = tokio::task::spawn_blocking(move || run.output().unwrap()).await.unwrap();

    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let said = said.replace(&program.token, "[token]");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("34 / 34") || said.contains("Tested: 34"), "not every operation was asked:\n{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_gets_described_answers_only() {
    answers_as_described(Role::Operator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_security_officer_gets_described_answers_only() {
    answers_as_described(Role::Security).await;
}
