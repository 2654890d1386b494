//! Which notification makes which older one obsolete.
//!
//! Pure. The keys contain identifiers: they are hashed before they are stored or compared.

use super::{Content, Kind, LockChange};
use crate::domain::merchant_name;
use crate::domain::recipient::{Identifier, IdentifierKind};

/// The keys of one notification: it is obsolete as soon as a newer one is accepted whose `replaces` equals its `own`.
#[derive(PartialEq, Eq)]
pub struct Replacement {
    pub own: String,
    pub replaces: String,
    /// The kinds that it makes obsolete.
    pub kinds: &'static [Kind],
}

/// The keys of a notification; `None` when nothing replaces it and it replaces nothing.
///
/// A code replaces an older one for the same purchase: the same card, merchant, amount and currency, since no processor
/// sends a purchase number. Without a card or a merchant the purchase is not known, and two codes are better than none. An
/// unlock replaces a lock and a lock an unlock; each stage of an identity verification replaces the one before.
pub fn replacement(content: &Content, identifiers: &[Identifier]) -> Option<Replacement> {
    let of_kind = |kind| identifiers.iter().find(|it| it.kind == kind).map(|it| it.value.trim());
    let first = identifiers.first().map(|it| it.value.as_str());
    let same = |key: String, kinds| Replacement { own: key.clone(), replaces: key, kinds };
    match content {
        Content::Otp(otp) => {
            let card = of_kind(IdentifierKind::StorageCard).filter(|card| !card.is_empty())?;
            let (merchant, money) = (merchant_name::compared(&otp.merchant)?, otp.money);
            let key = format!("code\n{card}\n{merchant}\n{} {}", money.minor, money.currency.as_str());
            Some(same(key, &[Kind::Otp]))
        }
        Content::CardLocked(_) => first.map(|card| opposite(["locked", "unlocked"], card, &[Kind::CardUnlocked])),
        Content::CardUnlocked(_) => first.map(|card| opposite(["unlocked", "locked"], card, &[Kind::CardLocked])),
        Content::TransactionalLock(lock) => {
            let holder = identifiers.first()?;
            let about = format!("{}\n{}\n{}", holder.kind, holder.value, lock.reason.name());
            Some(match lock.change {
                LockChange::Added => opposite(["added", "removed"], &about, &[Kind::TransactionalLockRemoved]),
                LockChange::Removed => opposite(["removed", "added"], &about, &[Kind::TransactionalLockAdded]),
            })
        }
        Content::Verification(_) => {
            let kinds = &[Kind::VerificationInProgress, Kind::VerificationAccepted, Kind::VerificationRejected];
            first.map(|user| same(format!("verification\n{user}"), kinds))
        }
        Content::Transaction(_) => None,
    }
}

fn opposite([own, replaced]: [&str; 2], about: &str, kinds: &'static [Kind]) -> Replacement {
    Replacement { own: format!("{own}\n{about}"), replaces: format!("{replaced}\n{about}"), kinds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::money::{Currency, Money};
    use crate::domain::notification::{CardLocked, CardUnlocked, LockReason, Otp};
    use crate::domain::secret::Code;

    const AT: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn identifier(kind: IdentifierKind, value: &str) -> Identifier {
        Identifier { kind, value: value.to_owned() }
    }

    fn key(card: Option<&str>, merchant: &str, minor: u64, currency: &str) -> Option<String> {
        let money = Money { minor, currency: Currency::parse(currency).unwrap() };
        let code = Code::parse("48151623".to_owned()).unwrap();
        let content = Content::Otp(Otp { code, money, merchant: merchant.to_owned() });
        let card = card.map(|card| identifier(IdentifierKind::StorageCard, card));
        let identifiers: Vec<_> = [identifier(IdentifierKind::StorageCustomer, "1")].into_iter().chain(card).collect();
        replacement(&content, &identifiers).map(|keys| keys.own)
    }

    #[test]
    fn a_purchase_is_a_card_a_merchant_and_an_amount_with_its_currency() {
        let purchase = key(Some("7"), "Harbour Books", 1000, "PLN");
        assert!(purchase.is_some());
        assert_eq!(
            key(Some("7"), "  HARBOUR\u{200b}  books ", 1000, "PLN"),
            purchase,
            "the same name, written differently"
        );
        for other in [
            key(Some("8"), "Harbour Books", 1000, "PLN"),
            key(Some("7"), "Harbour Looks", 1000, "PLN"),
            key(Some("7"), "Harbour Books", 99_900, "PLN"),
            key(Some("7"), "Harbour Books", 1000, "EUR"),
        ] {
            assert!(other.is_some() && other != purchase);
        }
    }

    #[test]
    fn without_a_card_or_a_merchant_a_code_replaces_nothing() {
        assert!(key(None, "Harbour Books", 1000, "PLN").is_none());
        assert!(key(Some(" "), "Harbour Books", 1000, "PLN").is_none());
        for blank in ["", "   ", "\u{200b}\u{2060}", "***", "\u{a0}-\u{202e}"] {
            assert!(key(Some("7"), blank, 1000, "PLN").is_none(), "{blank:?}");
        }
    }

    #[test]
    fn a_lock_and_an_unlock_of_one_card_replace_each_other_and_nothing_else() {
        let card = |value| [identifier(IdentifierKind::DcCard, value)];
        let lock = Content::CardLocked(CardLocked { at: AT, reason: LockReason::CardStolen });
        let unlock = Content::CardUnlocked(CardUnlocked { at: AT });
        let keys = |content, value| replacement(content, &card(value)).unwrap();

        assert!(keys(&lock, "11").own == keys(&unlock, "11").replaces);
        assert!(keys(&unlock, "11").own == keys(&lock, "11").replaces);
        assert!(keys(&lock, "11").own != keys(&lock, "11").replaces);
        assert!(keys(&lock, "11").own != keys(&unlock, "12").replaces);
    }
}
