//! `otpost audit verify`: verifies an exported directory, or the proof of one event. It reads nothing else.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use openssl::x509::X509;
use serde_json::{Value, json};

use super::events_bar::events_bar;
use crate::audit::bundle::{self, Verified};
use crate::audit::note::NoteVerifier;
use crate::audit::tlog_proof::{self, ProvenEvent, TlogProof};
use crate::cli::{Usage, output};
use crate::domain::clock::Timestamp;
use crate::file_access;

/// How many timestamps there are, and the size and the time of the newest.
type Timestamps = (u64, Option<(u64, Timestamp)>);

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 1: the bundle or the proof is not valid, and why.

Examples:
  otpost audit verify november --key audit.pub
  otpost audit verify november --key audit.pub --checkpoint /mnt/archive/checkpoint
  otpost audit verify event-1234.tlog-proof --key audit.pub")]
pub(crate) struct Args {
    /// Directory that `otpost audit export` wrote, or a .tlog-proof file of a dossier
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// The verifier key of the log: a file, or the key itself
    #[arg(long, value_name = "FILE|KEY")]
    key: Option<String>,
    /// A checkpoint that was published elsewhere: the log must continue it
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// The event that a .tlog-proof file is of, in place of the one in the file
    #[arg(long, value_name = "FILE", conflicts_with = "checkpoint")]
    event: Option<PathBuf>,
    /// Certificates, PEM, of the time-stamping authority's CA: the timestamps must be signed by it
    #[arg(long, value_name = "FILE")]
    tsa_ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    if args.path.is_file() {
        return of_proof(args, key.as_ref());
    }
    if !args.path.is_dir() {
        return Err(Usage(format!("{}: no such directory, and no file", args.path.display())).into());
    }
    if args.event.is_some() {
        return Err(Usage("--event: expected with a .tlog-proof file, not with a directory".to_owned()).into());
    }
    let read =
        |file: &PathBuf| std::fs::read_to_string(file).map_err(|error| Usage(format!("{}: {error}", file.display())));
    let published = args.checkpoint.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let ca = args.tsa_ca.as_deref().map(read_ca).transpose()?.unwrap_or_default();
    let bar = events_bar(0, args.json);
    let result = bundle::verify(&args.path, key.as_ref(), &published, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let result = result.and_then(|it| bundle::timestamps(&args.path, it.size, &ca).map(|timestamps| (it, timestamps)));
    match result {
        Ok((verified, timestamps)) => {
            report(args, &verified, timestamps)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => not_valid(args, &error),
    }
}

fn not_valid(args: &Args, error: &dyn std::error::Error) -> anyhow::Result<ExitCode> {
    let reason = crate::domain::chain(error);
    if args.json {
        output::json(&json!({ "valid": false, "reason": reason }))?;
    } else {
        output::error(format_args!("{} is NOT valid: {reason}", args.path.display()));
    }
    Ok(ExitCode::FAILURE)
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
    output::line(format_args!("{} is valid", args.path.display()))?;
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

fn of_proof(args: &Args, key: Option<&NoteVerifier>) -> anyhow::Result<ExitCode> {
    if !args.checkpoint.is_empty() {
        return Err(Usage("--checkpoint: expected with a directory, not with a .tlog-proof file".to_owned()).into());
    }
    let Some(key) = key else {
        let text = "--key is missing: a proof has no key in it; expected the line that `otpost audit key` printed";
        return Err(Usage(text.to_owned()).into());
    };
    let text = String::from_utf8(read_file(&args.path)?);
    let text = text.map_err(|_| Usage(format!("{}: not a proof: it is no text", args.path.display())))?;
    let event = args.event.as_deref().map(read_file).transpose()?;
    // Editors end a file with a line feed, which is not part of the event.
    let event = event.as_deref().map(|event| event.strip_suffix(b"\n").unwrap_or(event));
    match TlogProof::parse(&text).and_then(|proof| proof.verify(event, key)) {
        Ok(proven) => {
            report_proof(args, key, &proven)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => not_valid(args, &error),
    }
}

fn report_proof(args: &Args, key: &NoteVerifier, proven: &ProvenEvent) -> anyhow::Result<()> {
    let ProvenEvent { leaf, checkpoint } = proven;
    let (log, head, root) = (key.name(), &leaf.head, format!("{:?}", checkpoint.root));
    if args.json {
        let event: Value = serde_json::from_slice(&leaf.to_bytes()?)?;
        return output::json(&json!({
            "valid": true, "log": log, "index": head.index, "size": checkpoint.size, "root": root, "event": event,
        }));
    }
    output::line(format_args!("{} is valid", args.path.display()))?;
    output::line(format_args!("  log    {log}, {} events, signed", checkpoint.size))?;
    output::line(format_args!("  event  {}: {} by {} at {}", head.index, head.kind, head.actor, head.at))?;
    output::line(format_args!("  root   {root}\n"))?;
    output::line(String::from_utf8_lossy(&leaf.to_bytes()?))?;
    Ok(())
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    let mut bytes = Vec::new();
    file.take(tlog_proof::SIZE_MAX + 1).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    if bytes.len() as u64 > tlog_proof::SIZE_MAX {
        let text = format!("{}: expected at most {} bytes", path.display(), tlog_proof::SIZE_MAX);
        return Err(Usage(text).into());
    }
    Ok(bytes)
}

fn read_ca(file: &Path) -> anyhow::Result<Vec<X509>> {
    let read = file_access::read_certificates(file);
    Ok(read.map_err(|error| Usage(format!("--tsa-ca {}: {error}", file.display())))?)
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
