//! Where a report goes: standard output, or a file that appears when it is complete.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use super::format;
use crate::cli::Usage;
use crate::report::csv::Style;
use crate::report::format::ReportFormat;
use crate::report::new_file::{Error, NewFile};
use crate::report::writer::ReportWriter;

#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// table, csv (for spreadsheets), csv-raw (for programs), json (one object in a line) or xlsx
    #[arg(long, default_value = "table", value_parser = format)]
    format: ReportFormat,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Between the fields of CSV; Excel expects a semicolon where the decimal mark is a comma
    #[arg(long, value_name = "CHARACTER", default_value_t = ',')]
    delimiter: char,
    /// Begin CSV with a byte order mark, by which Excel knows UTF-8
    #[arg(long)]
    bom: bool,
}

impl TargetArgs {
    /// Whether rows appear on the terminal.
    pub(super) fn is_shown(&self) -> bool {
        self.out.is_none() && io::stdout().is_terminal()
    }

    /// The format by the name that the API knows; options that it does not know are refused.
    pub(super) fn remote_format(&self) -> Result<&'static str, Usage> {
        if self.format == ReportFormat::Xlsx || self.bom || self.delimiter != ',' {
            let text = "--format xlsx, --bom and --delimiter are for the machine of the gateway, without --server";
            return Err(Usage(text.to_owned()));
        }
        Ok(self.format.into())
    }

    /// Writes a report that is complete.
    pub(super) fn write_whole(&self, text: &str) -> anyhow::Result<()> {
        let Some(path) = &self.out else { return Ok(io::stdout().write_all(text.as_bytes())?) };
        Ok(NewFile::create(path, self.force).map_err(explained)?.write_whole(text.as_bytes())?)
    }
}

/// Gets the rows.
pub(super) struct ReportTarget {
    writer: Box<dyn ReportWriter + Send>,
    file: Option<NewFile>,
}

impl ReportTarget {
    pub(super) fn open(args: &TargetArgs) -> anyhow::Result<Self> {
        if args.delimiter.is_alphanumeric() || matches!(args.delimiter, '"' | '\r' | '\n' | '-' | '.' | '\'') {
            let text = format!("--delimiter {:?}: expected a character such as , ; | or a tab", args.delimiter);
            return Err(Usage(text).into());
        }
        let style = Style { delimiter: args.delimiter, bom: args.bom, raw: false };
        let Some(path) = &args.out else {
            let stream = args.format.to_stream(io::BufWriter::new(io::stdout()), style);
            let needs_file = || Usage("--format xlsx writes a file: name it with --out FILE".to_owned());
            return Ok(Self { writer: stream.ok_or_else(needs_file)?, file: None });
        };
        let file = NewFile::create(path, args.force).map_err(explained)?;
        Ok(Self { writer: args.format.to_file(file.file()?, style), file: Some(file) })
    }

    pub(super) fn writer(&mut self) -> &mut (dyn ReportWriter + Send) {
        &mut *self.writer
    }

    pub(super) fn explain(&self, error: io::Error) -> anyhow::Error {
        match &self.file {
            Some(file) => file.explain(error).into(),
            None => error.into(),
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        drop(self.writer);
        Ok(self.file.map_or(Ok(()), NewFile::finish)?)
    }
}

fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Exists(_) => Usage(error.to_string()).into(),
        error => error.into(),
    }
}
