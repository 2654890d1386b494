//! `otpost token add` and `revoke`.

use std::process::ExitCode;

use super::open;
use crate::cli::config_file::ConfigFile;
use crate::cli::user::{joined, role};
use crate::cli::{output, usage};
use crate::domain::access::Role;
use crate::flow::api_tokens::{DAYS_MAX, Error, TokenOrder};
use crate::store::operator;

const NOTES: &str = "\
The token acts for the user. Its roles count as far as the user still has them, and not at all while the user is disabled. A user
for programs alone needs no password: otpost user add ci --role viewer, without setting it up.

Example:
  otpost token add ci --user anna --role viewer --days 90 >token && chmod 600 token
  otpost delivery list --server https://otpost.bank.example:8470 --token-file token";

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(in crate::cli) struct AddTokenArgs {
    /// Name of the token, in the audit log for good: lowercase letters, digits, '.', '_' and '-'
    name: String,
    /// The user that it acts for
    #[arg(long, value_name = "NAME")]
    user: String,
    /// What it may do, at most what the user may: viewer, support, author, approver, operator, security or admin
    #[arg(long = "role", value_name = "ROLES", value_delimiter = ',', required = true, value_parser = role)]
    roles: Vec<Role>,
    /// How long it lasts
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// The token counts only with the client certificate of this SPKI pin; see [console] client_ca
    #[arg(long, value_name = "PIN")]
    cert_pin: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RevokeArgs {
    /// Name of the token
    name: String,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn add(args: &AddTokenArgs) -> anyhow::Result<ExitCode> {
    let (store, tokens) = open(&args.config).await?;
    let order = TokenOrder {
        name: &args.name,
        user: &args.user,
        roles: &args.roles,
        days: args.days,
        cert_pin: args.cert_pin.as_deref(),
    };
    let made = tokens.add(&operator(), &order).await;
    store.close().await?;
    let made = made.map_err(explained)?;
    output::line(made.text())?;
    let (name, user, roles, until) = (&args.name, &args.user, joined(&args.roles), made.expires_at);
    output::note(format_args!("token {name} acts for {user} with {roles} until {until}; it is not shown again"));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn revoke(args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let (store, tokens) = open(&args.config).await?;
    let revoked = tokens.revoke(&operator(), &args.name, None).await;
    store.close().await?;
    revoked.map_err(explained)?;
    output::line(format_args!("{} is revoked", args.name))?;
    Ok(ExitCode::SUCCESS)
}

// What the operator can correct is a wrong argument.
fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Store(error) => error.into(),
        error => usage(error),
    }
}
