//! What a search form asks for, checked and brought to the form in which deliveries are stored.
//!
//! The search box takes whatever an operator has in hand. What cannot be told apart, such as an idempotency key and a
//! provider's reference, is looked for as one and then as the other.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::console::Console;
use crate::console::pages::PageError;
use crate::domain::recipient::{Identifier, RecipientId};
use crate::flow::deliveries::query::{DeliveryQuery, InvalidField, QueryError, identifier_of};
use crate::flow::recipient_search::contacts_of;
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

/// Reads the form. Lists have at most `limit` lines.
pub(super) async fn read(console: &Console, form: &SearchForm, limit: u32) -> Result<Search, NotSearched> {
    if let Some((name, _)) = form.fields().into_iter().find(|(_, value)| value.len() > TEXT_MAX) {
        let problem = format!("expected at most {TEXT_MAX} bytes");
        return Err(NotSearched::Field(InvalidField::new(name, problem)));
    }
    let filter = filter(console, form, limit).await?;
    match form.q.trim() {
        "" => Ok(Search::Filters(vec![filter])),
        text => Ok(of_text(&console.store, text, &filter).await?),
    }
}

async fn filter(console: &Console, form: &SearchForm, limit: u32) -> Result<DeliveryFilter, NotSearched> {
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    let text = |text: &String| Some(text.clone());
    let query = DeliveryQuery {
        recipient_id: text(&form.recipient),
        kind: text(&form.kind),
        state: text(&form.state),
        reason: text(&form.reason),
        channel: text(&form.channel),
        provider: text(&form.provider),
        country: text(&form.country),
        locale: text(&form.locale),
        template_version: text(&form.template),
        from: text(&form.from),
        to: text(&form.to),
        before: text(&form.before),
        limit: Some(limit),
        ..DeliveryQuery::default()
    };
    query.filter(&console.store, &now).await.map_err(|error| match error {
        QueryError::Store(error) => error.into(),
        QueryError::Field(InvalidField { name: "recipient_id", problem }) => {
            NotSearched::Field(InvalidField { name: "recipient", problem })
        }
        QueryError::Field(InvalidField { name: "template_version", problem }) => {
            NotSearched::Field(InvalidField { name: "template", problem })
        }
        QueryError::Field(field) => NotSearched::Field(field),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
