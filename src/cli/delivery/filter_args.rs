//! What `otpost delivery list` searches for: options, checked and brought to the form in which deliveries are stored.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Zoned;
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::cli::recipient::{identifier_option, normalised_phone};
use crate::cli::{Usage, time};
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::country::Country;
use crate::domain::delivery::{DeliveryState, EndReason, ProviderName};
use crate::domain::notification::Kind;
use crate::domain::recipient::{Locale, RecipientId};
use crate::domain::template_version::TemplateVersion;
use crate::domain::written::time::parse;
use crate::store::Store;
use crate::store::reports::DeliveryFilter;

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
    /// Checks everything, and looks up what an operator names otherwise than the database does.
    pub(super) async fn filter(&self, store: &Store, now: &Zoned) -> anyhow::Result<DeliveryFilter> {
        let (from, to) = self.range(now)?;
        Ok(DeliveryFilter {
            recipient: self.recipient(store).await?,
            contact: self.contact_hash(store)?,
            idempotency_key: self.idempotency_key.clone(),
            reference: self.reference.clone(),
            state: self.state,
            reason: self.reason,
            kind: self.kind,
            channel: self.channel,
            provider: self.provider.clone().map(ProviderName),
            country: self.country,
            locale: self.locale.clone(),
            template_version: self.template_version(store).await?,
            from,
            to,
            before: self.before,
            ..DeliveryFilter::newest(self.limit)
        })
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

    async fn recipient(&self, store: &Store) -> anyhow::Result<Option<RecipientId>> {
        if let Some(hash) = &self.recipient_hash {
            let expected = "--recipient-hash: expected 32 hexadecimal digits, as the log shows them in recipient_hash";
            return Ok(Some(store.recipient_of(hash)?.ok_or_else(|| Usage(expected.to_owned()))?));
        }
        let Some(text) = &self.recipient else { return Ok(self.recipient_id.map(RecipientId)) };
        let identifier = identifier_option(text)?;
        let kind = identifier.kind;
        let found = store.recipients().find(&identifier).await?;
        match &found[..] {
            [] => Err(Usage(format!("--recipient: no recipient has this {kind}")).into()),
            [only] => Ok(Some(only.id)),
            several => {
                let ids: Vec<_> = several.iter().map(|recipient| recipient.id.to_string()).collect();
                let (count, ids) = (several.len(), ids.join("\n  "));
                let text =
                    format!("{count} recipients have this {kind}; name one of them with --recipient-id:\n  {ids}");
                Err(Usage(text).into())
            }
        }
    }

    fn contact_hash(&self, store: &Store) -> anyhow::Result<Option<[u8; 16]>> {
        let Some(text) = self.contact.as_deref().map(str::trim) else { return Ok(None) };
        let contact = if text.contains('@') {
            Contact::parse(Channel::Email, text).map_err(|error| error.to_string())
        } else {
            let number = normalised_phone(text).map_err(|error| error.to_string());
            number.and_then(|number| Contact::parse(Channel::Sms, &number).map_err(|error| error.to_string()))
        };
        let contact = contact.map_err(|error| Usage(format!("--contact: {error}")))?;
        Ok(Some(store.contact_hash(&contact)?))
    }

    async fn template_version(&self, store: &Store) -> anyhow::Result<Option<TemplateVersion>> {
        let Some(prefix) = &self.template_version else { return Ok(None) };
        match &store.template_versions().find(prefix).await?[..] {
            [only] => Ok(Some(only.template_version)),
            [] => {
                let text = format!(
                    "--template-version: no version begins with {prefix}; `otpost template history` lists the versions"
                );
                Err(Usage(text).into())
            }
            _ => {
                Err(Usage(format!("--template-version: several versions begin with {prefix}; give more digits")).into())
            }
        }
    }
}
