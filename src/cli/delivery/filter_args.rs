//! What `otpost delivery list` searches for, as options.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Zoned;
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::cli::{Usage, time};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::country::Country;
use crate::domain::delivery::{DeliveryState, EndReason};
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::written::time::parse;
use crate::flow::deliveries::query::DeliveryQuery;

#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Only deliveries to the recipient with this identifier, such as storage_customer:1337
    #[arg(long, value_name = "KIND:VALUE", conflicts_with_all = ["recipient_id", "recipient_hash"])]
    recipient: Option<String>,
    /// Only deliveries to the recipient with this id, as `otpost delivery show` prints it
    #[arg(long, value_name = "UUID", conflicts_with = "recipient_hash")]
    recipient_id: Option<Uuid>,
    /// Only deliveries to the recipient that an alarm in the log names by this recipient_hash
    #[arg(long, value_name = "HASH")]
    recipient_hash: Option<String>,
    /// Only deliveries with an attempt at this phone number or e-mail address
    #[arg(long, value_name = "PHONE|EMAIL")]
    contact: Option<String>,
    /// Only deliveries of the notification that the processor posted with this key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Only the delivery that a provider knows by this reference
    #[arg(long, value_name = "REFERENCE")]
    reference: Option<String>,
    /// Only deliveries of this kind of notification
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
    /// Only deliveries in this state
    #[arg(long, value_parser = states())]
    state: Option<DeliveryState>,
    /// Only deliveries that ended for this reason without being accepted by any provider
    #[arg(long, value_parser = reasons())]
    reason: Option<EndReason>,
    /// Only deliveries with an attempt on this channel
    #[arg(long, value_parser = channels())]
    channel: Option<Channel>,
    /// Only deliveries with an attempt through this provider
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// Only deliveries with an SMS to a phone number of this country, by its ISO 3166 code such as PL
    #[arg(long, value_name = "CODE")]
    country: Option<Country>,
    /// Only deliveries with a message in this language, such as pl or pl-PL
    #[arg(long, value_name = "TAG", value_parser = Locale::parse)]
    locale: Option<Locale>,
    /// Only deliveries with a message of this template version; its first digits suffice
    #[arg(long, value_name = "HEX")]
    template_version: Option<String>,
    /// Only deliveries since this time, such as 2h, yesterday or 2026-11-27T14:00
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only deliveries before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only deliveries older than this one, to go on where a list ended
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// Number of deliveries at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

fn states() -> impl TypedValueParser<Value = DeliveryState> {
    let known = PossibleValuesParser::new(DeliveryState::iter().map(DeliveryState::name));
    known.try_map(|name| DeliveryState::from_name(&name).ok_or("unknown state"))
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| name.parse::<Kind>())
}

fn reasons() -> impl TypedValueParser<Value = EndReason> {
    let known = PossibleValuesParser::new(EndReason::iter().map(EndReason::name));
    known.try_map(|name| EndReason::iter().find(|reason| reason.name() == name).ok_or("unknown reason"))
}

fn channels() -> impl TypedValueParser<Value = Channel> {
    PossibleValuesParser::new(Channel::ALL.map(Channel::name)).try_map(|name| name.parse::<Channel>())
}

impl FilterArgs {
    /// What is asked for, as the gateway and the store know it. Times without an offset are those of this machine.
    pub(super) fn query(&self, now: &Zoned) -> Result<DeliveryQuery, Usage> {
        let (from, to) = self.range(now)?;
        let text = |text: &Option<String>| text.as_deref().map(str::trim).map(str::to_owned);
        Ok(DeliveryQuery {
            recipient: text(&self.recipient),
            recipient_id: self.recipient_id.map(|id| id.to_string()),
            recipient_hash: text(&self.recipient_hash),
            contact: text(&self.contact),
            idempotency_key: text(&self.idempotency_key),
            reference: text(&self.reference),
            kind: self.kind.map(|kind| kind.name().to_owned()),
            state: self.state.map(|state| state.name().to_owned()),
            reason: self.reason.map(|reason| reason.name().to_owned()),
            channel: self.channel.map(|channel| channel.name().to_owned()),
            provider: text(&self.provider),
            country: self.country.map(|country| country.to_string()),
            locale: self.locale.as_ref().map(ToString::to_string),
            template_version: text(&self.template_version),
            from: from.map(|at| at.to_jiff().to_string()),
            to: to.map(|at| at.to_jiff().to_string()),
            before: self.before.map(|id| id.to_string()),
            limit: Some(self.limit),
        })
    }

    /// The option that a field of the query came from, with what is wrong with it.
    pub(super) fn explain(name: &str, problem: &str) -> Usage {
        let problem = problem.replace("recipient_id", "--recipient-id");
        Usage(format!("--{}: {problem}", name.replace('_', "-")))
    }

    fn range(&self, now: &Zoned) -> Result<(Option<Timestamp>, Option<Timestamp>), Usage> {
        match (self.from.as_deref(), self.to.as_deref()) {
            (None, to) => Ok((None, to.map(|to| parse(to, now)).transpose().map_err(Usage)?)),
            (Some(from), Some(to)) => {
                time::range(from, to, now).map(|(from, to)| (Some(from), Some(to))).map_err(Usage)
            }
            (Some(from), None) => Ok((Some(parse(from, now).map_err(Usage)?), None)),
        }
    }
}
