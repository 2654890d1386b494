//! Reads certificates and private keys from PEM files.

use std::path::{Path, PathBuf};

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::Error;
use crate::file_access;

/// The certificate of a listener, the chain above it, and its private key.
///
/// The key always belongs to the certificate: while only one of the two files has been replaced, reading them fails.
pub struct ServerIdentity {
    pub certificate: X509,
    pub chain: Vec<X509>,
    pub key: PKey<Private>,
    setting: String,
    path: PathBuf,
}

impl ServerIdentity {
    /// Reads the files that `certificate` and `key` of the configuration section `section` name.
    pub fn read(section: &str, certificate: &Path, key: &Path) -> Result<Self, Error> {
        let setting = format!("{section}.certificate");
        let mut chain = read_certificates(&setting, certificate)?;
        let own = chain.remove(0);
        let private = read_key(&format!("{section}.key"), key)?;
        if !own.public_key().is_ok_and(|public| public.public_eq(&private)) {
            return Err(Error::file(format!("{section}.key"), key, format!("not the key of {setting}")));
        }
        Ok(Self { certificate: own, chain, key: private, setting, path: certificate.to_owned() })
    }

    /// An error in the certificate file.
    pub fn error(&self, what: impl Into<String>) -> Error {
        Error::file(self.setting.as_str(), &self.path, what)
    }
}

/// Reads at least one certificate from the file that the setting `key` names.
pub fn read_certificates(key: &str, path: &Path) -> Result<Vec<X509>, Error> {
    file_access::read_certificates(path).map_err(|error| Error::file(key, path, error.to_string()))
}

fn read_key(key: &str, path: &Path) -> Result<PKey<Private>, Error> {
    let pem = Zeroizing::new(
        std::fs::read(path).map_err(|error| Error::file(key, path, file_access::explain(path, &error)))?,
    );
    // Without a callback OpenSSL would ask for the passphrase of an encrypted key on the terminal and wait.
    let private = PKey::private_key_from_pem_callback(&pem, |_| Ok(0));
    private.map_err(|_| Error::file(key, path, "not a private key in PEM"))
}
