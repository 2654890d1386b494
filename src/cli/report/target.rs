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
    pub(super) delimiter: char,
    /// Begin CSV with a byte order mark, by which Excel knows UTF-8
    #[arg(long)]
    pub(super) bom: bool,
}

impl TargetArgs {
    /// Whether rows appear on the terminal.
    pub(super) fn is_shown(&self) -> bool {
        self.out.is_none() && io::stdout().is_terminal()
    }

    /// The format by the name that the API knows.
    pub(super) fn format_name(&self) -> &'static str {
        self.format.into()
    }

    /// Whether it is text without anything special, which the API answers at once.
    pub(super) fn is_plain(&self) -> bool {
        self.format != ReportFormat::Xlsx && !self.bom && self.delimiter == ','
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
        if !Style::may_delimit(args.delimiter) {
            let text = format!("--delimiter {:?}: expected a character such as , ; | or a tab", args.delimiter);
            return Err(Usage(text).into());
        }
        let style = Style { delimiter: args.delimiter, bom: args.bom, raw: false };
        let Some(path) = &args.out else {
            let stream = args.format.to_stream(io::BufWriter::new(io::stdout()), style);
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

/// Gets a report that the gateway wrote.
pub(super) struct WholeTarget {
    to: Box<dyn Write + Send>,
    file: Option<NewFile>,
}

impl WholeTarget {
    pub(super) fn open(args: &TargetArgs) -> anyhow::Result<Self> {
        let Some(path) = &args.out else {
            let is_text = args.format != ReportFormat::Xlsx;
            return if is_text {
                Ok(Self { to: Box::new(io::stdout()), file: None })
            } else {
                Err(needs_file().into())
            };
        };
        let file = NewFile::create(path, args.force).map_err(explained)?;
        Ok(Self { to: Box::new(file.file()?), file: Some(file) })
    }

    pub(super) fn writer(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.to
    }

    /// An error of writing, with the name of the file; any other one as it is.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match (&self.file, error.downcast::<io::Error>()) {
            (Some(file), Ok(error)) => file.explain(error).into(),
            (None, Ok(error)) => error.into(),
            (_, Err(error)) => error,
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        drop(self.to);
        Ok(self.file.map_or(Ok(()), NewFile::finish)?)
    }
}

fn needs_file() -> Usage {
    Usage("--format xlsx writes a file: name it with --out FILE".to_owned())
}

fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Exists(_) => Usage(error.to_string()).into(),
        error => error.into(),
    }
}
