//! `otpost route explain`: how one kind of notification would reach a recipient, with reasons. Contacts are masked.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::Parts;
use crate::cli::config_file::{ConfigFile, read_store};
use crate::cli::{Usage, output, recipient, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::contact::{Channel, Contact};
use crate::domain::country_prefix::CountryPrefix;
use crate::domain::notification::Kind;
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{IdentifierKind, Locale, Recipient, RecipientStatus};
use crate::route::circuit::Circuit;
use crate::route::ranking::ProviderTable;
use crate::route::{
    self, Candidate, CandidateResult, Decision, Explanation, Plan, ProviderProfile, Reachability, RoutingState,
    SkipReason,
};
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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let parts = Parts::assemble(&config).map_err(usage)?;
    let plan = parts.plans().of(args.kind).ok_or_else(|| Usage(format!("there is no plan for {}", args.kind)))?;
    let now = args.at.map_or_else(|| SystemClock.now(), Timestamp::from);
    let profiles = parts.profiles();
    let providers = provider_table(&config, &profiles, now).await?;
    let mut results = Vec::new();
    for recipient in recipients(args, &config, &parts).await? {
        let renderer = parts.renderer();
        let zone = recipient.preferences.time_zone.as_ref().map_or(renderer.time_zone(), RecipientTimeZone::rules);
        let reachability =
            Reachability { contacts: &recipient.contacts, preferences: &recipient.preferences, only: &[] };
        let allows = |contact: &Contact| parts.limits().allows_country(contact);
        let may_exceed = parts.limits().may_exceed_cap(args.kind.priority());
        let state = RoutingState { providers: &providers, allows: &allows, may_exceed, zone };
        let explanation = route::explain(plan, &reachability, &profiles, &state, now);
        let (recipient, profiles, providers) = (&recipient, &profiles, &providers);
        let output = ExplainOutput { plan, recipient, profiles, providers, explanation, now };
        if args.json {
            results.push(output.as_json());
        } else {
            output.print(args.kind)?;
        }
    }
    if args.json {
        output::json(&json!({ "kind": args.kind, "recipients": results }))?;
    }
    Ok(ExitCode::SUCCESS)
}

// Without a database no provider is drained, and no gateway has reported any state.
async fn provider_table(
    config: &Config,
    profiles: &[ProviderProfile],
    now: Timestamp,
) -> anyhow::Result<ProviderTable> {
    let mut table = ProviderTable::new(profiles);
    if !config.store.sqlite_path().is_ok_and(|path| path.exists()) {
        return Ok(table);
    }
    let store = read_store(config).await?;
    let (drains, states) = (store.providers().drains().await?, store.providers().provider_states().await?);
    let is_capped = profiles.iter().any(|profile| profile.spend_cap.is_some());
    let billed = if is_capped { store.providers().billed(now).await? } else { Vec::new() };
    store.close().await?;
    for it in &billed {
        table.load_history(&it.provider, it.at, it.messages);
    }
    table.drain(|name| drains.iter().any(|drain| drain.provider.0 == name));
    let fresh = |state: &&ProviderState| SystemClock.now().since(state.observed_at) < FRESH;
    for state in states.iter().filter(fresh).filter(|state| state.circuit != Circuit::Closed.name()) {
        table.assume_open(&state.provider, now);
    }
    Ok(table)
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

async fn recipients(args: &Args, config: &Config, parts: &Parts) -> anyhow::Result<Vec<ExplainedRecipient>> {
    if let Some(text) = &args.to {
        let locale = args.locale.clone().unwrap_or_else(|| parts.renderer().default_locale().clone());
        let (status, preferences) = (RecipientStatus::Active, Preferences::default());
        return Ok(vec![ExplainedRecipient { locale, status, preferences, contacts: vec![contact(text)?] }]);
    }
    let Some([kind, value]) = args.recipient.as_deref() else { return Ok(Vec::new()) };
    let kind: IdentifierKind = kind.parse().map_err(|error| Usage(format!("--recipient: {error}")))?;
    let identifier = recipient::parse_identifier(kind, value)?;
    let store = read_store(config).await?;
    let recipients = store.recipients().find(&identifier).await?;
    store.close().await?;
    if recipients.is_empty() {
        return Err(recipient::not_found(kind));
    }
    Ok(recipients.into_iter().map(ExplainedRecipient::from).collect())
}

fn contact(text: &str) -> Result<Contact, Usage> {
    let channel = match text {
        _ if text.starts_with('+') => Channel::Sms,
        _ if text.contains('@') => Channel::Email,
        _ => Channel::Push,
    };
    Contact::parse(channel, text).map_err(|error| Usage(format!("--to: {error}")))
}

/// The explanation for one recipient, and what its reasons refer to.
struct ExplainOutput<'a> {
    plan: &'a Plan,
    recipient: &'a ExplainedRecipient,
    profiles: &'a [ProviderProfile],
    providers: &'a ProviderTable,
    explanation: Explanation,
    now: Timestamp,
}

/// One candidate as it is shown.
struct CandidateLine {
    step: usize,
    channel: Channel,
    provider: String,
    contact: String,
    is_used: bool,
    reason: String,
}

impl ExplainOutput<'_> {
    fn print(&self, kind: Kind) -> std::io::Result<()> {
        let Self { recipient, explanation, .. } = self;
        output::line(format_args!("{kind}, locale {}", recipient.locale))?;
        if recipient.status != RecipientStatus::Active {
            output::line(format_args!("nothing is sent: the status of the recipient is {}", recipient.status.name()))?;
        }
        let cells = |CandidateLine { step, channel, provider, contact, reason, .. }: CandidateLine| {
            vec![step.to_string(), channel.to_string(), provider, contact, reason]
        };
        let rows: Vec<_> = self.lines().map(cells).collect();
        output::line(output::table(&["STEP", "CHANNEL", "PROVIDER", "CONTACT", "REASON"], &rows).trim_end())?;
        if let Some(until) = explanation.quiet_until {
            output::line(format_args!("quiet hours: sent at {until}; an urgent card lock is sent at once"))?;
        }
        output::line(format_args!("decision: {}", decision(&explanation.first)))?;
        output::line(format_args!("deadline: {}", explanation.expires_at))
    }

    fn as_json(&self) -> Value {
        let Self { recipient, explanation, .. } = self;
        let candidate = |line: CandidateLine| {
            json!({ "step": line.step, "channel": line.channel, "provider": line.provider, "contact": line.contact,
                "used": line.is_used, "reason": line.reason })
        };
        json!({
            "locale": recipient.locale,
            "status": recipient.status,
            "candidates": self.lines().map(candidate).collect::<Vec<_>>(),
            "quiet_until": explanation.quiet_until.map(|until| until.to_string()),
            "decision": decision(&explanation.first),
            "deadline": explanation.expires_at.to_string(),
        })
    }

    fn lines(&self) -> impl Iterator<Item = CandidateLine> {
        self.explanation.results.iter().map(|result| self.line(result))
    }

    fn line(&self, result: &CandidateResult) -> CandidateLine {
        match result {
            CandidateResult::Candidate(candidate) => CandidateLine {
                step: candidate.step + 1,
                channel: candidate.address.channel(),
                provider: candidate.provider.to_string(),
                contact: candidate.address.masked(),
                is_used: true,
                reason: self.why_used(candidate),
            },
            CandidateResult::Skipped { step, channel, reason } => {
                let (provider, contact) = match reason {
                    SkipReason::AtCap(provider, contact)
                    | SkipReason::Country(provider, contact)
                    | SkipReason::NotAllowed(provider, contact)
                    | SkipReason::Drained(provider, contact) => {
                        (provider.to_string(), self.masked_contact(*channel, *contact))
                    }
                    SkipReason::NotAgreed | SkipReason::NoAddress | SkipReason::NoProvider => Default::default(),
                };
                let reason = format!("skipped: {}", why_skipped(reason));
                CandidateLine { step: step + 1, channel: *channel, provider, contact, is_used: false, reason }
            }
        }
    }

    fn masked_contact(&self, channel: Channel, position: u32) -> String {
        let mut contacts = self.recipient.contacts.iter().filter(|contact| contact.channel() == channel);
        usize::try_from(position).ok().and_then(|at| contacts.nth(at)).map(Contact::masked).unwrap_or_default()
    }

    fn why_used(&self, candidate: &Candidate) -> String {
        let profile = self.profiles.iter().find(|profile| profile.provider == candidate.provider);
        let mut reasons = Vec::new();
        if candidate.address.channel() == Channel::Sms {
            let countries = profile
                .map(|profile| profile.countries.iter().map(CountryPrefix::as_str).collect::<Vec<_>>().join(" "))
                .filter(|countries| !countries.is_empty());
            reasons.push(format!("serves {}", countries.as_deref().unwrap_or("all countries")));
        }
        let weight = profile.and_then(|profile| profile.weight);
        reasons.push(weight.map_or_else(|| "configured order".to_owned(), |weight| format!("weight {weight}")));
        if let Some(wait) = self.plan.hedge_after.filter(|_| candidate.address.channel() == Channel::Push) {
            reasons.push(format!("next step {}s later unless confirmed", wait.as_secs()));
        }
        match self.providers.demotion(&candidate.provider, self.now) {
            (true, _) => reasons.push("spend cap reached: tried last".to_owned()),
            (false, true) => reasons.push("circuit open: tried last".to_owned()),
            (false, false) => {}
        }
        reasons.join("; ")
    }
}

const fn why_skipped(reason: &SkipReason) -> &'static str {
    match reason {
        SkipReason::NotAgreed => "the recipient has not agreed to this channel",
        SkipReason::NoAddress => "no contact on this channel",
        SkipReason::NoProvider => "no provider for this channel",
        SkipReason::Country(..) => "does not serve this country",
        SkipReason::NotAllowed(..) => "limits.sms_countries does not allow this country",
        SkipReason::AtCap(..) => "spend cap reached",
        SkipReason::Drained(..) => "drained",
    }
}

fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Send(candidate) => format!("send with {} to {}", candidate.provider, candidate.address),
        Decision::RetryAt(until) => format!("wait until {until}"),
        Decision::Done => "nothing left to do".to_owned(),
        Decision::GiveUp(reason) => format!("give up ({})", reason.name()),
    }
}
