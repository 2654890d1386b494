//! `otpost token`: the tokens of the API. A running gateway applies a change with the next request.

mod change;
mod list;

use std::process::ExitCode;
use std::sync::Arc;

use super::config_file::{ConfigFile, open_store, read_store};
use crate::domain::clock::SystemClock;
use crate::flow::api_tokens::ApiTokens;
use crate::store::Store;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List tokens: user, roles, state, last use
    List(list::Args),
    /// Make a token for a user, and print it, the only time
    Add(change::AddTokenArgs),
    /// End a token at once
    Revoke(change::RevokeArgs),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => list::run(&args).await,
        Command::Add(args) => change::add(&args).await,
        Command::Revoke(args) => change::revoke(&args).await,
    }
}

async fn open(file: &ConfigFile) -> anyhow::Result<(Arc<Store>, ApiTokens)> {
    Ok(tokens_in(open_store(&file.load()?).await?))
}

async fn read(file: &ConfigFile) -> anyhow::Result<(Arc<Store>, ApiTokens)> {
    Ok(tokens_in(read_store(&file.load()?).await?))
}

fn tokens_in(store: Store) -> (Arc<Store>, ApiTokens) {
    let store = Arc::new(store);
    (Arc::clone(&store), ApiTokens::new(store, Arc::new(SystemClock)))
}
