//! `[receipts]` of the configuration, what can be wrong with it, and the files behind its TLS.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod};
use openssl::x509::X509;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Level 2 refuses keys below 112 bits: RSA under 2048, curves under 224.
const SECURITY_LEVEL: u32 = 2;

/// `[receipts]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no such door.
    pub listen: String,
    /// Our certificate and the chain above it, PEM; empty for plain HTTP, which only loopback may have.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// What stands before `/receipts/…`; empty for nothing, else such as `/otpost`.
    pub base_path: String,
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be used.
    #[error("receipts.{key}: {what}")]
    Setting {
        /// Which.
        key: &'static str,
        /// What was expected.
        what: &'static str,
    },
    /// A file is missing or is not what it should be.
    #[error("receipts.{key} {}: {what}", path.display())]
    File {
        /// The configuration's name for it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The port is taken, or not ours to take.
    #[error("receipts.listen: cannot listen on {listen}")]
    Listen {
        /// Address and port.
        listen: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// OpenSSL refused.
    #[error("receipts: the TLS library failed")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

/// What a listener needs to know, read and checked.
pub(super) struct ListenAddress {
    pub(super) addresses: Vec<SocketAddr>,
    /// Nothing on loopback without a certificate.
    pub(super) tls: Option<SslAcceptorBuilder>,
    pub(super) base_path: String,
}

impl Settings {
    /// Whether there is such a door.
    pub fn is_open(&self) -> bool {
        !self.listen.is_empty()
    }

    /// All paths, for whoever knows where they begin.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.certificate, &mut self.key].into_iter().filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn place(&self) -> Result<ListenAddress, Error> {
        let base_path = self.checked_base_path()?;
        let cannot = |source| Error::Listen { listen: self.listen.clone(), source };
        let addresses: Vec<_> = self.listen.to_socket_addrs().map_err(cannot)?.collect();
        let tls = match [&self.certificate, &self.key].map(|path| !path.as_os_str().is_empty()) {
            [true, true] => Some(acceptor(&self.certificate, &self.key)?),
            [false, false] if addresses.iter().all(|address| address.ip().is_loopback()) => None,
            [false, false] => {
                let what = "expected a certificate, since others than this machine can reach the address";
                return Err(Error::Setting { key: "certificate", what });
            }
            _ => return Err(Error::Setting { key: "certificate", what: "expected with its key, or neither" }),
        };
        Ok(ListenAddress { addresses, tls, base_path })
    }

    fn checked_base_path(&self) -> Result<String, Error> {
        let path = &self.base_path;
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
        if path.is_empty() || (plain && path.starts_with('/') && !path.ends_with('/') && !path.contains("//")) {
            return Ok(path.clone());
        }
        let what = "expected nothing, or a path such as /otpost without a slash at its end";
        Err(Error::Setting { key: "base_path", what })
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<SslAcceptorBuilder, Error> {
    let wrong = |key, path: &Path, what: String| Error::File { key, path: path.to_owned(), what };
    let pem = std::fs::read(certificate).map_err(|error| wrong("certificate", certificate, error.to_string()))?;
    let chain = X509::stack_from_pem(&pem).unwrap_or_default();
    let [own, above @ ..] = &chain[..] else {
        return Err(wrong("certificate", certificate, "expected certificates in PEM".to_owned()));
    };
    let pem = std::fs::read(key).map(Zeroizing::new).map_err(|error| wrong("key", key, error.to_string()))?;
    // Without a callback OpenSSL would stop and ask at the terminal for the words of an encrypted key.
    let private = PKey::private_key_from_pem_callback(&pem, |_| Ok(0));
    let private = private.map_err(|_| wrong("key", key, "not a private key in PEM".to_owned()))?;
    if !own.public_key().is_ok_and(|public| public.public_eq(&private)) {
        return Err(wrong("key", key, "not the key of receipts.certificate".to_owned()));
    }
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    tls.set_security_level(SECURITY_LEVEL);
    tls.set_max_early_data(0)?;
    tls.set_certificate(own)?;
    for certificate in above {
        tls.add_extra_chain_cert(certificate.clone())?;
    }
    tls.set_private_key(&private)?;
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: &Settings) -> String {
        settings.place().err().unwrap().to_string()
    }

    fn at(listen: &str) -> Settings {
        Settings { listen: listen.to_owned(), ..Settings::default() }
    }

    #[test]
    fn plain_http_is_for_loopback() {
        assert!(at("127.0.0.1:0").place().is_ok_and(|place| place.tls.is_none()));
        assert!(at("[::1]:0").place().is_ok());
        assert!(refusal(&at("0.0.0.0:0")).starts_with("receipts.certificate: expected a certificate"));
        let half = Settings { key: "a.key".into(), ..at("127.0.0.1:0") };
        assert_eq!(refusal(&half), "receipts.certificate: expected with its key, or neither");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key() {
        let lost = Settings { certificate: "/no/a.pem".into(), key: "/no/a.key".into(), ..at("127.0.0.1:0") };
        assert!(refusal(&lost).starts_with("receipts.certificate /no/a.pem: "));
        assert!(refusal(&at("nowhere")).starts_with("receipts.listen: "));
        for path in ["otpost", "/", "/a/", "//a", "/{provider}"] {
            let wrong = Settings { base_path: path.to_owned(), ..at("127.0.0.1:0") };
            assert!(refusal(&wrong).starts_with("receipts.base_path: "), "{path}");
        }
    }
}
