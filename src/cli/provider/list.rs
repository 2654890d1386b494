//! `otpost provider list`: one line per provider, as the running gateway sees it now. Without one, it shows the configuration
//! file, what operators decided, and what a gateway stored during the last seconds.

use std::process::ExitCode;

use crate::channel::Settings;
use crate::cli::config_file::{ConfigFile, read_store, with_live_routing};
use crate::cli::remote::{RemoteError, ServerArgs};
use crate::cli::{local_gateway, output};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::price::Price;
use crate::domain::provider_profile::ProviderProfile;
use crate::flow::inspector::{Answer, Question};
use crate::flow::providers::report::{ProviderList, ProviderReport};
use crate::flow::routing_publishing::RoutingSource;
use crate::route::spend_window::SpendWindow;
use crate::store::providers::{Billed, FRESH};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists providers in the order of the configuration.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (list, config) = if let Some(remote) = args.server.remote()? {
        (remote.get(&["providers"], &()).await.map_err(RemoteError::explained)?, None)
    } else {
        let config = args.config.load()?;
        (of_this_machine(&config).await?, Some(config))
    };
    if args.json {
        output::json(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&list.providers)?;
    if list.paused {
        output::note("delivery is paused: nothing is sent");
    }
    let compares = |config: &Config| list.source == "gateway" && config.routing.source == RoutingSource::Files;
    if let Some(config) = config.filter(compares) {
        note_differences(&config, &list.providers);
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_this_machine(config: &Config) -> anyhow::Result<ProviderList> {
    let answer = local_gateway::ask(config, &Question::Providers).await?;
    let (source, providers, paused) = match answer {
        Some(Answer::Providers { providers, paused }) => ("gateway", providers, paused),
        _ => ("stored", stored(config).await?, config.delivery.paused),
    };
    Ok(ProviderList { source: source.to_owned(), paused, providers })
}

async fn stored(config: &Config) -> anyhow::Result<Vec<ProviderReport>> {
    let store = read_store(config).await?;
    let config = &with_live_routing(config.clone(), &store).await?;
    let (drains, states) = (store.providers().drains().await?, store.providers().provider_states().await?);
    let now = SystemClock.now();
    let is_priced = config.provider.iter().any(|it| !it.profile().price.is_zero());
    let billed = if is_priced { store.providers().billed(now).await? } else { Vec::new() };
    store.close().await?;
    let report = |profile: &ProviderProfile| {
        let drain = drains.iter().find(|it| it.provider == profile.provider);
        let mut report = ProviderReport::configured(profile).with_drain(drain);
        let is_fresh = |at: Timestamp| now.since(at) < FRESH;
        if let Some(state) = states.iter().find(|it| it.provider == profile.provider && is_fresh(it.observed_at)) {
            report = report.with_state(state);
        }
        if let Some(spent) = spent(profile, &billed, now) {
            report = report.with_spent(spent);
        }
        report
    };
    Ok(config.provider.iter().map(Settings::profile).map(report).collect())
}

// In the last hour; `None` if messages have no price.
fn spent(profile: &ProviderProfile, billed: &[Billed], now: Timestamp) -> Option<Price> {
    let mut window = SpendWindow::new(profile.price, profile.spend_cap);
    let own = billed.iter().filter(|it| it.provider == profile.provider);
    own.for_each(|it| window.add(it.at, it.units));
    (!profile.price.is_zero()).then(|| window.spent(now))
}

fn print(providers: &[ProviderReport]) -> std::io::Result<()> {
    if providers.is_empty() {
        return output::line("no providers");
    }
    let head =
        ["NAME", "CHANNEL", "COUNTRIES", "WEIGHT", "CIRCUIT", "FAILED (LAST 20)", "LATENCY", "SPENT (1 H)", "STATUS"];
    let rows: Vec<_> = providers.iter().map(row).collect();
    output::line(output::table(&head, &rows).trim_end())?;
    if providers.iter().all(|provider| provider.circuit.is_none()) {
        output::note("no running gateway reported in the last 15 s; circuit, failures and latency are unknown");
    }
    Ok(())
}

// The file may have changed since the gateway started.
fn note_differences(config: &Config, running: &[ProviderReport]) {
    let named = |name: &str| running.iter().any(|provider| provider.name == name);
    for name in config.provider.iter().map(Settings::name).filter(|name| !named(name)) {
        output::note(format_args!(
            "{name} is in the configuration, and the running gateway does not know it: its log says why the file was not reloaded"
        ));
    }
    for provider in running.iter().filter(|it| !config.provider.iter().any(|configured| configured.name() == it.name)) {
        let name = &provider.name;
        output::note(format_args!(
            "{name} was removed from the configuration, and the running gateway uses it: its log says why the file was not reloaded"
        ));
    }
}

fn row(provider: &ProviderReport) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let spent = provider.spent_last_hour.as_ref().map(|spent| match &provider.spend_cap_per_hour {
        Some(cap) => format!("{spent} of {cap}"),
        None => spent.clone(),
    });
    let failed = provider.recent_failures.zip(provider.recent_attempts);
    vec![
        provider.name.clone(),
        provider.channel.to_string(),
        if provider.countries.is_empty() { "all".to_owned() } else { provider.countries.join(" ") },
        or_dash(provider.weight.map(|weight| weight.to_string())),
        or_dash(provider.circuit.clone()),
        or_dash(failed.map(|(failed, attempts)| format!("{failed}/{attempts}"))),
        or_dash(provider.latency_ms.map(|millis| format!("{millis} ms"))),
        or_dash(spent),
        status(provider),
    ]
}

fn status(provider: &ProviderReport) -> String {
    let Some(since) = &provider.drained_since else {
        return provider.demoted.as_ref().map_or("enabled".to_owned(), |why| format!("enabled, tried later: {why}"));
    };
    let by = provider.drained_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let reason = provider.drain_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("drained since {since}{by}{reason}")
}
