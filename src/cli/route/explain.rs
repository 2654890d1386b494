//! `otpost route explain`: the plan for one kind of news and one person, with reasons. Addresses are shown masked.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::Parts;
use crate::cli::{ConfigFile, Usage, open_store, output, recipient, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::Kind;
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{Locale, Recipient, RecipientStatus};
use crate::route::circuit::Circuit;
use crate::route::ranking::ProviderTable;
use crate::route::{
    self, Candidate, CandidateResult, Decision, Explanation, ProviderProfile, Reachability, RoutingState, SkipReason,
};
use crate::store::providers::{FRESH, ProviderState};

#[derive(Debug, clap::Args)]
#[group(id = "whom", required = true, multiple = false, args = ["to", "recipient"])]
pub(crate) struct Args {
    /// The kind of news, such as otp or card_locked
    #[arg(long)]
    kind: Kind,
    /// An address: +48600100200, name@example.org, or the token of an app
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Whoever this number names in the directory, as in --person storage_customer 1337
    #[arg(long, num_args = 2, value_names = ["NUMBER-KIND", "VALUE"])]
    recipient: Option<Vec<String>>,
    /// The language of whoever reads at the address
    #[arg(long, requires = "to", value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// When the news arrive, such as 2026-01-31T23:00:00+01:00; now when left out
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Explains, for each person that is named.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config).map_err(usage)?;
    let parts = Parts::assemble(&config).map_err(usage)?;
    let plan = parts.plans().of(args.kind).ok_or_else(|| Usage(format!("there is no plan for {}", args.kind)))?;
    let now = args.at.map_or_else(|| SystemClock.now(), Timestamp::from);
    let profiles = parts.profiles();
    let board = board(&config, &profiles, now).await?;
    let mut answers = Vec::new();
    for reader in readers(args, &config, &parts).await? {
        let texts = parts.renderer();
        let zone = reader.preferences.time_zone.as_ref().map_or(texts.time_zone(), RecipientTimeZone::rules);
        let reach = Reachability { contacts: &reader.contacts, preferences: &reader.preferences, only: &[] };
        let allows = |address: &Contact| parts.guard().allows(address);
        let may_exceed = parts.guard().lets_exceed(args.kind.priority());
        let duty = RoutingState { board: &board, allows: &allows, may_exceed, zone };
        let told = route::explain(plan, &reach, &profiles, &duty, now);
        let sight = ExplainOutput { reader: &reader, profiles: &profiles, board: &board, now };
        if args.json {
            answers.push(as_json(&sight, &told));
        } else {
            write(args.kind, &sight, &told)?;
        }
    }
    if args.json {
        output::json(&json!({ "kind": args.kind, "recipients": answers }))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a line is explained by.
struct ExplainOutput<'a> {
    reader: &'a ExplainedRecipient,
    profiles: &'a [ProviderProfile],
    board: &'a ProviderTable,
    now: Timestamp,
}

// Without a database nobody has decided anything, and no gateway has seen anybody.
async fn board(config: &Config, profiles: &[ProviderProfile], now: Timestamp) -> anyhow::Result<ProviderTable> {
    let mut board = ProviderTable::new(profiles);
    if !config.store.sqlite_path().is_ok_and(|path| path.exists()) {
        return Ok(board);
    }
    let store = open_store::open_configured(config).await?;
    let (drains, states) = (store.drains().await?, store.provider_states().await?);
    let is_capped = profiles.iter().any(|profile| profile.spend_cap.is_some());
    let billed = if is_capped { store.billed(now).await? } else { Vec::new() };
    store.close().await?;
    for it in &billed {
        board.recall(&it.provider, it.at, it.messages);
    }
    board.drain(|name| drains.iter().any(|drain| drain.provider.0 == name));
    let fresh = |state: &&ProviderState| SystemClock.now().since(state.seen_at) < FRESH;
    for state in states.iter().filter(fresh).filter(|state| state.circuit != Circuit::Closed.name()) {
        board.suppose_open(&state.provider, now);
    }
    Ok(board)
}

struct ExplainedRecipient {
    locale: Locale,
    status: RecipientStatus,
    preferences: Preferences,
    contacts: Vec<Contact>,
}

impl From<Recipient> for ExplainedRecipient {
    fn from(recipient: Recipient) -> Self {
        let Recipient { id: _, locale, status, preferences, contacts } = recipient;
        Self { locale, status, preferences, contacts }
    }
}

async fn readers(args: &Args, config: &Config, parts: &Parts) -> anyhow::Result<Vec<ExplainedRecipient>> {
    if let Some(text) = &args.to {
        let locale = args.locale.clone().unwrap_or_else(|| parts.renderer().default_locale().clone());
        let contacts = vec![address(text)?];
        return Ok(vec![ExplainedRecipient {
            locale,
            status: RecipientStatus::Active,
            preferences: Preferences::default(),
            contacts,
        }]);
    }
    let Some([kind, value]) = args.recipient.as_deref() else { return Ok(Vec::new()) };
    let identifier = recipient::number(kind, value)?;
    let store = open_store::open_configured(config).await?;
    let named = store.directory().named(&identifier).await?;
    store.close().await?;
    if named.is_empty() {
        anyhow::bail!("this {} names nobody in the directory", identifier.kind);
    }
    Ok(named.into_iter().map(ExplainedRecipient::from).collect())
}

fn address(text: &str) -> Result<Contact, Usage> {
    let channel = match text {
        _ if text.starts_with('+') => Channel::Sms,
        _ if text.contains('@') => Channel::Email,
        _ => Channel::Push,
    };
    Contact::parse(channel, text).map_err(|error| Usage(format!("--to: {error}")))
}

fn write(kind: Kind, sight: &ExplainOutput<'_>, told: &Explanation) -> std::io::Result<()> {
    let reader = sight.reader;
    output::line(format_args!("{kind}, read in {}", reader.locale))?;
    if reader.status != RecipientStatus::Active {
        output::line(format_args!("  nothing is told: the person's standing is {}", reader.status.name()))?;
    }
    let rows: Vec<_> = told.findings.iter().map(|finding| row(finding, sight)).collect();
    output::line(output::table(&["STEP", "CHANNEL", "PROVIDER", "TO", "WHY"], &rows).trim_end())?;
    if let Some(until) = told.quiet_until {
        output::line(format_args!("quiet hours: told at {until}, unless it is an urgent lock, which is told at once"))?;
    }
    output::line(format_args!("first: {}", first(&told.first)))?;
    output::line(format_args!("deadline: {}", told.expires_at))
}

fn row(finding: &CandidateResult, sight: &ExplainOutput<'_>) -> Vec<String> {
    let (step, channel) = place(finding);
    let (provider, to) = match finding {
        CandidateResult::Candidate(candidate) => (candidate.provider.to_string(), candidate.address.masked()),
        CandidateResult::Skipped {
            reason:
                SkipReason::AtCap(provider, contact)
                | SkipReason::Country(provider, contact)
                | SkipReason::NotAllowed(provider, contact)
                | SkipReason::Drained(provider, contact),
            ..
        } => (provider.to_string(), contact_of(sight.reader, channel, *contact)),
        CandidateResult::Skipped { .. } => (String::new(), String::new()),
    };
    vec![(step + 1).to_string(), channel.to_string(), provider, to, why(finding, sight)]
}

fn place(finding: &CandidateResult) -> (usize, Channel) {
    match finding {
        CandidateResult::Candidate(candidate) => (candidate.step, candidate.address.channel()),
        CandidateResult::Skipped { step, channel, .. } => (*step, *channel),
    }
}

fn contact_of(reader: &ExplainedRecipient, channel: Channel, contact: u32) -> String {
    let mut addresses = reader.contacts.iter().filter(|address| address.channel() == channel);
    usize::try_from(contact).ok().and_then(|at| addresses.nth(at)).map(Contact::masked).unwrap_or_default()
}

fn why(finding: &CandidateResult, sight: &ExplainOutput<'_>) -> String {
    match finding {
        CandidateResult::Candidate(candidate) => {
            let profile = sight.profiles.iter().find(|profile| profile.provider == candidate.provider);
            let rule =
                profile.filter(|profile| !profile.countries.is_empty()).map(|profile| profile.countries.join(" "));
            let rule = rule.map_or_else(|| "all countries".to_owned(), |rule| format!("serves {rule}"));
            let weight = profile.and_then(|profile| profile.weight);
            let weight = weight.map_or_else(|| "in its place".to_owned(), |weight| format!("weight {weight}"));
            let hedge = candidate.hedge_after.map(|wait| format!(", the next step {}s later", wait.as_secs()));
            let rest = hedge.unwrap_or_default() + remark(candidate, sight);
            match candidate.address.channel() {
                Channel::Sms => format!("{rule}, {weight}{rest}"),
                Channel::Push | Channel::Email => format!("{weight}{rest}"),
            }
        }
        CandidateResult::Skipped { reason, .. } => format!("skipped: {}", skipped(reason)),
    }
}

fn remark(candidate: &Candidate, sight: &ExplainOutput<'_>) -> &'static str {
    match sight.board.rank(&candidate.provider, sight.now) {
        (true, _) => "; at its spend_cap_per_hour: asked last",
        (false, true) => "; its circuit is open: asked last",
        (false, false) => "",
    }
}

const fn skipped(reason: &SkipReason) -> &'static str {
    match reason {
        SkipReason::NotAgreed => "the person did not agree to this channel",
        SkipReason::NoAddress => "no such address",
        SkipReason::NoProvider => "no provider serves this channel",
        SkipReason::Country(..) => "does not serve this country",
        SkipReason::NotAllowed(..) => "limits.sms_countries does not allow this country",
        SkipReason::AtCap(..) => "at its spend_cap_per_hour",
        SkipReason::Drained(..) => "drained by operators",
    }
}

fn first(first: &Decision) -> String {
    match first {
        Decision::Send(candidate) => format!("{} to {}", candidate.provider, candidate.address),
        Decision::RetryAt(until) => format!("wait until {until}"),
        Decision::Done => "nothing more".to_owned(),
        Decision::GiveUp(reason) => format!("nobody can be told ({})", reason.name()),
    }
}

fn as_json(sight: &ExplainOutput<'_>, told: &Explanation) -> Value {
    let reader = sight.reader;
    let candidates: Vec<_> = told
        .findings
        .iter()
        .map(|finding| {
            let (step, channel) = place(finding);
            let [.., provider, to, _] = &row(finding, sight)[..] else { return Value::Null };
            let used = matches!(finding, CandidateResult::Candidate(_));
            json!({ "step": step + 1, "channel": channel, "provider": provider, "to": to, "used": used,
                "why": why(finding, sight) })
        })
        .collect();
    json!({ "locale": reader.locale, "standing": reader.status, "candidates": candidates, "quiet_until": rfc(told.quiet_until),
        "first": first(&told.first), "deadline": rfc(Some(told.expires_at)) })
}

fn rfc(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
