//! `otpost provider drain` and `otpost provider enable`: take a provider out of rotation and put it back.

use std::process::ExitCode;

use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::{Usage, output};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::delivery::ProviderName;
use crate::store::providers::Drain;

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
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let peers: Vec<_> = config.provider.iter().filter(|it| it.name() != args.name).collect();
    let Some(provider) = config.provider.iter().find(|it| it.name() == args.name) else {
        return Err(unknown(&args.name, &config));
    };
    let store = open_store(&config).await?;
    let new = store
        .providers()
        .drain(&Drain::new(ProviderName(args.name.clone()), args.reason.as_deref(), SystemClock.now()))
        .await?;
    let drains = store.providers().drains().await?;
    store.close().await?;
    output::line(format_args!("{} is {}drained", args.name, if new { "" } else { "already " }))?;
    let is_drained = |name: &str| drains.iter().any(|drain| drain.provider.0 == name);
    if !peers.iter().any(|it| it.profile().channel == provider.profile().channel && !is_drained(it.name())) {
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
    let was_drained = store.providers().enable(&ProviderName(args.name.clone()), SystemClock.now()).await?;
    store.close().await?;
    if !was_drained && !config.provider.iter().any(|it| it.name() == args.name) {
        return Err(unknown(&args.name, &config));
    }
    output::line(format_args!("{} is {}enabled", args.name, if was_drained { "" } else { "already " }))?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str, config: &Config) -> anyhow::Error {
    let known: Vec<_> = config.provider.iter().map(crate::channel::Settings::name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Usage(format!("no provider {name} in the configuration; configured: {known}")).into()
}
