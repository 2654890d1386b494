//! `otpost token list`: which tokens there are, and when each was used last.

use std::process::ExitCode;

use serde_json::json;

use super::read;
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::cli::user::joined;
use crate::domain::clock::Timestamp;
use crate::store::api_tokens::TokenRow;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Only the tokens of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (store, tokens) = read(&args.config).await?;
    let (all, now) = (tokens.tokens(args.user.as_deref()).await?, tokens.now());
    store.close().await?;
    if args.json {
        for token in &all {
            output::json(&json!({
                "name": token.name,
                "user": token.user,
                "roles": token.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
                "state": token.state(now),
                "created_at": token.created_at.to_string(),
                "expires_at": token.expires_at.to_string(),
                "used_at": token.used_at.map(|at| at.to_string()),
                "cert_pin": token.cert_pin,
            }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        output::note("no tokens; otpost token add NAME --user USER --role viewer --days 90 makes one");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |token: &TokenRow| {
        let used = token.used_at.map_or_else(|| "never".to_owned(), |at: Timestamp| at.to_string());
        let state = token.state(now).to_owned();
        vec![token.name.clone(), token.user.clone(), joined(&token.roles), state, token.expires_at.to_string(), used]
    };
    let head = ["NAME", "USER", "ROLES", "STATE", "EXPIRES", "LAST USED"];
    output::line(output::table(&head, &all.iter().map(row).collect::<Vec<_>>()).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
