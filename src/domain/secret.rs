//! Text that must not get out: the code itself, and every message that contains it.
//!
//! Neither type can be printed, serialised, compared or copied, and both are overwritten when dropped.
//! The only ways to the characters are verbs that can be searched for; `tests/it/architecture.rs`
//! checks who calls them.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The longest code taken. Longer input is a mistake of the sender, not a code a person can type.
pub const CODE_MAX: usize = 16;

/// As long as codes usually are.
const MASK: &str = "******";

/// A one-time password as the processor sent it, leading zeros kept.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Code(String);

/// Why a text is not a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is 1 to 16 ASCII letters or digits")]
pub struct InvalidCode;

impl Code {
    /// Takes 1 to 16 ASCII letters or digits.
    ///
    /// # Errors
    /// Anything else, blanks and line ends included: such a text could not be typed into a form, or
    /// would change the message around it. The text that was refused is wiped.
    pub fn parse(mut text: String) -> Result<Self, InvalidCode> {
        if (1..=CODE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(Self(text));
        }
        text.zeroize();
        Err(InvalidCode)
    }

    /// What stands in place of a code wherever a message is shown. Asterisks, because every channel takes them as they
    /// are: `•` would turn a text message into one of another alphabet.
    pub fn mask() -> Self {
        Self(MASK.to_owned())
    }

    /// The characters themselves. Callers: `render`, `channel`. Keep this list short.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Lends the characters to the encryption. Caller: `store::seal`.
    pub fn under_seal<T>(&self, seal: impl FnOnce(&str) -> T) -> T {
        seal(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// A text written for one person. It may contain the code, so it lives briefly and is never stored.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RenderedText(String);

impl RenderedText {
    /// Takes over a text that a template produced.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Callers: `render`, `channel`. Keep this list short.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RenderedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendered(..)")
    }
}

/// A password, token or key from the configuration: readable by whoever sends it, never printed.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop, serde::Deserialize)]
#[serde(transparent)]
pub struct Credential(String);

impl Credential {
    /// Takes over the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_keeps_its_leading_zeros_and_says_nothing_in_debug() {
        let code = Code::parse("0042".into()).unwrap();
        assert_eq!(code.reveal(), "0042");
        assert_eq!(format!("{code:?}"), "Code(..)");
    }

    #[test]
    fn what_cannot_be_typed_as_a_code_is_refused() {
        for bad in
            ["", " ", "12 34", "1234\n", "12345678901234567", "١٢٣٤", "🔑🔑", "<b>1</b>", "{{otp}}", "1\r\nBcc: x"]
        {
            assert!(Code::parse(bad.into()).is_err(), "{bad:?} was taken");
        }
    }
}
