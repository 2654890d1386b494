//! `otpost audit export`: a part of the log, with the proof, in a directory that `otpost audit verify` accepts.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use zip::ZipArchive;

use super::events_bar::events_bar;
use crate::cli::config_file::open_store;
use crate::cli::remote::{RemoteGateway, ServerArgs};
use crate::cli::{ConfigFile, Usage, operator_log, output, remote_export, time};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::flow::audit_bundle::{self, BundleRange, Error};
use crate::flow::tasks::notary;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  otpost audit export --from 2026-11-01 --to 2026-12-01 november
  otpost audit export --from 24h yesterday && otpost audit verify yesterday --key audit.pub")]
pub(crate) struct Args {
    /// Directory to create
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Events since this time; the bundle begins with the file of 256 events that holds the first of them
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Events before this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (from, to) = time::range(&args.from, &args.to, &time::now()).map_err(Usage)?;
    if let Some(remote) = args.server.remote()? {
        return ask(&remote, args, from, to).await;
    }
    let config = args.config.load()?;
    let key = notary::signer(&config.audit, false).map_err(Usage)?.verifier()?.to_text()?;
    refuse_existing(&args.dir)?;
    let store = open_store(&config).await?;
    let range = match audit_bundle::range(&store, from, to).await {
        Ok(range) => range,
        Err(error) => {
            store.close().await?;
            return Err(match error {
                Error::Archived { .. } | Error::NothingSigned { .. } => Usage(error.to_string()).into(),
                error => error.into(),
            });
        }
    };
    let BundleRange { first, newest, archives } = range;
    let events = newest.size - first;
    let bar = events_bar(events, args.json);
    let written = audit_bundle::write(&store, &args.dir, (first, &newest), &key, &|done| bar.inc(done)).await;
    bar.finish_and_clear();
    store.close().await?;
    let checkpoints = written.with_context(|| args.dir.display().to_string())?;
    let detail = [("first", first.into()), ("events", events.into())];
    operator_log::record_at(&config, AuditKind::AuditExported, &detail).await;
    let dir = args.dir.display();
    if args.json {
        let report = json!({ "dir": args.dir, "first": first, "events": events, "checkpoints": checkpoints,
            "archives": archives });
        output::json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!(
        "{dir}: events {first} to {}, {checkpoints} signed checkpoints\nverify it with: otpost audit verify {dir} --key FILE",
        newest.size - 1,
    ))?;
    if !archives.is_empty() {
        let archives = archives.join(", ");
        output::note(format_args!("note: earlier events of this range are archived; they are in {archives}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse_existing(dir: &Path) -> Result<(), Usage> {
    if dir.exists() {
        return Err(Usage(format!("{} exists; name a directory that does not", dir.display())));
    }
    Ok(())
}

// The gateway packs the bundle, and it appears here when all of it is unpacked.
async fn ask(remote: &RemoteGateway, args: &Args, from: Timestamp, to: Timestamp) -> anyhow::Result<ExitCode> {
    refuse_existing(&args.dir)?;
    let order = json!({ "from": from.to_jiff().to_string(), "to": to.to_jiff().to_string() });
    let dir = args.dir.display();
    let parent = args.dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut packed = tempfile::tempfile_in(parent).with_context(|| parent.display().to_string())?;
    let export = remote_export::fetch(remote, "audit", &order, &mut packed).await?;
    let unpacked = tempfile::Builder::new().prefix(".otpost-audit-").tempdir_in(parent)?;
    let mut archive = ZipArchive::new(BufReader::new(packed)).context("the gateway sent no ZIP")?;
    archive.extract(unpacked.path()).with_context(|| dir.to_string())?;
    // All files are below one folder, which has the name of the ZIP.
    let bundle = unpacked.path().join(export.file_name.trim_end_matches(".zip"));
    fs::rename(bundle, &args.dir).with_context(|| dir.to_string())?;
    if args.json {
        output::json(&json!({ "dir": args.dir, "file": export.file_name }))?;
    } else {
        let name = export.file_name;
        output::line(format_args!("{dir}: {name}, unpacked\nverify it with: otpost audit verify {dir} --key FILE"))?;
    }
    Ok(ExitCode::SUCCESS)
}
