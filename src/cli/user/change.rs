//! `otpost user add`, `roles`, `disable`, `enable` and `reset`.

use std::process::ExitCode;
use std::str::FromStr;

use strum::IntoEnumIterator;

use super::{joined, open};
use crate::cli::config_file::ConfigFile;
use crate::cli::{output, usage};
use crate::config::Config;
use crate::domain::access::Role;
use crate::flow::users::{Error, SetupCode};
use crate::store::operator;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost user add anna --role viewer,author")]
pub(in crate::cli) struct AddArgs {
    /// Name that the user signs in with: lowercase letters, digits, '.', '_' and '-'
    name: String,
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost user roles anna --role viewer,approver")]
pub(in crate::cli) struct RolesArgs {
    /// Name of the user
    name: String,
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct NameArgs {
    /// Name of the user
    name: String,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
struct RoleArgs {
    /// What the user may do: viewer, support, author, approver, operator, security or admin
    #[arg(long = "role", value_name = "ROLES", value_delimiter = ',', required = true, value_parser = role)]
    roles: Vec<Role>,
}

pub(in crate::cli) fn role(text: &str) -> Result<Role, String> {
    Role::from_str(text).map_err(|_| {
        let known: Vec<_> = Role::iter().map(Role::name).collect();
        format!("expected one of {}", known.join(", "))
    })
}

pub(super) async fn add(args: &AddArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let (store, users) = open(&config).await?;
    let code = users.add(&operator(), &args.name, &args.roles.roles).await;
    store.close().await?;
    let code = code.map_err(explained)?;
    output::line(format_args!("{} is added with {}", args.name, joined(&args.roles.roles)))?;
    hand_over(&code, &config)
}

pub(super) async fn set_roles(args: &RolesArgs) -> anyhow::Result<ExitCode> {
    let (store, users) = open(&args.config.load()?).await?;
    let changed = users.set_roles(&operator(), &args.name, &args.roles.roles).await;
    store.close().await?;
    changed.map_err(explained)?;
    output::line(format_args!("{} has {}", args.name, joined(&args.roles.roles)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn set_disabled(args: &NameArgs, disabled: bool) -> anyhow::Result<ExitCode> {
    let (store, users) = open(&args.config.load()?).await?;
    let changed = users.set_disabled(&operator(), &args.name, disabled).await;
    store.close().await?;
    let already = if changed.map_err(explained)? { "" } else { "already " };
    output::line(format_args!("{} is {already}{}", args.name, if disabled { "disabled" } else { "enabled" }))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn reset(args: &NameArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let (store, users) = open(&config).await?;
    let code = users.reset(&operator(), &args.name).await;
    store.close().await?;
    let code = code.map_err(explained)?;
    output::line(format_args!("{} can sign in no more until set up again", args.name))?;
    hand_over(&code, &config)
}

fn hand_over(code: &SetupCode, config: &Config) -> anyhow::Result<ExitCode> {
    let (text, until) = (code.text(), code.expires_at);
    output::line(format_args!("set-up code: {text}"))?;
    let address = config.console.address();
    if address.is_open() {
        let scheme = if address.has_tls() { "https" } else { "http" };
        output::line(format_args!("set-up page: {scheme}://{}/welcome?code={text}", address.listen))?;
    } else {
        output::note("the console is closed; [console] listen opens it");
    }
    output::note(format_args!("hand the code to the user only: it counts once, until {until}"));
    Ok(ExitCode::SUCCESS)
}

// What the operator can correct is a wrong argument.
fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Store(error) => error.into(),
        error => usage(error),
    }
}
