//! Identifiers as an operator writes them, brought to the form in which the processor sends them.
//!
//! An identifier that is stored in another form is never found, which shows only when an OTP is lost.

use crate::domain::recipient::{IDENTIFIER_MAX, Identifier, IdentifierKind};

/// The longest numeric identifier, in digits.
const DIGITS_MAX: usize = 20;

/// An identifier that the processor would never send. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidIdentifier {
    #[error("expected 1 to 20 digits")]
    Digits,
    #[error("expected a UUID")]
    Uuid,
    #[error("expected 1 to 64 printable ASCII characters without spaces")]
    Word,
}

/// Checks `text` and brings it to the form of `kind`.
pub(super) fn parse(kind: IdentifierKind, text: &str) -> Result<Identifier, InvalidIdentifier> {
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
        assert_eq!(parse(IdentifierKind::DcCard, "1.337e3"), Err(InvalidIdentifier::Digits));
        assert_eq!(parse(IdentifierKind::Balance, "1337"), Err(InvalidIdentifier::Uuid));
        assert_eq!(parse(IdentifierKind::User, "a b"), Err(InvalidIdentifier::Word));
        assert_eq!(parse(IdentifierKind::StorageCard, "007").unwrap().value, "007");
    }
}
