//! `otpost audit verify`: verifies an exported directory. It reads nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use openssl::x509::X509;
use serde_json::json;

use super::bundle_files::events_bar;
use crate::audit::bundle::{self, Verified};
use crate::audit::note::NoteVerifier;
use crate::cli::{Usage, output};
use crate::domain::clock::Timestamp;

/// How many timestamps there are, and the size and the time of the newest.
type Timestamps = (u64, Option<(u64, Timestamp)>);

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 1: the bundle is not valid, and why.

Examples:
  otpost audit verify november --key audit.pub
  otpost audit verify november --key audit.pub --checkpoint /mnt/archive/checkpoint")]
pub(crate) struct Args {
    /// Directory that `otpost audit export` wrote
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The verifier key of the log: a file, or the key itself
    #[arg(long, value_name = "FILE|KEY")]
    key: Option<String>,
    /// A checkpoint that was published elsewhere: the log must continue it
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Certificates, PEM, of the time-stamping authority's CA: the timestamps must be signed by it
    #[arg(long, value_name = "FILE")]
    tsa_ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let read =
        |file: &PathBuf| std::fs::read_to_string(file).map_err(|error| Usage(format!("{}: {error}", file.display())));
    let published = args.checkpoint.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let ca = args.tsa_ca.as_deref().map(read_ca).transpose()?.unwrap_or_default();
    if !args.dir.is_dir() {
        return Err(Usage(format!("{}: no such directory", args.dir.display())).into());
    }
    let bar = events_bar(0, args.json);
    let result = bundle::verify(&args.dir, key.as_ref(), &published, |done| bar.set_position(done));
    bar.finish_and_clear();
    let result = result.and_then(|it| bundle::timestamps(&args.dir, it.size, &ca).map(|timestamps| (it, timestamps)));
    match result {
        Ok((verified, timestamps)) => {
            report(args, &verified, timestamps)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let reason = crate::domain::chain(&error);
            if args.json {
                output::json(&json!({ "valid": false, "reason": reason }))?;
            } else {
                output::error(format_args!("{} is NOT valid: {reason}", args.dir.display()));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn report(args: &Args, verified: &Verified, timestamps: Timestamps) -> anyhow::Result<()> {
    let (stamps, newest) = timestamps;
    let Verified { log, first, events, size, root, checkpoints, times } = verified;
    let times = times.map(|(first, last)| (first.to_string(), last.to_string()));
    if args.json {
        return output::json(&json!({
            "valid": true,
            "log": log,
            "first": first,
            "events": events,
            "size": size,
            "root": format!("{root:?}"),
            "checkpoints": checkpoints,
            "from": times.as_ref().map(|times| &times.0),
            "to": times.as_ref().map(|times| &times.1),
            "key_known": args.key.is_some(),
            "timestamps": stamps,
            "timestamps_verified": args.tsa_ca.is_some(),
            "newest_timestamp": newest.map(|(size, at)| json!({ "size": size, "at": at.to_string() })),
        }));
    }
    output::line(format_args!("{} is valid", args.dir.display()))?;
    output::line(format_args!("  log          {log}"))?;
    output::line(format_args!("  events       {first} to {} ({events}), none changed, missing or added", size - 1))?;
    if let Some((from, to)) = times {
        output::line(format_args!("  time         {from} to {to}"))?;
    }
    output::line(format_args!("  checkpoints  {checkpoints} signatures agree"))?;
    output::line(format_args!("  root         {root:?}"))?;
    match newest {
        Some((size, at)) => {
            output::line(format_args!(
                "  timestamps   {stamps}, the newest of {at}: the first {size} events existed then"
            ))?;
        }
        None if stamps > 0 => {
            output::line(format_args!("  timestamps   {stamps}, not verified: name the CA with --tsa-ca"))?;
        }
        None => {}
    }
    if args.key.is_none() {
        output::note(
            "note: verified with the key in the bundle; --key with the key that you got from the operator proves who signed",
        );
    }
    Ok(())
}

fn read_ca(file: &Path) -> anyhow::Result<Vec<X509>> {
    let pem = std::fs::read(file).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    let ca = X509::stack_from_pem(&pem).ok().filter(|ca| !ca.is_empty());
    ca.ok_or_else(|| Usage(format!("--tsa-ca {}: expected PEM certificates", file.display())).into())
}

fn read_key(key: &str) -> anyhow::Result<NoteVerifier> {
    let path = Path::new(key);
    let text = if path.exists() {
        std::fs::read_to_string(path).with_context(|| path.display().to_string())?
    } else {
        key.to_owned()
    };
    NoteVerifier::parse(&text).map_err(|error| Usage(format!("--key {key}: {error}")).into())
}
