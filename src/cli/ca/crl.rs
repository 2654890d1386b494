//! `otpost ca crl`: signs a new list of what was revoked, before the old one is out of date.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openssl::x509::X509Crl;

use super::{CaLocation, day, passphrase, told};
use crate::cli::output;
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::ca::store::LIST_DAYS;
use crate::pki::{self, CaEnvironment};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of which environment, where there are two
    #[arg(long)]
    env: Option<CaEnvironment>,
    /// How long it may be used
    #[arg(long, value_name = "N", default_value_t = LIST_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Write a copy here too; only another list is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    words: passphrase::PassphraseArgs,
    #[command(flatten)]
    place: CaLocation,
}

/// Signs it in the desk's folder.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let desk = args.place.one_desk(args.env)?;
    if let Some(out) = &args.out {
        must_be_new_or_a_list(out)?;
    }
    let list = super::open(&desk, &args.words)?.renew_list(args.days, SystemClock.now()).map_err(told)?;
    let mut files = vec![desk.path("crl.pem")];
    if let Some(out) = &args.out {
        pki::write_list(out, &list)?;
        files.push(out.clone());
    }
    let until = day(desk.list_until().map_err(told)?);
    for file in files {
        output::line(format_args!("signed {}: {} revoked, to be used until {until}", file.display(), counted(&list)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(list: &X509Crl) -> String {
    match list.get_revoked().map_or(0, openssl::stack::StackRef::len) {
        0 => "nothing".to_owned(),
        1 => "1 certificate".to_owned(),
        count => format!("{count} certificates"),
    }
}

// A list is renewed again and again under one name. Anything else of that name is there for a reason.
fn must_be_new_or_a_list(path: &Path) -> anyhow::Result<()> {
    let is_list =
        path.is_file() && pki::read_up_to(path, 16 * 1024 * 1024).is_ok_and(|pem| X509Crl::from_pem(&pem).is_ok());
    if is_list { Ok(()) } else { super::must_be_new(path) }
}
