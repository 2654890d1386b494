//! `otpost simulate processor --kind samples`: posts each published sample once and shows the responses.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::cli::output;
use crate::domain::clock::{Clock, SystemClock};
use crate::sim::http_client::Identity;
use crate::sim::processor::{Processor, Response, samples};

/// Exits with code 1 unless every sample is accepted.
pub(super) async fn post(url: &str, identity: Option<&Identity>, json: bool) -> anyhow::Result<ExitCode> {
    let mut processor = Processor::new(url, identity)?;
    let mut responses = Vec::new();
    for sample in samples(SystemClock.now()) {
        let response = processor.send(&sample).await.with_context(|| format!("no response to POST {}", sample.path))?;
        responses.push((sample.path, response));
    }
    if json {
        output::json(&json!({ "answers": responses.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else {
        let rows: Vec<_> = responses.iter().map(row).collect();
        output::line(output::table(&["PATH", "STATUS", "TIME", "DETAIL"], &rows).trim_end())?;
    }
    let all_accepted = responses.iter().all(|(_, response)| response.status == 204);
    Ok(if all_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json((path, response): &(&str, Response)) -> serde_json::Value {
    json!({ "path": path, "status": response.status, "milliseconds": milliseconds(response), "body": response.body })
}

fn row((path, response): &(&str, Response)) -> Vec<String> {
    let took = format!("{:.1} ms", milliseconds(response));
    vec![(*path).to_owned(), response.status.to_string(), took, response.body.clone()]
}

fn milliseconds(response: &Response) -> f64 {
    response.took.as_secs_f64() * 1_000.0
}
