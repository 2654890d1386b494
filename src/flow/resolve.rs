//! Finds the people a notification concerns. It reads the directory and decides nothing else.

use serde::Deserialize;

use crate::domain::person::{Identifier, IdentifierKind, Person};
use crate::store::{Claimed, Directory, Error};

/// `[people]` of the configuration: which numbers name a person, in the order in which they are tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// For a code; it carries a customer, a card and a balance.
    pub otp: Vec<IdentifierKind>,
    /// For a card event; it carries one card number. Name `storage_card` too where both systems number cards alike.
    pub card: Vec<IdentifierKind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            otp: vec![IdentifierKind::StorageCustomer, IdentifierKind::StorageCard],
            card: vec![IdentifierKind::DcCard],
        }
    }
}

/// Everybody the delivery is for: the person it was given to before, or whoever the first identifier names that
/// names anybody. Nobody is an answer too.
pub async fn people(settings: &Settings, directory: &Directory, claimed: &Claimed) -> Result<Vec<Person>, Error> {
    if let Some(id) = claimed.person {
        return Ok(directory.person(id).await?.into_iter().collect());
    }
    for identifier in identifiers(settings, &claimed.subjects) {
        let people = directory.named(&identifier).await?;
        if !people.is_empty() {
            return Ok(people);
        }
    }
    Ok(Vec::new())
}

fn identifiers(settings: &Settings, subjects: &[Identifier]) -> Vec<Identifier> {
    let card_event = subjects.iter().find(|subject| subject.kind == IdentifierKind::DcCard);
    if let Some(card) = card_event {
        settings.card.iter().map(|kind| Identifier { kind: *kind, value: card.value.clone() }).collect()
    } else {
        let of_kind = |kind: &IdentifierKind| subjects.iter().find(|subject| subject.kind == *kind).cloned();
        settings.otp.iter().filter_map(of_kind).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(kind: IdentifierKind, value: &str) -> Identifier {
        Identifier { kind, value: value.into() }
    }

    #[test]
    fn the_customer_is_looked_for_before_the_card() {
        let subjects =
            [identifier(IdentifierKind::StorageCard, "7"), identifier(IdentifierKind::StorageCustomer, "1337")];
        let order: Vec<_> = identifiers(&Settings::default(), &subjects).iter().map(|i| i.kind).collect();
        assert_eq!(order, [IdentifierKind::StorageCustomer, IdentifierKind::StorageCard]);
    }

    #[test]
    fn where_both_systems_number_cards_alike_a_lock_finds_the_storage_card() {
        let settings =
            Settings { card: vec![IdentifierKind::DcCard, IdentifierKind::StorageCard], ..Settings::default() };
        let found = identifiers(&settings, &[identifier(IdentifierKind::DcCard, "11")]);
        assert_eq!(found[1], identifier(IdentifierKind::StorageCard, "11"));
    }
}
