//! The certificate that is shown to receivers which ask for one (mutual TLS).

use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::Identity;

use crate::channel::Error;
use crate::domain::secret::Credential;

/// `client_certificate` and `client_private_key` as the TLS library takes them; `None` without both.
pub(super) fn identity(
    name: &str,
    certificate: Option<&Credential>,
    key: Option<&Credential>,
) -> Result<Option<Identity>, Error> {
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate.expose().as_bytes(), key.expose().as_bytes()),
        _ => return Err(Error::new(name, "client_certificate and client_private_key: expected both or none")),
    };
    let certificates = X509::stack_from_pem(certificate).ok().filter(|all| !all.is_empty());
    let certificates =
        certificates.ok_or_else(|| Error::new(name, "client_certificate: expected certificates in PEM"))?;
    let key = PKey::private_key_from_pem(key)
        .map_err(|_| Error::new(name, "client_private_key: expected a private key in PEM, without a passphrase"))?;
    if !certificates[0].public_key().is_ok_and(|public| public.public_eq(&key)) {
        return Err(Error::new(name, "client_private_key: is not the key of client_certificate"));
    }
    let unusable = || Error::new(name, "client_certificate: cannot be used by the TLS library");
    let key = key.private_key_to_pem_pkcs8().map_err(|_| unusable())?;
    Identity::from_pkcs8_pem(certificate, &key).map(Some).map_err(|_| unusable())
}
