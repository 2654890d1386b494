//! `otpost provider list`: one line per provider. Circuit, failures and latency are what a running gateway reported to
//! the database during the last seconds.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::channel::Settings;
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::output;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::country_prefix::CountryPrefix;
use crate::domain::price::Price;
use crate::domain::provider_profile::ProviderProfile;
use crate::route::spend_window::SpendWindow;
use crate::store::providers::{Billed, Drain, FRESH, ProviderState};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct ProviderRow<'a> {
    profile: &'a ProviderProfile,
    state: Option<&'a ProviderState>,
    drain: Option<&'a Drain>,
    /// In the last hour; none if messages have no price.
    spent: Option<Price>,
}

fn spent(profile: &ProviderProfile, billed: &[Billed], now: Timestamp) -> Option<Price> {
    let mut window = SpendWindow::new(profile.price, profile.spend_cap);
    let own = billed.iter().filter(|it| it.provider == profile.provider);
    own.for_each(|it| window.add(it.at, it.messages));
    (!profile.price.is_zero()).then(|| window.spent(now))
}

/// Lists providers in the order of the configuration.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let store = read_store(&config).await?;
    let (drains, states) = (store.providers().drains().await?, store.providers().provider_states().await?);
    let now = SystemClock.now();
    let is_priced = config.provider.iter().any(|it| !it.profile().price.is_zero());
    let billed = if is_priced { store.providers().billed(now).await? } else { Vec::new() };
    store.close().await?;
    let provider = |profile| ProviderRow {
        profile,
        state: states.iter().find(|it| it.provider == profile.provider && now.since(it.observed_at) < FRESH),
        spent: spent(profile, &billed, now),
        drain: drains.iter().find(|it| it.provider == profile.provider),
    };
    let providers: Vec<_> = config.provider.iter().map(Settings::profile).map(provider).collect();
    if args.json {
        output::json(&json!({ "providers": providers.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else if providers.is_empty() {
        output::line("no providers")?;
    } else {
        let head = [
            "NAME",
            "CHANNEL",
            "COUNTRIES",
            "WEIGHT",
            "CIRCUIT",
            "FAILED (LAST 20)",
            "LATENCY",
            "SPENT (1 H)",
            "STATUS",
        ];
        let rows: Vec<_> = providers.iter().map(row).collect();
        output::line(output::table(&head, &rows).trim_end())?;
        if providers.iter().all(|provider| provider.state.is_none()) {
            output::note("no running gateway reported in the last 15 s; circuit, failures and latency are unknown");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(provider: &ProviderRow<'_>) -> Vec<String> {
    let ProviderRow { profile, state, drain, spent } = provider;
    let spent = spent.map(|spent| match profile.spend_cap {
        Some(cap) => format!("{spent} of {cap}"),
        None => spent.to_string(),
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let countries: Vec<_> = profile.countries.iter().map(CountryPrefix::as_str).collect();
    let status = match drain {
        None => "enabled".to_owned(),
        Some(Drain { since, reason: None, .. }) => format!("drained since {since}"),
        Some(Drain { since, reason: Some(reason), .. }) => format!("drained since {since}: {reason}"),
    };
    vec![
        profile.provider.to_string(),
        profile.channel.to_string(),
        if countries.is_empty() { "all".to_owned() } else { countries.join(" ") },
        or_dash(profile.weight.map(|weight| weight.to_string())),
        or_dash(state.map(|state| state.circuit.clone())),
        or_dash(state.map(|state| format!("{}/{}", state.failures, state.attempts))),
        or_dash(state.and_then(|state| state.latency).map(|span| format!("{} ms", span.as_millis()))),
        or_dash(spent),
        status,
    ]
}

fn as_json(provider: &ProviderRow<'_>) -> Value {
    let ProviderRow { profile, state, drain, spent } = provider;
    json!({
        "name": profile.provider,
        "channel": profile.channel,
        "countries": profile.countries.iter().map(CountryPrefix::as_str).collect::<Vec<_>>(),
        "weight": profile.weight,
        "circuit": state.map(|it| it.circuit.as_str()),
        "recent_attempts": state.map(|it| it.attempts),
        "recent_failures": state.map(|it| it.failures),
        "latency_ms": state.and_then(|it| it.latency).map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        "observed_at": state.map(|it| it.observed_at.to_string()),
        "price": profile.price.to_string(),
        "spent_last_hour": spent.map(|spent| spent.to_string()),
        "spend_cap_per_hour": profile.spend_cap.map(|cap| cap.to_string()),
        "drained": drain.is_some(),
        "drained_since": drain.map(|it| it.since.to_string()),
        "drain_reason": drain.and_then(|it| it.reason.as_deref()),
    })
}
