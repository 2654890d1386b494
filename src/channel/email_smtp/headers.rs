//! The headers of a mail that say what it is: written by a machine, in which language, and how to be told no more news.
//!
//! None of them ever holds anything of the message itself.

use std::error::Error;

use lettre::message::header::{Header, HeaderName, HeaderValue};

use crate::domain::recipient::Locale;

/// The longest list of addresses to unsubscribe at, in bytes: a header's line has at most 998 (RFC 5322, 2.1.1).
const UNSUBSCRIBE_MAX: usize = 500;

const EXPECTED: &str = "list_unsubscribe: expected mailto:NAME@HOST or https://HOST/…, or both with a comma between; \
                        leave it out for none";

/// RFC 3834: written by a machine, so that no holiday notice answers it.
#[derive(Clone, Copy)]
pub(super) struct AutoSubmitted;

/// The same for Exchange, which asks another header. Delivery reports are not suppressed.
#[derive(Clone, Copy)]
pub(super) struct NoAutoReply;

/// RFC 3282: the language that the mail is read in.
#[derive(Clone)]
pub(super) struct ContentLanguage(pub(super) Locale);

/// RFC 2369: where readers ask for no more of this. Without the single click of RFC 8058, which needs an address of
/// each reader's own.
#[derive(Clone)]
pub(super) struct Unsubscribe(String);

impl Unsubscribe {
    /// Reads the setting: nothing where it is empty.
    ///
    /// # Errors
    /// Anything but addresses behind `mailto:` or `https://`, in words for whoever configured it.
    pub(super) fn read(setting: &str) -> Result<Option<Self>, &'static str> {
        if setting.trim().is_empty() { Ok(None) } else { Self::parse(setting).map(Some).ok_or(EXPECTED) }
    }

    /// Reads addresses with commas between them.
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
    fn readers_are_sent_to_a_mailbox_or_a_page_and_nowhere_else() {
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
