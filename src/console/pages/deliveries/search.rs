//! What a search form asks for, checked and brought to the form in which deliveries are stored.
//!
//! The search box takes whatever an operator has in hand. What cannot be told apart, such as an idempotency key and a
//! provider's reference, is looked for as one and then as the other.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::console::Console;
use crate::console::pages::PageError;
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::{DeliveryState, EndReason, ProviderName};
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientId};
use crate::domain::template_version::TemplateVersion;
use crate::domain::written::{identifier, phone, time};
use crate::store::reports::DeliveryFilter;
use crate::store::{Error, Store};

/// More than anything that can be found is long, in bytes.
const TEXT_MAX: usize = 256;

/// The fields of the form; empty when nothing is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SearchForm {
    pub q: String,
    /// The id of a recipient.
    pub recipient: String,
    pub kind: String,
    pub state: String,
    pub reason: String,
    pub channel: String,
    pub provider: String,
    pub country: String,
    pub locale: String,
    pub template: String,
    pub from: String,
    pub to: String,
    /// Where the list before ended.
    pub before: String,
}

impl SearchForm {
    /// The fields that are asked for, with their names.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("q", &self.q),
            ("recipient", &self.recipient),
            ("kind", &self.kind),
            ("state", &self.state),
            ("reason", &self.reason),
            ("channel", &self.channel),
            ("provider", &self.provider),
            ("country", &self.country),
            ("locale", &self.locale),
            ("template", &self.template),
            ("from", &self.from),
            ("to", &self.to),
            ("before", &self.before),
        ];
        all.into_iter().map(|(name, value)| (name, value.trim())).filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The address of the same search, going on before `id`.
    pub(super) fn going_on_before(&self, id: Uuid) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.fields().into_iter().filter(|(name, _)| *name != "before"));
        format!("/deliveries?{}", query.append_pair("before", &id.to_string()).finish())
    }
}

/// What a form asks for.
pub(super) enum Search {
    /// The first of these filters that finds anything.
    Filters(Vec<DeliveryFilter>),
    /// The text is the id of this delivery or of its notification.
    Delivery(Uuid),
    /// Several recipients have the identifier.
    Recipients(Vec<RecipientId>),
    /// Nothing can be found, and why.
    Nothing(String),
}

/// A field that cannot be read.
#[derive(Debug)]
pub(super) struct InvalidField {
    pub name: &'static str,
    pub problem: String,
}

/// Why a form is not carried out.
pub(super) enum NotSearched {
    Field(InvalidField),
    Page(PageError),
}

impl From<Error> for NotSearched {
    fn from(error: Error) -> Self {
        Self::Page(error.into())
    }
}

fn invalid(name: &'static str, problem: impl Into<String>) -> NotSearched {
    NotSearched::Field(InvalidField { name, problem: problem.into() })
}

/// Reads the form. Lists have at most `limit` lines.
pub(super) async fn read(console: &Console, form: &SearchForm, limit: u32) -> Result<Search, NotSearched> {
    if let Some((name, _)) = form.fields().into_iter().find(|(_, value)| value.len() > TEXT_MAX) {
        return Err(invalid(name, format!("expected at most {TEXT_MAX} bytes")));
    }
    let filter = filter(console, form, limit).await?;
    match form.q.trim() {
        "" => Ok(Search::Filters(vec![filter])),
        text => Ok(of_text(&console.store, text, &filter).await?),
    }
}

async fn filter(console: &Console, form: &SearchForm, limit: u32) -> Result<DeliveryFilter, NotSearched> {
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    let at = |name, text: &str| -> Result<Option<Timestamp>, NotSearched> {
        given(text).map(|text| time::parse(text, &now).map_err(|problem| invalid(name, problem))).transpose()
    };
    let (from, to) = (at("from", &form.from)?, at("to", &form.to)?);
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        return Err(invalid("to", "the range ends before it begins"));
    }
    let state = |name: &str| DeliveryState::from_name(name).ok_or("no such state");
    let reason = |name: &str| EndReason::from_name(name).ok_or("no such reason");
    Ok(DeliveryFilter {
        recipient: parsed("recipient", &form.recipient, |text| {
            Uuid::try_parse(text).map(RecipientId).map_err(|_| "expected the id of a recipient")
        })?,
        state: parsed("state", &form.state, state)?,
        reason: parsed("reason", &form.reason, reason)?,
        kind: parsed("kind", &form.kind, str::parse)?,
        channel: parsed("channel", &form.channel, str::parse)?,
        provider: given(&form.provider).map(|name| ProviderName(name.to_owned())),
        country: parsed("country", &form.country, |code| code.to_ascii_uppercase().parse())?,
        locale: parsed("locale", &form.locale, Locale::parse)?,
        template_version: template(&console.store, &form.template).await?,
        from,
        to,
        before: parsed("before", &form.before, |text| Uuid::try_parse(text).map_err(|_| "expected an id"))?,
        ..DeliveryFilter::newest(limit)
    })
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn parsed<T, E: ToString>(
    name: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, NotSearched> {
    given(text).map(|text| parse(text).map_err(|problem| invalid(name, problem.to_string()))).transpose()
}

async fn template(store: &Store, prefix: &str) -> Result<Option<TemplateVersion>, NotSearched> {
    let Some(prefix) = given(prefix) else { return Ok(None) };
    match &store.template_versions().find(prefix).await?[..] {
        [only] => Ok(Some(only.template_version)),
        [] => Err(invalid("template", "no template version begins with this")),
        _ => Err(invalid("template", "several template versions begin with this; give more digits")),
    }
}

async fn of_text(store: &Store, text: &str, filter: &DeliveryFilter) -> Result<Search, Error> {
    let with = |change: &dyn Fn(&mut DeliveryFilter)| {
        let mut changed = filter.clone();
        change(&mut changed);
        changed
    };
    let recipient = |id| Search::Filters(vec![with(&|it| it.recipient = Some(id))]);
    if let Some(identifier) = identifier_of(text) {
        return of_identifier(store, identifier, recipient).await;
    }
    if let Some(id) = Uuid::try_parse(text).ok().filter(|_| text.contains('-')) {
        if store.reports().delivery(id).await?.is_some() {
            return Ok(Search::Delivery(id));
        }
        if store.recipients().get(RecipientId(id)).await?.is_some() {
            return Ok(recipient(RecipientId(id)));
        }
    }
    if let Some(id) = store.recipient_of(text)? {
        return Ok(recipient(id));
    }
    let mut filters = Vec::new();
    for contact in contacts_of(text) {
        let hash = store.contact_hash(&contact)?;
        filters.push(with(&|it| it.contact = Some(hash)));
    }
    filters.push(with(&|it| it.idempotency_key = Some(text.to_owned())));
    filters.push(with(&|it| it.reference = Some(text.to_owned())));
    Ok(Search::Filters(filters))
}

async fn of_identifier(
    store: &Store,
    identifier: Result<Identifier, String>,
    recipient: impl Fn(RecipientId) -> Search,
) -> Result<Search, Error> {
    let identifier = match identifier {
        Ok(identifier) => identifier,
        Err(problem) => return Ok(Search::Nothing(problem)),
    };
    let found = store.recipients().find(&identifier).await?;
    Ok(match &found[..] {
        [] => Search::Nothing(format!("No recipient has this {}.", identifier.kind.name().replace('_', " "))),
        [only] => recipient(only.id),
        several => Search::Recipients(several.iter().map(|it| it.id).collect()),
    })
}

/// The identifier that a text such as `storage_customer:1337` names; nothing if it does not begin with the kind of one.
pub(in crate::console::pages) fn identifier_of(text: &str) -> Option<Result<Identifier, String>> {
    let (kind, value) = text.split_once(':')?;
    let kind: IdentifierKind = kind.trim().parse().ok()?;
    Some(identifier::parse(kind, value).map_err(|problem| format!("{}: {problem}", kind.name())))
}

/// The contacts that a text may be. A phone number may have lost its plus.
pub(in crate::console::pages) fn contacts_of(text: &str) -> Vec<Contact> {
    if text.contains('@') {
        return Contact::parse(Channel::Email, text).into_iter().collect();
    }
    let with_plus = || phone::normalised(&format!("+{text}"), None);
    let number = phone::normalised(text, None).or_else(|error| match error {
        phone::InvalidPhone::WithoutPlus => with_plus(),
        other => Err(other),
    });
    number.ok().and_then(|number| Contact::parse(Channel::Sms, &number).ok()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_takes_identifiers_and_contacts_as_people_write_them() {
        let identifier = identifier_of("storage_customer: 1337").unwrap().unwrap();
        assert_eq!((identifier.kind, identifier.value.as_str()), (IdentifierKind::StorageCustomer, "1337"));
        assert!(identifier_of("storage_customer:x").unwrap().unwrap_err().contains("expected 1 to 20 digits"));
        assert!(identifier_of("order:1337").is_none() && identifier_of("1337").is_none());

        let shown = |text| contacts_of(text).iter().map(|it| it.expose().to_owned()).collect::<Vec<_>>();
        for phone in ["+48 600 100 200", "0048600100200", "48600100200"] {
            assert_eq!(shown(phone), ["+48600100200"], "{phone}");
        }
        assert_eq!(shown("leon@example.org"), ["leon@example.org"]);
        assert!(shown("order-4711").is_empty() && shown("%").is_empty());
    }

    #[test]
    fn a_search_goes_on_with_the_same_fields() {
        let form = SearchForm {
            q: "a b&c=d".to_owned(),
            state: "sent".to_owned(),
            before: "x".to_owned(),
            ..SearchForm::default()
        };
        let next = form.going_on_before(Uuid::nil());
        assert_eq!(next, "/deliveries?q=a+b%26c%3Dd&state=sent&before=00000000-0000-0000-0000-000000000000");
    }
}
