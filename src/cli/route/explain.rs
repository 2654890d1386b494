//! `otpost route explain`: the plan for one kind of news and one person, with reasons. Addresses are shown masked.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::Parts;
use crate::cli::{ConfigFile, Usage, beside, people, show, usage};
use crate::config::Config;
use crate::domain::address::{Address, Channel};
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::notification::Kind;
use crate::domain::person::{Locale, Person, Standing};
use crate::domain::wishes::{Wishes, Zone};
use crate::route::health::Circuit;
use crate::route::rank::Board;
use crate::route::{self, Duty, Explanation, Finding, Move, Offer, Reach, Skip, Way};
use crate::store::providers::{FRESH, ProviderState};

#[derive(Debug, clap::Args)]
#[group(id = "whom", required = true, multiple = false, args = ["to", "person"])]
pub(in crate::cli) struct Args {
    /// The kind of news, such as otp or card_locked
    #[arg(long)]
    kind: Kind,
    /// An address: +48600100200, name@example.org, or the token of an app
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Whoever this number names in the directory, as in --person storage_customer 1337
    #[arg(long, num_args = 2, value_names = ["NUMBER-KIND", "VALUE"])]
    person: Option<Vec<String>>,
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
    let offers = parts.offers();
    let board = board(&config, &offers, now).await?;
    let mut answers = Vec::new();
    for reader in readers(args, &config, &parts).await? {
        let texts = parts.renderer();
        let zone = reader.wishes.time_zone.as_ref().map_or(texts.time_zone(), Zone::rules);
        let reach = Reach { contacts: &reader.contacts, wishes: &reader.wishes, only: &[] };
        let allows = |address: &Address| parts.guard().allows(address);
        let may_exceed = parts.guard().lets_exceed(args.kind.priority());
        let duty = Duty { board: &board, allows: &allows, may_exceed, zone };
        let told = route::explain(plan, &reach, &offers, &duty, now);
        let sight = Sight { reader: &reader, offers: &offers, board: &board, now };
        if args.json {
            answers.push(as_json(&sight, &told));
        } else {
            write(args.kind, &sight, &told)?;
        }
    }
    if args.json {
        show::json(&json!({ "kind": args.kind, "people": answers }))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a line is explained by.
struct Sight<'a> {
    reader: &'a Reader,
    offers: &'a [Offer],
    board: &'a Board,
    now: Timestamp,
}

// Without a database nobody has decided anything, and no gateway has seen anybody.
async fn board(config: &Config, offers: &[Offer], now: Timestamp) -> anyhow::Result<Board> {
    let mut board = Board::new(offers);
    if !config.store.sqlite_path().is_ok_and(|path| path.exists()) {
        return Ok(board);
    }
    let store = beside::open_configured(config).await?;
    let (drains, states) = (store.drains().await?, store.provider_states().await?);
    let is_capped = offers.iter().any(|offer| offer.spend_cap.is_some());
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

struct Reader {
    locale: Locale,
    standing: Standing,
    wishes: Wishes,
    contacts: Vec<Address>,
}

impl From<Person> for Reader {
    fn from(person: Person) -> Self {
        let Person { id: _, locale, standing, wishes, contacts } = person;
        Self { locale, standing, wishes, contacts }
    }
}

async fn readers(args: &Args, config: &Config, parts: &Parts) -> anyhow::Result<Vec<Reader>> {
    if let Some(text) = &args.to {
        let locale = args.locale.clone().unwrap_or_else(|| parts.renderer().default_locale().clone());
        let contacts = vec![address(text)?];
        return Ok(vec![Reader { locale, standing: Standing::Active, wishes: Wishes::default(), contacts }]);
    }
    let Some([kind, value]) = args.person.as_deref() else { return Ok(Vec::new()) };
    let identifier = people::number(kind, value)?;
    let store = beside::open_configured(config).await?;
    let named = store.directory().named(&identifier).await?;
    store.close().await?;
    if named.is_empty() {
        anyhow::bail!("this {} names nobody in the directory", identifier.kind);
    }
    Ok(named.into_iter().map(Reader::from).collect())
}

fn address(text: &str) -> Result<Address, Usage> {
    let channel = match text {
        _ if text.starts_with('+') => Channel::Sms,
        _ if text.contains('@') => Channel::Email,
        _ => Channel::Push,
    };
    Address::parse(channel, text).map_err(|error| Usage(format!("--to: {error}")))
}

fn write(kind: Kind, sight: &Sight<'_>, told: &Explanation) -> std::io::Result<()> {
    let reader = sight.reader;
    show::line(format_args!("{kind}, read in {}", reader.locale))?;
    if reader.standing != Standing::Active {
        show::line(format_args!("  nothing is told: the person's standing is {}", reader.standing.name()))?;
    }
    let rows: Vec<_> = told.findings.iter().map(|finding| row(finding, sight)).collect();
    show::line(show::table(&["STEP", "CHANNEL", "PROVIDER", "TO", "WHY"], &rows).trim_end())?;
    if let Some(until) = told.quiet_until {
        show::line(format_args!("quiet hours: told at {until}, unless it is an urgent lock, which is told at once"))?;
    }
    show::line(format_args!("first: {}", first(&told.first)))?;
    show::line(format_args!("deadline: {}", told.expires_at))
}

fn row(finding: &Finding, sight: &Sight<'_>) -> Vec<String> {
    let (step, channel) = place(finding);
    let (provider, to) = match finding {
        Finding::Way(way) => (way.provider.to_string(), way.address.masked()),
        Finding::Skipped {
            reason:
                Skip::AtCap(provider, contact)
                | Skip::Country(provider, contact)
                | Skip::NotAllowed(provider, contact)
                | Skip::Drained(provider, contact),
            ..
        } => (provider.to_string(), contact_of(sight.reader, channel, *contact)),
        Finding::Skipped { .. } => (String::new(), String::new()),
    };
    vec![(step + 1).to_string(), channel.to_string(), provider, to, why(finding, sight)]
}

fn place(finding: &Finding) -> (usize, Channel) {
    match finding {
        Finding::Way(way) => (way.step, way.address.channel()),
        Finding::Skipped { step, channel, .. } => (*step, *channel),
    }
}

fn contact_of(reader: &Reader, channel: Channel, contact: u32) -> String {
    let mut addresses = reader.contacts.iter().filter(|address| address.channel() == channel);
    usize::try_from(contact).ok().and_then(|at| addresses.nth(at)).map(Address::masked).unwrap_or_default()
}

fn why(finding: &Finding, sight: &Sight<'_>) -> String {
    match finding {
        Finding::Way(way) => {
            let offer = sight.offers.iter().find(|offer| offer.provider == way.provider);
            let rule = offer.filter(|offer| !offer.countries.is_empty()).map(|offer| offer.countries.join(" "));
            let rule = rule.map_or_else(|| "all countries".to_owned(), |rule| format!("serves {rule}"));
            let weight = offer.and_then(|offer| offer.weight);
            let weight = weight.map_or_else(|| "in its place".to_owned(), |weight| format!("weight {weight}"));
            let hedge = way.hedge_after.map(|wait| format!(", the next step {}s later", wait.as_secs()));
            let rest = hedge.unwrap_or_default() + remark(way, sight);
            match way.address.channel() {
                Channel::Sms => format!("{rule}, {weight}{rest}"),
                Channel::Push | Channel::Email => format!("{weight}{rest}"),
            }
        }
        Finding::Skipped { reason, .. } => format!("skipped: {}", skipped(reason)),
    }
}

fn remark(way: &Way, sight: &Sight<'_>) -> &'static str {
    match sight.board.rank(&way.provider, sight.now) {
        (true, _) => "; at its spend_cap_per_hour: asked last",
        (false, true) => "; its circuit is open: asked last",
        (false, false) => "",
    }
}

const fn skipped(reason: &Skip) -> &'static str {
    match reason {
        Skip::NotAgreed => "the person did not agree to this channel",
        Skip::NoAddress => "no such address",
        Skip::NoProvider => "no provider serves this channel",
        Skip::Country(..) => "does not serve this country",
        Skip::NotAllowed(..) => "guard.sms_countries does not allow this country",
        Skip::AtCap(..) => "at its spend_cap_per_hour",
        Skip::Drained(..) => "drained by operators",
    }
}

fn first(first: &Move) -> String {
    match first {
        Move::Send(way) => format!("{} to {}", way.provider, way.address),
        Move::Wait(until) => format!("wait until {until}"),
        Move::Rest => "nothing more".to_owned(),
        Move::Stop(reason) => format!("nobody can be told ({})", reason.name()),
    }
}

fn as_json(sight: &Sight<'_>, told: &Explanation) -> Value {
    let reader = sight.reader;
    let ways: Vec<_> = told
        .findings
        .iter()
        .map(|finding| {
            let (step, channel) = place(finding);
            let [.., provider, to, _] = &row(finding, sight)[..] else { return Value::Null };
            let used = matches!(finding, Finding::Way(_));
            json!({ "step": step + 1, "channel": channel, "provider": provider, "to": to, "used": used,
                "why": why(finding, sight) })
        })
        .collect();
    json!({ "locale": reader.locale, "standing": reader.standing, "ways": ways, "quiet_until": rfc(told.quiet_until),
        "first": first(&told.first), "deadline": rfc(Some(told.expires_at)) })
}

fn rfc(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
