//! `otpost openapi`: the description of the API for processors, or of the console's.

use std::process::ExitCode;

use anyhow::Context;

use super::output;
use crate::console;
use crate::ingest::openapi;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose API: that for processors, or that of the console
    #[arg(long, value_enum, default_value_t = DescribedApi::Ingest)]
    api: DescribedApi,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DescribedApi {
    Ingest,
    Console,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let description = match args.api {
        DescribedApi::Ingest => openapi::describe(),
        DescribedApi::Console => console::api_description(),
    };
    let text = description.to_pretty_json().context("cannot write the OpenAPI description as JSON")?;
    output::line(text)?;
    Ok(ExitCode::SUCCESS)
}
