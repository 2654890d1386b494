//! The last lines of an SMS, by which a phone fills in the code: the hash of an app (Android's SMS Retriever) and the domain
//! of a page (origin-bound one-time codes of the WICG, supported by iOS and Chrome).
//!
//! Both are off unless set. A 3-D Secure code is typed into the challenge page, which belongs to the access control server:
//! with the bank's own domain in the message a phone would not fill in the code there, and a hash is useful only when the
//! bank's app asks for the code.

use crate::render::error::Error;
use crate::render::settings::AutofillSettings;

/// The length of an app's hash.
const HASH: usize = 11;

/// The longest host name and the longest of its labels (RFC 1035, 2.3.4).
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// The lines below the text of an OTP message.
#[derive(Debug, Default)]
pub(crate) struct AutofillLines {
    app_hash: String,
    domain: String,
}

impl AutofillLines {
    /// Checks the settings.
    pub(crate) fn new(settings: &AutofillSettings) -> Result<Self, Error> {
        let AutofillSettings { app_hash, domain } = settings;
        if !app_hash.is_empty() && !is_app_hash(app_hash) {
            let expected = "must be the 11 letters, digits, + and / of the SMS Retriever hash, or empty";
            return Err(Error::Setting { key: "autofill.app_hash", expected });
        }
        if !domain.is_empty() && !is_host_name(domain) {
            let expected = "must be an ASCII host name such as pay.bank.example, or empty";
            return Err(Error::Setting { key: "autofill.domain", expected });
        }
        Ok(Self { app_hash: app_hash.clone(), domain: domain.to_ascii_lowercase() })
    }

    /// The length of the lines in bytes, with a code of `code` bytes.
    pub(crate) fn length(&self, code: usize) -> usize {
        self.app_hash.len() + self.domain.len() + code + "\n\n@ #".len()
    }

    /// Appends the lines to `text`, the one with the domain last.
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
        AutofillLines::new(&AutofillSettings { app_hash: app_hash.into(), domain: domain.into() })
    }

    fn below(app_hash: &str, domain: &str) -> String {
        let lines = lines(app_hash, domain).unwrap();
        let mut text = String::from("Code 0042");
        lines.put("0042", &mut text);
        assert!(text.len() <= "Code 0042".len() + lines.length(4));
        text
    }

    #[test]
    fn the_domain_and_the_code_are_the_last_line_and_the_hash_has_its_own() {
        assert_eq!(below("", ""), "Code 0042");
        assert_eq!(below("FA+9qCX9VSu", ""), "Code 0042\nFA+9qCX9VSu");
        assert_eq!(below("", "Pay.Bank.example"), "Code 0042\n@pay.bank.example #0042");
        assert_eq!(below("FA+9qCX9VSu", "bank.example"), "Code 0042\nFA+9qCX9VSu\n@bank.example #0042");
    }

    #[test]
    fn an_invalid_hash_or_host_name_is_rejected() {
        for bad in ["short", "FA+9qCX9VSu=", "FA 9qCX9VSu", "FA+9qCX9VS\n", "łłłłł1"] {
            assert!(
                lines(bad, "").unwrap_err().to_string().starts_with("templates.autofill.app_hash: must be"),
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
            assert!(lines("", bad).unwrap_err().to_string().starts_with("templates.autofill.domain: must be"), "{bad}");
        }
        assert!(lines("", &format!("{}.example", "a".repeat(64))).is_err());
        assert!(lines("", "xn--bnk-qla.example").is_ok());
    }
}
