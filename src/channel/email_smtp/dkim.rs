//! DKIM signatures (RFC 6376; RFC 8463 for Ed25519): the domain of the sender vouches for the mail, so that mailboxes need not guess.
//!
//! Header and body are signed in their relaxed form, which survives what relays do to spaces and line breaks.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde::Deserialize;

use crate::channel::Error;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;

/// The shortest RSA key, in bits (RFC 8301, section 3.2).
const RSA_MIN: u32 = 2048;

/// Headers that must not be added to a signed mail: they are signed once more than they occur (RFC 6376, section 8.15).
const COMPLETE: [&str; 5] = ["from", "to", "subject", "date", "message-id"];

/// The characters of a folded line. A header line may have more, but few programs write more.
const LINE: usize = 72;

/// The table `dkim` of kind `smtp`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The domain that signs: the sender's, or one above it; the sender's when absent.
    #[serde(default)]
    pub domain: Option<String>,
    /// The public key is in DNS at `SELECTOR._domainkey.DOMAIN`.
    pub selector: String,
    /// The private key in PEM: RSA of 2048 bits or more, or Ed25519.
    pub private_key: Credential,
}

/// Signs mails for one domain.
pub(super) struct DkimSigner {
    domain: String,
    selector: String,
    key: PKey<Private>,
    algorithm: &'static str,
}

impl DkimSigner {
    /// `sender` is the domain of `From`: a signature of another domain would not count for it (RFC 7489, section 3.1.1).
    pub(super) fn new(provider: &str, settings: &Settings, sender: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(provider, what);
        let domain = settings.domain.as_deref().unwrap_or(sender).to_ascii_lowercase();
        let sender = sender.to_ascii_lowercase();
        if sender != domain && !sender.ends_with(&format!(".{domain}")) {
            return Err(wrong(format!("dkim.domain: expected {sender}, the domain of from, or one above it")));
        }
        let selector = &settings.selector;
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !selector.split('.').all(is_label) {
            return Err(wrong("dkim.selector: expected letters, digits and hyphens, such as otp2026".to_owned()));
        }
        let key = PKey::private_key_from_pem(settings.private_key.expose().as_bytes())
            .map_err(|_| wrong("dkim.private_key: expected a private key in PEM without a password".to_owned()))?;
        let algorithm = match key.id() {
            Id::RSA if key.bits() >= RSA_MIN => "rsa-sha256",
            Id::RSA => {
                return Err(wrong(format!("dkim.private_key: expected at least {RSA_MIN} bits, found {}", key.bits())));
            }
            Id::ED25519 => "ed25519-sha256",
            _ => return Err(wrong("dkim.private_key: expected an RSA or Ed25519 key".to_owned())),
        };
        Ok(Self { domain, selector: selector.clone(), key, algorithm })
    }

    /// Puts a signature in front of `mail`.
    pub(super) fn sign(&self, mail: &mut Vec<u8>, now: Timestamp) -> Result<(), ErrorStack> {
        let text = String::from_utf8_lossy(mail);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let headers = headers(head);
        let names = headers.iter().map(|(name, _)| name.as_str()).chain(COMPLETE);
        let body_hash = openssl::base64::encode_block(&sha256(relaxed_body(body).as_bytes()));
        let signature = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; t={};\r\n h={};\r\n bh={body_hash};\r\n b=",
            self.algorithm,
            self.domain,
            self.selector,
            now.seconds(),
            folded(names),
        );
        let own = self::headers(&signature);
        let fields = headers.iter().chain(&own).map(|(name, value)| format!("{name}:{value}"));
        let signed = self.signature(fields.collect::<Vec<_>>().join("\r\n").as_bytes())?;
        let lines: Vec<_> = signed.as_bytes().chunks(LINE).map(String::from_utf8_lossy).collect();
        let signature = format!("{signature}{}\r\n", lines.join("\r\n  "));
        mail.splice(..0, signature.into_bytes());
        Ok(())
    }

    // Ed25519 signs the hash of what RSA signs (RFC 8463, section 3).
    fn signature(&self, signed: &[u8]) -> Result<String, ErrorStack> {
        let signature = if self.key.id() == Id::ED25519 {
            Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(&sha256(signed))?
        } else {
            Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(signed)?
        };
        Ok(openssl::base64::encode_block(&signature))
    }
}

/// The list of signed headers.
fn folded<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let (mut list, mut width) = (String::new(), 0);
    for name in names {
        if !list.is_empty() {
            list.push(':');
        }
        if width + name.len() > LINE {
            list.push_str("\r\n  ");
            width = 0;
        }
        list.push_str(name);
        width += name.len() + 1;
    }
    list
}

/// Names and values of the header fields in their relaxed form (RFC 6376, section 3.4.2).
fn headers(head: &str) -> Vec<(String, String)> {
    let mut fields: Vec<String> = Vec::new();
    for line in head.split("\r\n") {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(line),
            _ => fields.push(line.to_owned()),
        }
    }
    let fields = fields.iter().filter_map(|field| field.split_once(':'));
    fields.map(|(name, value)| (name.trim_end().to_ascii_lowercase(), one_spaced(value).trim().to_owned())).collect()
}

/// The body in its relaxed form (RFC 6376, section 3.4.4).
fn relaxed_body(body: &str) -> String {
    let lines: Vec<_> = body.split("\r\n").map(one_spaced).collect();
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines[..used].iter().flat_map(|line| [line, "\r\n"]).collect()
}

/// `text` with one space for every run of spaces and tabs.
fn one_spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '\t' if spaced.ends_with(' ') => {}
            ' ' | '\t' => spaced.push(' '),
            other => spaced.push(other),
        }
    }
    spaced
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::rsa::Rsa;

    use super::*;

    fn signer(key: &str, domain: Option<&str>, selector: &str) -> Result<DkimSigner, String> {
        let settings = Settings {
            domain: domain.map(str::to_owned),
            selector: selector.to_owned(),
            private_key: Credential::new(key.to_owned()),
        };
        DkimSigner::new("relay", &settings, "otp.bank.example").map_err(|error| error.to_string())
    }

    fn pem<T: openssl::pkey::HasPrivate>(key: &PKey<T>) -> String {
        String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    #[test]
    fn spaces_and_empty_lines_at_the_end_do_not_change_what_is_signed() {
        assert_eq!(headers("A: X\r\nB : Y\t\r\n\tZ  "), [("a".into(), "X".into()), ("b".into(), "Y Z".into())]);
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        assert_eq!(relaxed_body("\r\n\r\n"), "");
    }

    #[test]
    fn the_key_must_be_one_that_mailboxes_accept_and_the_domain_the_senders() {
        let ed25519 = pem(&PKey::generate_ed25519().unwrap());
        assert_eq!(signer(&ed25519, None, "otp2026").unwrap().domain, "otp.bank.example");
        assert_eq!(signer(&ed25519, Some("Bank.example"), "a.b").unwrap().domain, "bank.example");
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        for (key, domain, selector, expected) in [
            (
                &ed25519,
                Some("ank.example"),
                "a",
                "dkim.domain: expected otp.bank.example, the domain of from, or one above it",
            ),
            (&ed25519, None, "a b", "dkim.selector: expected letters, digits and hyphens, such as otp2026"),
            (&ed25519, None, "", "dkim.selector: expected letters, digits and hyphens, such as otp2026"),
            (&"no key".to_owned(), None, "a", "dkim.private_key: expected a private key in PEM without a password"),
            (
                &pem(&PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap()),
                None,
                "a",
                "dkim.private_key: expected at least 2048 bits, found 1024",
            ),
            (
                &pem(&PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()),
                None,
                "a",
                "dkim.private_key: expected an RSA or Ed25519 key",
            ),
        ] {
            assert_eq!(signer(key, domain, selector).err(), Some(format!("provider relay: {expected}")));
        }
    }
}
