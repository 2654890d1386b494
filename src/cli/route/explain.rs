//! `otpost route explain`: how one kind of notification would reach a recipient, with reasons. Contacts are masked.
//!
//! The running gateway answers. Without one, the answer comes from the configuration file and the stored states.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use serde_json::json;

use crate::app::Parts;
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::remote::{RemoteError, RemoteGateway, ServerArgs};
use crate::cli::{Usage, local_gateway, output, recipient, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::notification::Kind;
use crate::domain::recipient::{IdentifierKind, Locale};
use crate::flow::explain::{
    CandidateExplanation, ExplainRequest, ExplainTarget, ExplainedRecipient, Explainer, RecipientExplanation,
    RouteExplanation,
};
use crate::flow::inspector::{Answer, Question};
use crate::flow::providers::spend;
use crate::route::ProviderProfile;
use crate::route::circuit::Circuit;
use crate::route::ranking::ProviderTable;
use crate::store::providers::{FRESH, ProviderState};

const EXAMPLES: &str = "\
Examples:
  otpost route explain --kind otp --recipient storage_customer 1337
  otpost route explain --kind card_locked --to +48600100200 --at 2026-01-31T23:00:00+01:00";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "target", required = true, multiple = false, args = ["to", "recipient"])]
pub(crate) struct Args {
    /// Kind of notification, such as otp or card_locked
    #[arg(long)]
    kind: Kind,
    /// A contact: a phone number such as +48600100200, an e-mail address, or a push token
    #[arg(long, value_name = "CONTACT")]
    to: Option<String>,
    /// The recipients that have an identifier, as in --recipient storage_customer 1337
    #[arg(long, num_args = 2, value_names = ["KIND", "VALUE"])]
    recipient: Option<Vec<String>>,
    /// Locale of the recipient behind the contact
    #[arg(long, requires = "to", value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// Arrival of the notification, such as 2026-01-31T23:00:00+01:00 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let target = target(args)?;
    let explanation = match args.server.remote()? {
        Some(remote) => ask(&remote, args).await?,
        None => of_this_machine(args, target.clone()).await?,
    };
    if let (true, ExplainTarget::Identifier(identifier)) = (explanation.recipients.is_empty(), &target) {
        return Err(recipient::not_found(identifier.kind));
    }
    if args.json {
        output::json(&explanation)?;
    } else {
        if let Some(text) = &explanation.ambiguity {
            output::line(format_args!("{text}\n"))?;
        }
        explanation.recipients.iter().try_for_each(|explanation| print(args.kind, explanation))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(remote: &RemoteGateway, args: &Args) -> anyhow::Result<RouteExplanation> {
    let recipient = args.recipient.as_ref().map(|words| words.join(":"));
    let at = args.at.map(|at| at.to_string());
    let query = json!({ "kind": args.kind, "to": args.to, "recipient": recipient, "locale": args.locale, "at": at });
    remote.post(&["routes", "explain"], &query).await.map_err(RemoteError::explained)
}

async fn of_this_machine(args: &Args, target: ExplainTarget) -> anyhow::Result<RouteExplanation> {
    let config = args.config.load()?;
    let request = ExplainRequest { kind: args.kind, target, at: args.at.map(Timestamp::from) };
    let (source, recipients) = match local_gateway::ask(&config, &Question::Explain(request.clone())).await? {
        Some(Answer::Explained { recipients }) => ("gateway", recipients),
        _ => ("stored", from_file(&config, &request).await?),
    };
    Ok(RouteExplanation::new(source, args.kind, recipients, config.recipients.otp_ambiguous))
}

fn target(args: &Args) -> Result<ExplainTarget, Usage> {
    if let Some(text) = &args.to {
        let target = ExplainTarget::contact(text, args.locale.clone());
        return target.map_err(|error| Usage(format!("--to: {error}")));
    }
    let Some([kind, value]) = args.recipient.as_deref() else {
        return Err(Usage("expected --to or --recipient".to_owned()));
    };
    let kind: IdentifierKind = kind.parse().map_err(|error| Usage(format!("--recipient: {error}")))?;
    Ok(ExplainTarget::Identifier(recipient::parse_identifier(kind, value)?))
}

async fn from_file(config: &Config, request: &ExplainRequest) -> anyhow::Result<Vec<RecipientExplanation>> {
    let parts = Parts::assemble(config).map_err(usage)?;
    let plan = parts.plans().of(request.kind).ok_or_else(|| Usage(format!("there is no plan for {}", request.kind)))?;
    let (profiles, now) = (parts.profiles(), SystemClock.now());
    let zone = TimeZone::get(&config.templates.time_zone);
    let zone = zone.map_err(|error| Usage(format!("templates.time_zone: {error}")))?;
    let providers = provider_table(config, &profiles, now).await?;
    let recipients = recipients(config, &request.target).await?;
    let explainer = Explainer {
        limits: parts.limits(),
        profiles: &profiles,
        providers: &providers,
        zone: &zone,
        paused: config.delivery.paused,
        now,
    };
    Ok(explainer.explain(plan, &recipients, request.at.unwrap_or(now)))
}

// Without a database no provider is drained, and no gateway has reported any state.
async fn provider_table(
    config: &Config,
    profiles: &[ProviderProfile],
    now: Timestamp,
) -> anyhow::Result<ProviderTable> {
    let mut table = ProviderTable::new(profiles);
    if config.store.is_missing() {
        return Ok(table);
    }
    let store = read_store(config).await?;
    let (drains, states) = (store.providers().drains().await?, store.providers().provider_states().await?);
    let is_capped = profiles.iter().any(|profile| profile.spend_cap.is_some());
    let billed = if is_capped { store.providers().billed(now).await? } else { Vec::new() };
    store.close().await?;
    spend::load_history(&mut table, &billed);
    table.drain(|name| drains.iter().any(|drain| drain.provider.0 == name));
    let fresh = |state: &&ProviderState| now.since(state.observed_at) < FRESH;
    for state in states.iter().filter(fresh).filter(|state| state.circuit != Circuit::Closed.name()) {
        table.assume_open(&state.provider, now);
    }
    Ok(table)
}

async fn recipients(config: &Config, target: &ExplainTarget) -> anyhow::Result<Vec<ExplainedRecipient>> {
    match target {
        ExplainTarget::Contact { channel, contact, locale } => {
            let locale = locale.clone().unwrap_or_else(|| config.templates.default_locale.clone());
            let recipient = ExplainedRecipient::with_contact(*channel, contact, locale);
            Ok(vec![recipient.map_err(|error| Usage(format!("--to: {error}")))?])
        }
        ExplainTarget::Identifier(identifier) => {
            let store = read_store(config).await?;
            let recipients = store.recipients().find(identifier).await?;
            store.close().await?;
            Ok(recipients.into_iter().map(ExplainedRecipient::from).collect())
        }
    }
}

fn print(kind: Kind, explanation: &RecipientExplanation) -> std::io::Result<()> {
    output::line(format_args!("{kind}, locale {}", explanation.locale))?;
    if let Some(text) = explanation.suppression(kind) {
        output::line(text)?;
    }
    let rows: Vec<_> = explanation.candidates.iter().map(row).collect();
    let head = ["STEP", "CHANNEL", "PROVIDER", "CONTACT", "TRIED", "REASON"];
    output::line(output::table(&head, &rows).trim_end())?;
    if let Some(until) = &explanation.quiet_until {
        output::line(format_args!("quiet hours: sent at {until}; an urgent card lock is sent at once"))?;
    }
    output::line(format_args!("decision: {}", explanation.decision))?;
    output::line(format_args!("deadline: {}", explanation.deadline))
}

fn row(line: &CandidateExplanation) -> Vec<String> {
    let tried = line.order.map_or_else(|| "-".to_owned(), |place| format!("{place}."));
    let (channel, provider, contact) = (line.channel.to_string(), line.provider.clone(), line.contact.clone());
    vec![line.step.to_string(), channel, provider, contact, tried, line.reason.clone()]
}
