//! `otpost simulate processor --kind samples`: each of the contract's samples once, and what was answered.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::cli::output;
use crate::domain::clock::{Clock, SystemClock};
use crate::sim::http_client::Identity;
use crate::sim::processor::{Processor, Response, samples};

/// Posts them one after the other; exit code 1 unless each was taken.
pub(super) async fn post(url: &str, identity: Option<&Identity>, json: bool) -> anyhow::Result<ExitCode> {
    let mut processor = Processor::new(url, identity)?;
    let mut answers = Vec::new();
    for sample in samples(SystemClock.now()) {
        let answer = processor.send(&sample).await.with_context(|| format!("POST {} got no answer", sample.path))?;
        answers.push((sample.path, answer));
    }
    if json {
        output::json(&json!({ "answers": answers.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else {
        let rows: Vec<_> = answers.iter().map(row).collect();
        output::line(output::table(&["PATH", "STATUS", "TOOK", "DETAIL"], &rows).trim_end())?;
    }
    let all_taken = answers.iter().all(|(_, answer)| answer.status == 204);
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json((path, answer): &(&str, Response)) -> serde_json::Value {
    json!({ "path": path, "status": answer.status, "milliseconds": milliseconds(answer), "body": answer.body })
}

fn row((path, answer): &(&str, Response)) -> Vec<String> {
    let took = format!("{:.1} ms", milliseconds(answer));
    vec![(*path).to_owned(), answer.status.to_string(), took, answer.body.clone()]
}

fn milliseconds(answer: &Response) -> f64 {
    answer.took.as_secs_f64() * 1_000.0
}
