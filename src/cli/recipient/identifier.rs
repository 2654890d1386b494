//! The processor's numbers as an operator writes them, brought to the form in which the processor sends them.
//!
//! A number that was kept in another form would never be found, and nobody would notice until a code was lost.

use crate::domain::recipient::{IDENTIFIER_MAX, Identifier, IdentifierKind};

/// The longest number of the processor, in digits.
const DIGITS_MAX: usize = 20;

/// Why a text cannot be one of the processor's numbers; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadIdentifier {
    /// For cards and customers.
    #[error("expected 1 to 20 digits")]
    Digits,
    /// For balances.
    #[error("expected a UUID")]
    Uuid,
    /// For the others.
    #[error("expected 1 to 64 printable ASCII characters without blanks")]
    Word,
}

/// Checks `text` as a number of `kind`.
pub(super) fn parse(kind: IdentifierKind, text: &str) -> Result<Identifier, BadIdentifier> {
    let value = match kind {
        IdentifierKind::StorageCustomer | IdentifierKind::StorageCard | IdentifierKind::DcCard => {
            let fits = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| text.to_owned()).ok_or(BadIdentifier::Digits)?
        }
        IdentifierKind::Balance => uuid::Uuid::try_parse(text).map_err(|_| BadIdentifier::Uuid)?.to_string(),
        IdentifierKind::User | IdentifierKind::Corporation => {
            let fits = (1..=IDENTIFIER_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            let word = fits.then(|| text.to_owned()).ok_or(BadIdentifier::Word)?;
            let number = word.bytes().all(|b| b.is_ascii_digit());
            // The processor's own way of writing a UUID is the one that is looked for.
            let id = uuid::Uuid::try_parse(&word).ok().filter(|_| !number);
            id.map_or(word, |id| id.to_string())
        }
    };
    Ok(Identifier { kind, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_kept_as_the_processor_writes_it() {
        for kind in [IdentifierKind::Balance, IdentifierKind::User, IdentifierKind::Corporation] {
            let kept = parse(kind, "8B6E40A1-7F10-4C7C-9A0B-2F6F2B7E9D11").unwrap();
            assert_eq!(kept.value, "8b6e40a1-7f10-4c7c-9a0b-2f6f2b7e9d11", "{kind}");
        }
        let digits = "12345678901234567890123456789012";
        assert_eq!(parse(IdentifierKind::Corporation, digits).unwrap().value, digits);
    }

    #[test]
    fn what_the_processor_never_sends_is_refused() {
        assert_eq!(parse(IdentifierKind::StorageCustomer, "13 37"), Err(BadIdentifier::Digits));
        assert_eq!(parse(IdentifierKind::DcCard, "1.337e3"), Err(BadIdentifier::Digits));
        assert_eq!(parse(IdentifierKind::Balance, "1337"), Err(BadIdentifier::Uuid));
        assert_eq!(parse(IdentifierKind::User, "a b"), Err(BadIdentifier::Word));
        assert_eq!(parse(IdentifierKind::StorageCard, "007").unwrap().value, "007");
    }
}
