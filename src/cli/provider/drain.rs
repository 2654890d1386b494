//! `otpost provider drain` and `enable`: take a provider off duty and put it on duty again.

use std::process::ExitCode;

use crate::cli::{ConfigFile, Usage, open_store, output, usage};
use crate::config::Config;
use crate::domain::delivery::ProviderName;

#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    /// Its name in the configuration
    name: String,
    /// Why, for the list and the audit log, which keeps it for good: name nobody in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnableArgs {
    /// Its name in the configuration
    name: String,
    #[command(flatten)]
    config: ConfigFile,
}

/// Takes it off duty.
pub(super) async fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config).map_err(usage)?;
    let peers: Vec<_> = config.provider.iter().filter(|it| it.name() != args.name).collect();
    let Some(provider) = config.provider.iter().find(|it| it.name() == args.name) else {
        return Err(unknown(&args.name, &config));
    };
    let store = open_store::open_configured(&config).await?;
    let new = store.drain(&ProviderName(args.name.clone()), args.reason.as_deref()).await?;
    let drains = store.drains().await?;
    store.close().await?;
    output::line(if new { format!("{} is drained", args.name) } else { format!("{} was drained already", args.name) })?;
    let is_drained = |name: &str| drains.iter().any(|drain| drain.provider.0 == name);
    if !peers.iter().any(|it| it.channel() == provider.channel() && !is_drained(it.name())) {
        output::note(format_args!(
            "nobody is left on duty for {}: what can go nowhere else waits until its time is over",
            provider.channel()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts it on duty again; also one that the configuration does not name any more.
pub(super) async fn enable(args: &EnableArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config).map_err(usage)?;
    let store = open_store::open_configured(&config).await?;
    let was_drained = store.enable(&ProviderName(args.name.clone())).await?;
    store.close().await?;
    if !was_drained && !config.provider.iter().any(|it| it.name() == args.name) {
        return Err(unknown(&args.name, &config));
    }
    output::line(if was_drained { format!("{} is on duty", args.name) } else { format!("{} was on duty", args.name) })?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str, config: &Config) -> anyhow::Error {
    let known: Vec<_> = config.provider.iter().map(crate::channel::Settings::name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Usage(format!("no provider {name} in the configuration; there are: {known}")).into()
}
