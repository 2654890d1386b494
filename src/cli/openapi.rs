//! `otpost openapi`: the description of the API for processors.

use std::process::ExitCode;

use anyhow::Context;

use super::output;
use crate::ingest::openapi;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let description = openapi::describe().to_pretty_json().context("cannot write the OpenAPI description as JSON")?;
    output::line(description)?;
    Ok(ExitCode::SUCCESS)
}
