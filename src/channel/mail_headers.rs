//! Mail headers beyond the basic ones: the subject, automatic submission, language, and how to unsubscribe.
//!
//! None of them contains any part of the message but the subject.

use std::error::Error;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{From, Header, HeaderName, HeaderValue, Headers};
use lettre::message::{Mailbox, Mailboxes};
use serde_json::{Value, json};

use crate::domain::notification::Priority;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::recipient::Locale;

/// The longest value of `list_unsubscribe`, in bytes. A header line has at most 998 (RFC 5322, 2.1.1).
const UNSUBSCRIBE_MAX: usize = 500;

const EXPECTED: &str = "list_unsubscribe: expected mailto:NAME@HOST or https://HOST/…, or both separated by a comma; \
                        leave it out for none";

/// How an encoded word begins (RFC 2047, 2).
const ENCODED_WORD: &str = "=?";

/// The most bytes of text in one encoded word: with its frame and the name of the header they stay below 76 characters.
const ENCODED_WORD_MAX: usize = 36;

/// `Subject`.
#[derive(Clone)]
pub(super) struct Subject(String);

/// `Auto-Submitted` (RFC 3834): suppresses automatic replies such as vacation notices.
#[derive(Clone, Copy)]
pub(super) struct AutoSubmitted;

/// `X-Auto-Response-Suppress`: the same for Exchange. Delivery reports are not suppressed.
#[derive(Clone, Copy)]
pub(super) struct NoAutoReply;

/// `Content-Language` (RFC 3282).
#[derive(Clone)]
pub(super) struct ContentLanguage(pub(super) Locale);

/// The mailbox that mails come from.
pub(super) fn sender(provider: &str, from: &str) -> Result<Mailbox, super::Error> {
    let wrong = |what: &str| super::Error::new(provider, format!("from: {what}"));
    let from: Mailbox = from.parse().map_err(|_| wrong("expected a mailbox such as Bank <otp@bank.example>"))?;
    if from.name.as_deref().is_some_and(looks_encoded) {
        return Err(wrong("write the name as plain text; it is encoded when it is sent"));
    }
    Ok(from)
}

/// A mailbox as a mail has it. What would be folded there is one line here.
pub(super) fn encoded(mailbox: &Mailbox) -> String {
    let mut headers = Headers::new();
    headers.set(From::from(Mailboxes::from(mailbox.clone())));
    let line = headers.to_string();
    line.strip_prefix("From: ").unwrap_or_default().trim_end().replace("\r\n", "")
}

/// The headers of a mail that the vendor writes, as its API takes them.
pub(super) fn named(message: &OutboundMessage, locale: &Locale, unsubscribe: Option<&Unsubscribe>) -> Vec<Value> {
    let locale = locale.to_string();
    let mut headers = vec![
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ("Content-Language", &locale),
    ];
    let unsubscribe = unsubscribe.filter(|_| message.priority == Priority::Standard);
    headers.extend(unsubscribe.map(|it| ("List-Unsubscribe", it.0.as_str())));
    headers.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}

/// `List-Unsubscribe` (RFC 2369). Without one-click unsubscription (RFC 8058), which needs an address for each recipient.
#[derive(Clone)]
pub(super) struct Unsubscribe(String);

impl Subject {
    pub(super) fn new(line: String) -> Self {
        Self(line)
    }
}

/// Whether mail programs may decode a part of `text` although it was never encoded.
pub(super) fn looks_encoded(text: &str) -> bool {
    text.contains(ENCODED_WORD)
}

// The whole text in encoded words. Readers drop the line breaks between them (RFC 2047, 6.2).
fn encode(text: &str) -> String {
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > ENCODED_WORD_MAX) {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(c));
    }
    let encoded: Vec<_> = words.iter().map(|word| format!("=?utf-8?b?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

impl Unsubscribe {
    /// Parses the setting; `None` when it is empty.
    ///
    /// # Errors
    /// The message for the operator, when an address does not begin with `mailto:` or `https://`.
    pub(super) fn read(setting: &str) -> Result<Option<Self>, &'static str> {
        if setting.trim().is_empty() { Ok(None) } else { Self::parse(setting).map(Some).ok_or(EXPECTED) }
    }

    /// Parses addresses separated by commas.
    pub(super) fn parse(list: &str) -> Option<Self> {
        let addresses: Vec<_> = list.split(',').map(str::trim).collect();
        let short = list.len() <= UNSUBSCRIBE_MAX;
        let all = short && addresses.iter().all(|address| is_address(address));
        all.then(|| Self(addresses.iter().map(|address| format!("<{address}>")).collect::<Vec<_>>().join(", ")))
    }
}

fn is_address(text: &str) -> bool {
    let mailto = || text.strip_prefix("mailto:").filter(|mailbox| mailbox.contains('@'));
    let rest = text.strip_prefix("https://").or_else(mailto).unwrap_or_default();
    let starts = rest.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    starts && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\".contains(&byte))
}

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Header for Subject {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Subject")
    }

    fn parse(line: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(line.to_owned()))
    }

    // The library encodes words beyond ASCII only. A merchant's `=?utf-8?b?..?=` would reach the mail program as it is,
    // which would show what it decodes to: a text that was never cleaned.
    #[expect(clippy::disallowed_methods, reason = "what is pre-encoded is base64 in the frame of encoded words")]
    fn display(&self) -> HeaderValue {
        if looks_encoded(&self.0) {
            HeaderValue::dangerous_new_pre_encoded(Self::name(), self.0.clone(), encode(&self.0))
        } else {
            HeaderValue::new(Self::name(), self.0.clone())
        }
    }
}

impl Header for NoAutoReply {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Auto-Response-Suppress")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "OOF, AutoReply".to_owned())
    }
}

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(tag: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(Locale::parse(tag)?))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.as_str().to_owned())
    }
}

impl Header for Unsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(list: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(list.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_unsubscribe_by_mail_or_on_a_page_and_nowhere_else() {
        for good in ["mailto:stop@bank.example?subject=stop", " https://bank.example/stop , mailto:a@b.example"] {
            assert!(matches!(Unsubscribe::read(good), Ok(Some(_))), "{good}");
        }
        for bad in [
            "stop@bank.example",
            "http://bank.example/stop",
            "mailto:",
            "https://",
            "https://bank.example/a b",
            "https://bank.example>\r\nBcc: eve@evil.example",
            "javascript:alert(1)",
            "mailto:stop@bank.example,",
        ] {
            assert!(Unsubscribe::read(bad).is_err(), "{bad}");
        }
        assert!(matches!(Unsubscribe::read(" "), Ok(None)));
    }
}
