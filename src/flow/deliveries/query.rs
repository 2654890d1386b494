//! Which deliveries an operator asks for, as texts: checked, and brought to the form in which deliveries are stored.

use jiff::Zoned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::{DeliveryState, EndReason, ProviderName};
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientId};
use crate::domain::template_version::TemplateVersion;
use crate::domain::written::{identifier, phone, time};
use crate::store::reports::DeliveryFilter;
use crate::store::{self, Store};

/// More than anything that can be found is long, in bytes.
const TEXT_MAX: usize = 256;

/// Lines of a list, when no other number is asked for.
pub const LINES: u32 = 20;

/// Lines of a list, at most.
pub const LINES_MAX: u32 = 1_000;

/// Which deliveries to list. All that is asked of attempts must be true of one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Kind and value of an identifier, such as `storage_customer:1337`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The id of a recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<String>,
    /// The `recipient_hash` by which the log names a recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_hash: Option<String>,
    /// A phone number or an e-mail address of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The key that the processor posted the notification with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The provider's reference of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The kind of notification, such as `otp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The state of the delivery, such as `sent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it ended without being accepted by any provider, such as `no_contact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `sms`, `push` or `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The name of a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The country of a phone number by its ISO 3166 code, such as `PL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// A language tag, such as `pl` or `pl-PL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The first digits of a template version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<String>,
    /// Received since this time: RFC 3339, a date, or such as `2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Received before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only deliveries older than the one with this id: the `next` of the list before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Deliveries at most, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A field that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct InvalidField {
    pub name: &'static str,
    pub problem: String,
}

impl InvalidField {
    pub fn new(name: &'static str, problem: impl Into<String>) -> Self {
        Self { name, problem: problem.into() }
    }
}

/// Why a query is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl DeliveryQuery {
    /// The names of the fields that are personal data, and so do not belong in an address, which proxies keep.
    pub fn personal_fields(&self) -> impl Iterator<Item = &'static str> {
        let all = [("recipient", self.recipient.is_some()), ("contact", self.contact.is_some())];
        all.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name)
    }

    /// Checks everything, and looks up what operators name otherwise than the database does. Times without an offset are in the
    /// time zone of `now`.
    pub async fn filter(&self, store: &Store, now: &Zoned) -> Result<DeliveryFilter, QueryError> {
        self.check_lengths()?;
        let at = |name, text: Option<&String>| parsed(name, text, |text| time::parse(text, now));
        let (from, to): (Option<Timestamp>, Option<Timestamp>) =
            (at("from", self.from.as_ref())?, at("to", self.to.as_ref())?);
        if let Some((from, to)) = from.zip(to).filter(|(from, to)| to <= from) {
            let problem = format!("the range ends before it begins: from {from} to {to}");
            return Err(InvalidField::new("to", problem).into());
        }
        Ok(DeliveryFilter {
            recipient: self.recipient(store).await?,
            contact: self.contact_hash(store)?,
            idempotency_key: given(self.idempotency_key.as_ref()).map(str::to_owned),
            reference: given(self.reference.as_ref()).map(str::to_owned),
            state: parsed("state", self.state.as_ref(), |name| DeliveryState::from_name(name).ok_or("no such state"))?,
            reason: parsed("reason", self.reason.as_ref(), |name| EndReason::from_name(name).ok_or("no such reason"))?,
            kind: parsed("kind", self.kind.as_ref(), str::parse)?,
            channel: parsed("channel", self.channel.as_ref(), str::parse)?,
            provider: given(self.provider.as_ref()).map(|name| ProviderName(name.to_owned())),
            country: parsed("country", self.country.as_ref(), |code| code.to_ascii_uppercase().parse())?,
            locale: parsed("locale", self.locale.as_ref(), Locale::parse)?,
            template_version: self.template(store).await?,
            from,
            to,
            before: parsed("before", self.before.as_ref(), |text| Uuid::try_parse(text).map_err(|_| "expected an id"))?,
            ..DeliveryFilter::newest(self.limit.unwrap_or(LINES))
        })
    }

    fn check_lengths(&self) -> Result<(), InvalidField> {
        let texts = [
            ("recipient", &self.recipient),
            ("recipient_hash", &self.recipient_hash),
            ("contact", &self.contact),
            ("idempotency_key", &self.idempotency_key),
            ("reference", &self.reference),
            ("provider", &self.provider),
            ("template_version", &self.template_version),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let is_long = |text: Option<&String>| text.is_some_and(|text| text.len() > TEXT_MAX);
        match texts.into_iter().find(|(_, text)| is_long(text.as_ref())) {
            Some((name, _)) => Err(InvalidField::new(name, format!("expected at most {TEXT_MAX} bytes"))),
            None => Ok(()),
        }
    }

    async fn recipient(&self, store: &Store) -> Result<Option<RecipientId>, QueryError> {
        if let Some(hash) = given(self.recipient_hash.as_ref()) {
            let problem = "expected 32 hexadecimal digits, as the log shows them in recipient_hash";
            let found = store.recipient_of(hash)?;
            return found.map(Some).ok_or_else(|| InvalidField::new("recipient_hash", problem).into());
        }
        let Some(text) = given(self.recipient.as_ref()) else {
            let id = |text: &str| Uuid::try_parse(text).map(RecipientId).map_err(|_| "expected the id of a recipient");
            return Ok(parsed("recipient_id", self.recipient_id.as_ref(), id)?);
        };
        let invalid = |problem: String| InvalidField::new("recipient", problem);
        let identifier = required_identifier(text).map_err(invalid)?;
        let kind = identifier.kind;
        match &store.recipients().find(&identifier).await?[..] {
            [] => Err(invalid(format!("no recipient has this {kind}")).into()),
            [only] => Ok(Some(only.id)),
            several => {
                let ids: Vec<_> = several.iter().map(|recipient| recipient.id.to_string()).collect();
                let (count, ids) = (several.len(), ids.join("\n  "));
                let problem =
                    format!("{count} recipients have this {kind}; name one of them with recipient_id:\n  {ids}");
                Err(invalid(problem).into())
            }
        }
    }

    fn contact_hash(&self, store: &Store) -> Result<Option<[u8; 16]>, QueryError> {
        let Some(text) = given(self.contact.as_ref()) else { return Ok(None) };
        let contact = if text.contains('@') {
            Contact::parse(Channel::Email, text).map_err(|error| error.to_string())
        } else {
            let number = phone::normalised(text, None).map_err(|error| error.to_string());
            number.and_then(|number| Contact::parse(Channel::Sms, &number).map_err(|error| error.to_string()))
        };
        let contact = contact.map_err(|problem| InvalidField::new("contact", problem))?;
        Ok(Some(store.contact_hash(&contact)?))
    }

    async fn template(&self, store: &Store) -> Result<Option<TemplateVersion>, QueryError> {
        let Some(prefix) = given(self.template_version.as_ref()) else { return Ok(None) };
        let invalid = |problem: String| InvalidField::new("template_version", problem);
        match &store.template_versions().find(prefix).await?[..] {
            [only] => Ok(Some(only.template_version)),
            [] => Err(invalid(format!("no version begins with {prefix}; `otpost template history` lists them")).into()),
            _ => Err(invalid(format!("several versions begin with {prefix}; give more digits")).into()),
        }
    }
}

/// The text without spaces around it; nothing for an empty one.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn parsed<T, E: ToString>(
    name: &'static str,
    text: Option<&String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, InvalidField> {
    given(text).map(|text| parse(text).map_err(|problem| InvalidField::new(name, problem.to_string()))).transpose()
}

/// The identifier that a text such as `storage_customer:1337` names; nothing if it does not begin with the kind of one.
pub fn identifier_of(text: &str) -> Option<Result<Identifier, String>> {
    let (kind, value) = text.split_once(':')?;
    let kind: IdentifierKind = kind.trim().parse().ok()?;
    Some(identifier::parse(kind, value).map_err(|problem| format!("{}: {problem}", kind.name())))
}

/// The identifier that a text such as `storage_customer:1337` names, or what is wrong with it.
pub fn required_identifier(text: &str) -> Result<Identifier, String> {
    if let Some(identifier) = identifier_of(text) {
        return identifier;
    }
    match text.split_once(':') {
        Some((kind, _)) => {
            Err(kind.trim().parse::<IdentifierKind>().err().map(|it| it.to_string()).unwrap_or_default())
        }
        None => {
            Err("expected the kind of an identifier, a colon and its value, such as storage_customer:1337".to_owned())
        }
    }
}
