//! Secret text: one-time passwords, rendered messages, and credentials from the configuration.
//!
//! `Code` and `RenderedText` cannot be printed, serialised, compared or copied, and are zeroed on drop. Their characters are
//! accessible only through methods with names that can be searched for; `tests/it/architecture.rs` checks the callers.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names of configuration keys whose value is a secret.
const SECRET_KEYS: [&str; 6] = ["headers", "static_fields", "api_key", "access_key", "signing_key", "service_account"];

/// Parts of such names.
const SECRET_WORDS: [&str; 6] = ["password", "secret", "token", "passphrase", "credential", "private_key"];

/// Names with such a part whose value is none: what providers answer about a push token, and where access tokens come from.
const PUBLIC_KEYS: [&str; 3] = ["invalid_token", "token_gone", "token_url"];

/// The longest code. Longer input is an error of the processor, not a code that a cardholder can type.
pub const CODE_MAX: usize = 16;

/// The usual length of a code.
const MASK: &str = "******";

/// A one-time password as the processor sent it, with leading zeros.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Code(String);

/// Why a text is not a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is 1 to 16 ASCII letters or digits")]
pub struct InvalidCode;

impl Code {
    /// Parses 1 to 16 ASCII letters or digits.
    ///
    /// # Errors
    /// The text is anything else, such as blanks or line ends: it could not be typed into a form, or it would change the
    /// message around it. The rejected text is zeroed.
    pub fn parse(mut text: String) -> Result<Self, InvalidCode> {
        if (1..=CODE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(Self(text));
        }
        text.zeroize();
        Err(InvalidCode)
    }

    /// The placeholder for a code wherever a message is shown. It consists of asterisks because they are in the GSM 7-bit
    /// alphabet: `•` would change the encoding of an SMS.
    pub fn mask() -> Self {
        Self(MASK.to_owned())
    }

    /// The characters. Callers: `render`, `channel`. Keep this list short.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A copy for the adapter, which removes it from what a provider answers. It can be read by `render` and `channel` only.
    pub fn for_redaction(&self) -> RenderedText {
        RenderedText(self.0.clone())
    }

    /// Passes the characters to the encryption. Caller: `store::seal`.
    pub fn under_seal<T>(&self, seal: impl FnOnce(&str) -> T) -> T {
        seal(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// A text rendered for one recipient. It may contain the code, so it is short-lived and never stored.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RenderedText(String);

impl RenderedText {
    /// Wraps the output of a template.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. Callers: `render`, `channel`. Keep this list short.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RenderedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenderedText(..)")
    }
}

/// Whether the value of the configuration key `name` is a secret, and so is everything below it.
pub fn is_secret_key(name: &str) -> bool {
    let has_word = || SECRET_WORDS.iter().any(|word| name.contains(word));
    SECRET_KEYS.contains(&name) || (has_word() && !PUBLIC_KEYS.contains(&name))
}

/// A password, token or key from the configuration. It is never printed.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop, serde::Deserialize)]
#[serde(transparent)]
pub struct Credential(String);

impl Credential {
    /// Wraps the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the request that needs it.
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
    fn a_code_keeps_its_leading_zeros_and_is_hidden_in_debug_output() {
        let code = Code::parse("0042".into()).unwrap();
        assert_eq!(code.reveal(), "0042");
        assert_eq!(format!("{code:?}"), "Code(..)");
    }

    #[test]
    fn text_that_cannot_be_typed_as_a_code_is_rejected() {
        for bad in
            ["", " ", "12 34", "1234\n", "12345678901234567", "١٢٣٤", "🔑🔑", "<b>1</b>", "{{otp}}", "1\r\nBcc: x"]
        {
            assert!(Code::parse(bad.into()).is_err(), "{bad:?} was accepted");
        }
    }
}
