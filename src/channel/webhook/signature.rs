//! Signs requests as Standard Webhooks has it: `v1,base64(HMAC-SHA256(secret, id.timestamp.body))`, one signature for each secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use reqwest::header::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::channel::Error;
use crate::channel::hmac::hmac;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;

/// The lengths of a secret, in bytes, as the standard recommends them.
const SECRET_MIN: usize = 24;
const SECRET_MAX: usize = 64;

/// The secrets that sign, the current one first.
pub(super) struct SigningSecrets(Vec<Zeroizing<Vec<u8>>>);

impl SigningSecrets {
    pub(super) fn new(name: &str, current: &Credential, previous: Option<&Credential>) -> Result<Self, Error> {
        let keys = [("secret", Some(current)), ("previous_secret", previous)];
        let read = keys.into_iter().filter_map(|(key, secret)| Some((key, secret?))).map(|(key, secret)| {
            let expected = format!("{key}: expected whsec_ and {SECRET_MIN} to {SECRET_MAX} bytes in base64");
            bytes_of(secret).ok_or_else(|| Error::new(name, expected))
        });
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// The headers of a request with this body, which is sent `at`. Without a signature if the cryptographic library fails: receivers
    /// refuse that.
    pub(super) fn headers(&self, id: &str, at: Timestamp, body: &str) -> Vec<(HeaderName, HeaderValue)> {
        let seconds = at.seconds().to_string();
        let signatures = self.0.iter().filter_map(|secret| signature(secret, &format!("{id}.{seconds}.{body}")));
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.clone()),
            ("webhook-signature", signatures.collect::<Vec<_>>().join(" ")),
        ];
        let header =
            |(name, value): (_, String)| Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?));
        headers.into_iter().filter_map(header).collect()
    }
}

fn bytes_of(secret: &Credential) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(STANDARD.decode(secret.expose().trim().strip_prefix("whsec_")?).ok()?);
    (SECRET_MIN..=SECRET_MAX).contains(&bytes.len()).then_some(bytes)
}

fn signature(secret: &[u8], text: &str) -> Option<String> {
    let signature = hmac(MessageDigest::sha256(), secret, &[text.as_bytes()]).ok()?;
    Some(format!("v1,{}", STANDARD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the standard's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn secrets(current: &str, previous: Option<&str>) -> Result<SigningSecrets, Error> {
        let previous = previous.map(|secret| Credential::new(secret.to_owned()));
        SigningSecrets::new("crm", &Credential::new(current.to_owned()), previous.as_ref())
    }

    #[test]
    fn the_example_of_the_standard_is_signed() {
        let at = Timestamp::from_micros(1_614_265_330_999_999);
        let headers =
            |secrets: SigningSecrets| secrets.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        let signed = headers(secrets(SECRET, None).unwrap());
        assert_eq!(signed[1].1, "1614265330");
        assert_eq!(signed[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSX";
        let both = headers(secrets(other, Some(SECRET)).unwrap())[2].1.clone();
        let both = both.to_str().unwrap();
        assert!(
            both.ends_with(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") && both.matches("v1,").count() == 2,
            "{both}"
        );
    }

    #[test]
    fn a_secret_of_another_form_is_named_by_its_key_alone() {
        for bad in
            ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 not base64 not"]
        {
            let error = secrets(bad, None).err().unwrap().to_string();
            assert_eq!(error, "provider crm: secret: expected whsec_ and 24 to 64 bytes in base64", "{bad}");
            let error = secrets(SECRET, Some(bad)).err().unwrap().to_string();
            assert!(error.starts_with("provider crm: previous_secret: "), "{error}");
        }
    }
}
