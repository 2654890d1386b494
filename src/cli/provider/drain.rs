//! `otpost provider drain` and `otpost provider enable`: take a provider out of rotation and put it back.

use std::process::ExitCode;

use serde_json::json;

use super::unknown;
use crate::channel::Settings;
use crate::cli::config_file::{ConfigFile, open_store, with_live_routing};
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::delivery::ProviderName;
use crate::flow::providers::drain_effect;
use crate::flow::providers::report::ProviderChange;
use crate::store::operator;
use crate::store::providers::ProviderDecision;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost provider drain sms-primary --reason \"maintenance until 18:00\"")]
pub(crate) struct DrainArgs {
    /// Name of the provider in the configuration
    name: String,
    /// Shown by `otpost provider list` and stored in the audit log for good; it must not contain personal data
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnableArgs {
    /// Name of the provider in the configuration
    name: String,
    /// Stored in the audit log for good; it must not contain personal data
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    if let Some(remote) = args.server.remote()? {
        print(&order(&remote, "drain", &args.name, args.reason.as_deref()).await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.config.load()?;
    let store = open_store(&config).await?;
    let config = with_live_routing(config, &store).await?;
    let Some(provider) = config.provider.iter().find(|it| it.name() == args.name) else {
        return Err(unknown(&args.name, &config));
    };
    let new = store.providers().drain(&decision(&args.name, args.reason.as_deref())).await?;
    let drains = store.providers().drains().await?;
    store.close().await?;
    let others = drain_effect::others(provider.profile(), config.provider.iter().map(Settings::profile), &drains);
    let last_of = others.is_empty().then(|| provider.profile().channel.name().to_owned());
    print(&ProviderChange { provider: args.name.clone(), drained: true, changed: new, last_of })?;
    Ok(ExitCode::SUCCESS)
}

/// Enables a provider, even one that was removed from the configuration while it was drained.
pub(super) async fn enable(args: &EnableArgs) -> anyhow::Result<ExitCode> {
    if let Some(remote) = args.server.remote()? {
        print(&order(&remote, "enable", &args.name, args.reason.as_deref()).await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.config.load()?;
    let store = open_store(&config).await?;
    let config = with_live_routing(config, &store).await?;
    let was_drained = store.providers().enable(&decision(&args.name, args.reason.as_deref())).await?;
    store.close().await?;
    if !was_drained && !config.provider.iter().any(|it| it.name() == args.name) {
        return Err(unknown(&args.name, &config));
    }
    print(&ProviderChange { provider: args.name.clone(), drained: false, changed: was_drained, last_of: None })?;
    Ok(ExitCode::SUCCESS)
}

async fn order(remote: &RemoteGateway, what: &str, name: &str, reason: Option<&str>) -> anyhow::Result<ProviderChange> {
    let reason = reason.ok_or_else(|| Usage("--reason: say why; with --server it is required".to_owned()))?;
    let changed = remote.post(&["providers", what], &json!({ "name": name, "reason": reason })).await;
    changed.map_err(|error| match error {
        RemoteError::NotFound { .. } => {
            Usage(format!("the gateway has no provider {name}; otpost provider list --server names them")).into()
        }
        error => error.explained(),
    })
}

fn print(change: &ProviderChange) -> std::io::Result<()> {
    let ProviderChange { provider, drained, changed, last_of } = change;
    let state = if *drained { "drained" } else { "enabled" };
    output::line(format_args!("{provider} is {}{state}", if *changed { "" } else { "already " }))?;
    if let Some(channel) = last_of {
        output::note(format_args!(
            "no {channel} provider is enabled: messages that have no other channel wait until they expire"
        ));
    }
    Ok(())
}

fn decision(name: &str, reason: Option<&str>) -> ProviderDecision {
    ProviderDecision::new(ProviderName(name.to_owned()), reason, operator(), SystemClock.now())
}
