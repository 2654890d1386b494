//! Identifiers as an operator writes them, brought to the form in which the processor sends them.
//!
//! An identifier that is stored in another form is never found, which shows only when an OTP is lost.

use super::spreadsheet;
use crate::domain::recipient::{IDENTIFIER_MAX, Identifier, IdentifierKind};

/// The longest numeric identifier, in digits.
const DIGITS_MAX: usize = 20;

/// An identifier that the processor would never send. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    #[error("expected 1 to 20 digits")]
    Digits,
    #[error(
        "a spreadsheet has rounded this number, and digits are lost; format the column as text and export it again"
    )]
    Rounded,
    #[error("expected a UUID")]
    Uuid,
    #[error("expected 1 to 64 printable ASCII characters without spaces")]
    Word,
}

/// What it means when two recipients have the same identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// A mistake: a code or the state of a card would reach someone else.
    Mistake,
    /// It may be meant: a balance may have two owners.
    Unusual,
    /// Every member of a company has its identifier.
    Usual,
}

/// What it means when two recipients have the same identifier of this kind.
pub const fn sharing(kind: IdentifierKind) -> Sharing {
    match kind {
        IdentifierKind::StorageCustomer
        | IdentifierKind::StorageCard
        | IdentifierKind::DcCard
        | IdentifierKind::User => Sharing::Mistake,
        IdentifierKind::Balance => Sharing::Unusual,
        IdentifierKind::Corporation => Sharing::Usual,
    }
}

/// Checks `text` and brings it to the form of `kind`.
pub fn parse(kind: IdentifierKind, text: &str) -> Result<Identifier, InvalidIdentifier> {
    let text = spreadsheet::without_hidden_marks(text);
    let text = text.trim();
    let is_number =
        matches!(kind, IdentifierKind::StorageCustomer | IdentifierKind::StorageCard | IdentifierKind::DcCard);
    if is_number && spreadsheet::is_scientific(text) {
        return Err(InvalidIdentifier::Rounded);
    }
    let value = match kind {
        IdentifierKind::StorageCustomer | IdentifierKind::StorageCard | IdentifierKind::DcCard => {
            let fits = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| text.to_owned()).ok_or(InvalidIdentifier::Digits)?
        }
        IdentifierKind::Balance => uuid::Uuid::try_parse(text).map_err(|_| InvalidIdentifier::Uuid)?.to_string(),
        IdentifierKind::User | IdentifierKind::Corporation => {
            let fits = (1..=IDENTIFIER_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            let word = fits.then(|| text.to_owned()).ok_or(InvalidIdentifier::Word)?;
            let number = word.bytes().all(|b| b.is_ascii_digit());
            // The processor writes UUIDs in lower case with hyphens, and identifiers are compared as text.
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
    fn a_uuid_is_stored_as_the_processor_writes_it() {
        for kind in [IdentifierKind::Balance, IdentifierKind::User, IdentifierKind::Corporation] {
            let kept = parse(kind, "8B6E40A1-7F10-4C7C-9A0B-2F6F2B7E9D11").unwrap();
            assert_eq!(kept.value, "8b6e40a1-7f10-4c7c-9a0b-2f6f2b7e9d11", "{kind}");
        }
        let digits = "12345678901234567890123456789012";
        assert_eq!(parse(IdentifierKind::Corporation, digits).unwrap().value, digits);
    }

    #[test]
    fn an_identifier_that_the_processor_never_sends_is_rejected() {
        assert_eq!(parse(IdentifierKind::StorageCustomer, "13 37"), Err(InvalidIdentifier::Digits));
        assert_eq!(parse(IdentifierKind::DcCard, "1.337"), Err(InvalidIdentifier::Digits));
        assert_eq!(parse(IdentifierKind::DcCard, "1.337e3"), Err(InvalidIdentifier::Rounded));
        assert_eq!(parse(IdentifierKind::StorageCustomer, "1,23457E+11"), Err(InvalidIdentifier::Rounded));
        assert_eq!(parse(IdentifierKind::Balance, "1337"), Err(InvalidIdentifier::Uuid));
        assert_eq!(parse(IdentifierKind::User, "a b"), Err(InvalidIdentifier::Word));
        assert_eq!(parse(IdentifierKind::StorageCard, "007").unwrap().value, "007");
        assert_eq!(parse(IdentifierKind::StorageCard, "\u{202a}007\u{202c}\u{a0}").unwrap().value, "007");
    }
}
