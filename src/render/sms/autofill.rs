//! The last lines of a text message, by which a phone takes the code out of it by itself: the hash of an app (Android's
//! SMS Retriever) and the domain of a page (origin-bound one-time codes of the WICG, which iOS and Chrome read).
//!
//! Both are off unless set. A 3-D Secure code is typed into the challenge page, and that belongs to the access control
//! server: with the bank's own domain in the message a phone would refuse to fill the code in there, and a hash is of use
//! only where the bank's app asks for the code.

use crate::render::error::Error;
use crate::render::settings::AutofillSettings;

/// The signs of an app's hash.
const HASH: usize = 11;

/// The longest host name and the longest of its labels (RFC 1035, 2.3.4).
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// What stands below the text of a code.
#[derive(Debug, Default)]
pub(crate) struct AutofillLines {
    app_hash: String,
    domain: String,
}

impl AutofillLines {
    /// Checks the settings.
    pub(crate) fn of(settings: &AutofillSettings) -> Result<Self, Error> {
        let AutofillSettings { app_hash, domain } = settings;
        if !app_hash.is_empty() && !is_app_hash(app_hash) {
            let expected =
                "expected the 11 letters, digits, + and / that the SMS Retriever knows the app by, or nothing";
            return Err(Error::Setting { key: "autofill.app_hash", expected });
        }
        if !domain.is_empty() && !is_host_name(domain) {
            let expected = "expected a host name in ASCII such as pay.bank.example, or nothing";
            return Err(Error::Setting { key: "autofill.domain", expected });
        }
        Ok(Self { app_hash: app_hash.clone(), domain: domain.to_ascii_lowercase() })
    }

    /// The bytes that they take with a code of so many.
    pub(crate) fn length(&self, code: usize) -> usize {
        self.app_hash.len() + self.domain.len() + code + "\n\n@ #".len()
    }

    /// Writes them to the end of `text`, the one with the domain last.
    pub(crate) fn put(&self, code: &str, text: &mut String) {
        if !self.app_hash.is_empty() {
            text.extend(["\n", &self.app_hash]);
        }
        if !self.domain.is_empty() {
            text.extend(["\n@", &self.domain, " #", code]);
        }
    }
}

fn is_app_hash(text: &str) -> bool {
    text.len() == HASH && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

// Two labels at least; an address of numbers is no name.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_named = text.rsplit('.').next().is_some_and(|top| top.bytes().any(|b| b.is_ascii_alphabetic()));
    text.len() <= HOST_MAX && text.contains('.') && text.split('.').all(label) && is_named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(app_hash: &str, domain: &str) -> Result<AutofillLines, Error> {
        AutofillLines::of(&AutofillSettings { app_hash: app_hash.into(), domain: domain.into() })
    }

    fn below(app_hash: &str, domain: &str) -> String {
        let lines = lines(app_hash, domain).unwrap();
        let mut text = String::from("Code 0042");
        lines.put("0042", &mut text);
        assert!(text.len() <= "Code 0042".len() + lines.length(4));
        text
    }

    #[test]
    fn the_domain_with_the_code_is_the_last_line_and_the_hash_stands_alone() {
        assert_eq!(below("", ""), "Code 0042");
        assert_eq!(below("FA+9qCX9VSu", ""), "Code 0042\nFA+9qCX9VSu");
        assert_eq!(below("", "Pay.Bank.example"), "Code 0042\n@pay.bank.example #0042");
        assert_eq!(below("FA+9qCX9VSu", "bank.example"), "Code 0042\nFA+9qCX9VSu\n@bank.example #0042");
    }

    #[test]
    fn what_is_no_hash_or_no_host_name_is_refused() {
        for bad in ["short", "FA+9qCX9VSu=", "FA 9qCX9VSu", "FA+9qCX9VS\n", "łłłłł1"] {
            assert!(
                lines(bad, "").unwrap_err().to_string().starts_with("templates.autofill.app_hash: expected"),
                "{bad}"
            );
        }
        for bad in [
            "bank",
            "https://bank.example",
            "bank.example/pay",
            "bank..example",
            "-bank.example",
            "bank.example.",
            "bank_x.pl",
            "10.0.0.1",
            "bank.example #1",
            "bänk.example",
            "@bank.example",
        ] {
            assert!(
                lines("", bad).unwrap_err().to_string().starts_with("templates.autofill.domain: expected"),
                "{bad}"
            );
        }
        assert!(lines("", &format!("{}.example", "a".repeat(64))).is_err());
        assert!(lines("", "xn--bnk-qla.example").is_ok());
    }
}
