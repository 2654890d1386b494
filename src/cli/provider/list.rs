//! `otpost provider list`: one line a provider. What was decided is from the table, how they do from what a running
//! gateway writes there every few seconds.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::channel::Settings;
use crate::cli::{ConfigFile, open_store, output, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::price::Price;
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
    settings: &'a Settings,
    state: Option<&'a ProviderState>,
    drain: Option<&'a Drain>,
    // In the last hour; none where messages have no price.
    spent: Option<Price>,
}

fn spent(settings: &Settings, billed: &[Billed], now: Timestamp) -> Option<Price> {
    let mut ledger = SpendWindow::new(settings.price(), settings.spend_cap());
    let own = billed.iter().filter(|it| it.provider.0 == settings.name());
    own.for_each(|it| ledger.recall(it.at, it.messages));
    (!settings.price().is_zero()).then(|| ledger.spent(now))
}

/// Lists them, in the order of the configuration.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config).map_err(usage)?;
    let store = open_store::open_configured(&config).await?;
    let (drains, states) = (store.drains().await?, store.provider_states().await?);
    let now = SystemClock.now();
    let is_priced = config.provider.iter().any(|it| !it.price().is_zero());
    let billed = if is_priced { store.billed(now).await? } else { Vec::new() };
    store.close().await?;
    let line = |settings| ProviderRow {
        settings,
        state: states.iter().find(|it| it.provider.0 == Settings::name(settings) && now.since(it.seen_at) < FRESH),
        spent: spent(settings, &billed, now),
        drain: drains.iter().find(|it| it.provider.0 == Settings::name(settings)),
    };
    let lines: Vec<_> = config.provider.iter().map(line).collect();
    if args.json {
        output::json(&json!({ "providers": lines.iter().map(as_json).collect::<Vec<_>>() }))?;
    } else if lines.is_empty() {
        output::line("no providers")?;
    } else {
        let head = ["NAME", "CHANNEL", "COUNTRIES", "WEIGHT", "CIRCUIT", "FAILED", "TAKES", "SPENT/H", "DUTY"];
        let rows: Vec<_> = lines.iter().map(row).collect();
        output::line(output::table(&head, &rows).trim_end())?;
        if lines.iter().all(|line| line.state.is_none()) {
            output::note("no gateway has written how they do in the last 15 s");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(line: &ProviderRow<'_>) -> Vec<String> {
    let ProviderRow { settings, state, drain, spent } = line;
    let spent = spent.map(|spent| match settings.spend_cap() {
        Some(cap) => format!("{spent} of {cap}"),
        None => spent.to_string(),
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let countries = settings.countries();
    let duty = match drain {
        None => "on".to_owned(),
        Some(Drain { since, reason: None, .. }) => format!("drained since {since}"),
        Some(Drain { since, reason: Some(reason), .. }) => format!("drained since {since}: {reason}"),
    };
    vec![
        settings.name().to_owned(),
        settings.channel().to_string(),
        if countries.is_empty() { "all".to_owned() } else { countries.join(" ") },
        or_dash(settings.weight().map(|weight| weight.to_string())),
        or_dash(state.map(|state| state.circuit.clone())),
        or_dash(state.map(|state| format!("{}/{}", state.failed, state.seen))),
        or_dash(state.and_then(|state| state.slowness).map(|span| format!("{} ms", span.as_millis()))),
        or_dash(spent),
        duty,
    ]
}

fn as_json(line: &ProviderRow<'_>) -> Value {
    let ProviderRow { settings, state, drain, spent } = line;
    json!({
        "name": settings.name(),
        "channel": settings.channel().name(),
        "countries": settings.countries(),
        "weight": settings.weight(),
        "circuit": state.map(|it| it.circuit.as_str()),
        "recent_answers": state.map(|it| it.seen),
        "recent_failures": state.map(|it| it.failed),
        "takes_ms": state.and_then(|it| it.slowness).map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        "seen_at": state.map(|it| it.seen_at.to_string()),
        "price": settings.price().to_string(),
        "spent_last_hour": spent.map(|spent| spent.to_string()),
        "spend_cap_per_hour": settings.spend_cap().map(|cap| cap.to_string()),
        "drained": drain.is_some(),
        "drained_since": drain.map(|it| it.since.to_string()),
        "drain_reason": drain.and_then(|it| it.reason.as_deref()),
    })
}
