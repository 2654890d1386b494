//! What `environment = "production"` forbids: trusting a development CA.
//!
//! The key of a development CA is kept where things are tried out. A thief of that key could post codes as the processor.

use std::path::PathBuf;

use openssl::x509::X509;

use crate::config::{Config, Environment};
use crate::pki::{self, CaEnvironment};

/// Why the configuration does not suit its environment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ingest listener would accept clients of a development CA.
    #[error(
        "ingest.client_ca {}: holds a development CA, which environment = \"production\" does not trust; \
         make a production one with otpost ca init --env prod",
        .0.display()
    )]
    DevelopmentCa(PathBuf),
}

/// Checks the CAs that the configuration trusts. A file that cannot be read is reported when the listener starts.
pub fn check(config: &Config) -> Result<(), Error> {
    if config.environment == Environment::Dev {
        return Ok(());
    }
    let path = &config.ingest.client_ca;
    let trusted = std::fs::read(path).ok().and_then(|pem| X509::stack_from_pem(&pem).ok()).unwrap_or_default();
    let is_for_dev = |authority: &X509| pki::environment_of(authority) == Some(CaEnvironment::Dev);
    if trusted.iter().any(is_for_dev) { Err(Error::DevelopmentCa(path.clone())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::Authority;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn checked(environment: Environment, trusted: &[Authority]) -> Result<(), Error> {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { environment, ..Config::default() };
        config.ingest.client_ca = folder.path().join("ca.pem");
        let pem: Vec<u8> = trusted.iter().flat_map(|it| it.certificate().to_pem().unwrap()).collect();
        std::fs::write(&config.ingest.client_ca, pem).unwrap();
        check(&config)
    }

    #[test]
    fn a_development_ca_is_rejected_in_production_at_any_place_in_the_file() {
        let of = |environment| Authority::create_for(environment, "Bank CA", 10, NOW).unwrap();
        let unmarked = || Authority::create("Unmarked CA", 10, NOW).unwrap();

        assert!(checked(Environment::Dev, &[of(CaEnvironment::Dev)]).is_ok());
        assert!(checked(Environment::Production, &[of(CaEnvironment::Prod), unmarked()]).is_ok());
        for trusted in [vec![of(CaEnvironment::Dev)], vec![of(CaEnvironment::Prod), of(CaEnvironment::Dev)]] {
            let error = checked(Environment::Production, &trusted).unwrap_err().to_string();
            assert!(error.contains("ca.pem: holds a development CA"), "{error}");
        }
    }
}
