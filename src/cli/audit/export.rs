//! `otpost audit export`: a part of the log, with the proof, in a directory that `otpost audit verify` accepts.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::bundle_files::{self, events_bar};
use crate::audit::tile::WIDTH;
use crate::cli::config_file::open_store;
use crate::cli::{ConfigFile, Usage, operator_log, output, time};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::flow::tasks::notary;
use crate::store::Store;
use crate::store::audit_tree::StoredCheckpoint;

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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (from, to) = time::range(&args.from, &args.to, &time::now()).map_err(Usage)?;
    let config = args.config.load()?;
    let key = notary::signer(&config.audit, false).map_err(Usage)?.verifier()?.to_text()?;
    if args.dir.exists() {
        return Err(Usage(format!("{} exists; name a directory that does not", args.dir.display())).into());
    }
    let store = open_store(&config).await?;
    let range = match range(&store, from, to).await {
        Ok(range) => range,
        Err(error) => {
            store.close().await?;
            return Err(error);
        }
    };
    let ExportRange { first, newest, archives } = range;
    let events = newest.size - first;
    let bar = events_bar(events, args.json);
    let written = bundle_files::write(&store, &args.dir, (first, &newest), &key, &bar).await;
    bar.finish_and_clear();
    store.close().await?;
    let checkpoints = written?;
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

struct ExportRange {
    /// The first event of the range that is in the database, at the start of its file.
    first: u64,
    /// The checkpoint that covers the last one.
    newest: StoredCheckpoint,
    /// The bundles that have the earlier events.
    archives: Vec<String>,
}

async fn range(store: &Store, from: Timestamp, to: Timestamp) -> anyhow::Result<ExportRange> {
    let tree = store.audit_tree();
    let archives = store.audit_archives().archives().await?;
    let (archived, archived_to) = archives.last().map_or((0, None), |last| (last.until, Some(last.to)));
    let names: Vec<_> =
        archives.iter().filter(|it| it.to >= from && it.from < to).map(|it| it.bundle.clone()).collect();
    if archived_to.is_some_and(|last| to <= last) {
        let text = format!("the events between {from} and {to} are archived; they are in {}", names.join(", "));
        return Err(Usage(text).into());
    }
    let before = tree.checkpoint_before(from).await?.map_or(0, |checkpoint| checkpoint.size);
    let newest = match tree.checkpoint_before(to).await? {
        // Events at the end of the range may have been signed only after it.
        Some(last) => Some(tree.checkpoints(last.size, 1).await?.pop().unwrap_or(last)),
        None => None,
    };
    let newest = newest.filter(|newest| newest.size > before.max(archived)).ok_or_else(|| {
        Usage(format!(
            "no signed events between {from} and {to}; `otpost audit status` shows how far the log is signed"
        ))
    })?;
    Ok(ExportRange { first: (before / WIDTH * WIDTH).max(archived), newest, archives: names })
}
