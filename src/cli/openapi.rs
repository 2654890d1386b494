//! `otpost openapi`: what the processors' door takes and answers, for those who post and for their tools.

use std::process::ExitCode;

use anyhow::Context;

use super::output;
use crate::ingest::openapi;

/// Writes the description to standard output, as JSON.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let description = openapi::describe().to_pretty_json().context("the description has no JSON form")?;
    output::line(description)?;
    Ok(ExitCode::SUCCESS)
}
