//! `otpost user`: the users of the console. A running gateway applies a change with the user's next page.

mod change;
mod list;

use std::process::ExitCode;
use std::sync::Arc;

use super::config_file::{open_store, read_store};
use crate::config::Config;
use crate::domain::access::Role;
use crate::domain::clock::SystemClock;
use crate::flow::users::Users;
use crate::store::Store;

pub(super) use change::role;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List users: roles, state, last sign-in
    List(list::Args),
    /// Add a user, and print a set-up code by which the user chooses password and authenticator app
    Add(change::AddArgs),
    /// Give a user other roles; the user's sessions end
    Roles(change::RolesArgs),
    /// Keep a user from signing in; the user's sessions end
    Disable(change::NameArgs),
    /// Let a disabled user sign in again
    Enable(change::NameArgs),
    /// Print a new set-up code for a user who lost phone or password; both end now, and so do the user's sessions
    Reset(change::NameArgs),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Add(args) => change::add(&args).await,
        Command::Roles(args) => change::set_roles(&args).await,
        Command::Disable(args) => change::set_disabled(&args, true).await,
        Command::Enable(args) => change::set_disabled(&args, false).await,
        Command::Reset(args) => change::reset(&args).await,
    }
}

async fn open(config: &Config) -> anyhow::Result<(Arc<Store>, Users)> {
    Ok(users_in(Arc::new(open_store(config).await?), config))
}

async fn read(config: &Config) -> anyhow::Result<(Arc<Store>, Users)> {
    Ok(users_in(Arc::new(read_store(config).await?), config))
}

fn users_in(store: Arc<Store>, config: &Config) -> (Arc<Store>, Users) {
    let users =
        Users::new(Arc::clone(&store), Arc::new(SystemClock), config.console.lifetime(), config.console.second_factor);
    (store, users)
}

pub(super) fn joined(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}
