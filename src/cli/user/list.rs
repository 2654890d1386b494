//! `otpost user list`: who may use the console.

use std::process::ExitCode;

use serde_json::json;

use super::{joined, read};
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::domain::clock::Timestamp;
use crate::store::users::UserRow;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (store, users) = read(&args.config.load()?).await?;
    let all = users.all().await?;
    store.close().await?;
    if args.json {
        for user in &all {
            output::json(&json!({
                "name": user.name,
                "roles": user.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
                "state": user.state(),
                "passkeys": user.passkeys.len(),
                "single_sign_on": user.external.is_some(),
                "one_time_code": user.totp.is_some(),
                "created_at": user.created_at.to_string(),
                "signed_in_at": user.signed_in_at.map(|at| at.to_string()),
            }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        output::note("no users; otpost user add NAME --role admin adds the first");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |user: &UserRow| {
        let signed_in = user.signed_in_at.map_or_else(|| "never".to_owned(), |at: Timestamp| at.to_string());
        vec![user.name.clone(), joined(&user.roles), user.state().to_owned(), by(user).to_owned(), signed_in]
    };
    let table = output::table(
        &["NAME", "ROLES", "STATE", "SIGNS IN BY", "SIGNED IN"],
        &all.iter().map(row).collect::<Vec<_>>(),
    );
    output::line(table.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn by(user: &UserRow) -> &'static str {
    if user.external.is_some() { "single sign-on" } else { "password" }
}
