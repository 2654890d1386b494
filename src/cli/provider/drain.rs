//! `otpost provider drain` and `otpost provider enable`: take a provider out of rotation and put it back.

use std::process::ExitCode;

use crate::channel::Settings;
use crate::cli::config_file::{ConfigFile, open_store, with_live_routing};
use crate::cli::{Usage, output};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::delivery::ProviderName;
use crate::flow::providers::drain_effect;
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
}

pub(super) async fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = open_store(&config).await?;
    let config = with_live_routing(config, &store).await?;
    let Some(provider) = config.provider.iter().find(|it| it.name() == args.name) else {
        return Err(unknown(&args.name, &config));
    };
    let new = store.providers().drain(&decision(&args.name, args.reason.as_deref())).await?;
    let drains = store.providers().drains().await?;
    store.close().await?;
    output::line(format_args!("{} is {}drained", args.name, if new { "" } else { "already " }))?;
    if drain_effect::others(provider.profile(), config.provider.iter().map(Settings::profile), &drains).is_empty() {
        output::note(format_args!(
            "no {} provider is enabled: messages that have no other channel wait until they expire",
            provider.profile().channel
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Enables a provider, even one that was removed from the configuration while it was drained.
pub(super) async fn enable(args: &EnableArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = open_store(&config).await?;
    let config = with_live_routing(config, &store).await?;
    let was_drained = store.providers().enable(&decision(&args.name, args.reason.as_deref())).await?;
    store.close().await?;
    if !was_drained && !config.provider.iter().any(|it| it.name() == args.name) {
        return Err(unknown(&args.name, &config));
    }
    output::line(format_args!("{} is {}enabled", args.name, if was_drained { "" } else { "already " }))?;
    Ok(ExitCode::SUCCESS)
}

fn decision(name: &str, reason: Option<&str>) -> ProviderDecision {
    ProviderDecision::new(ProviderName(name.to_owned()), reason, operator(), SystemClock.now())
}

fn unknown(name: &str, config: &Config) -> anyhow::Error {
    let known: Vec<_> = config.provider.iter().map(Settings::name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Usage(format!("no provider {name} in the configuration; configured: {known}")).into()
}
