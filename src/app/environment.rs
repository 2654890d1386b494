//! What `environment = "production"` forbids: trusting a development CA, and sending codes to another machine in clear.
//!
//! The key of a development CA is kept where things are tried out. A thief of that key could post codes as the processor.

use std::fmt;
use std::path::PathBuf;

use openssl::x509::X509;

use crate::channel::{self, ProviderEndpoint};
use crate::config::{Config, Environment};
use crate::file_access;
use crate::flow::users::SecondFactor;
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
    /// Codes would travel in clear.
    #[error(
        "{0}, which environment = \"production\" refuses; use https:// or tls, or set insecure = true on the provider if \
         another layer encrypts that network"
    )]
    Unencrypted(String),
    /// What becomes of deliveries would travel in clear.
    #[error(
        "events.url: status events travel unencrypted to {0}, which environment = \"production\" refuses; use https://"
    )]
    UnencryptedEvents(String),
    /// A password alone would open the console.
    #[error(
        "console.second_factor = \"optional\": environment = \"production\" asks every user of the console for a one-time code; \
         set it to \"required\""
    )]
    NoSecondFactor,
}

/// Messages to this provider are sent to another machine without TLS.
pub struct UnencryptedProvider<'a> {
    pub name: &'a str,
    host: String,
    /// Whether the operator accepts that.
    pub is_allowed: bool,
}

impl fmt::Display for UnencryptedProvider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider {}: messages travel unencrypted to {}", self.name, self.host)
    }
}

/// The providers on other machines that messages are sent to without TLS.
pub fn unencrypted_providers(config: &Config) -> Vec<UnencryptedProvider<'_>> {
    let exposed = |provider: &'_ channel::Settings| provider.endpoint().filter(ProviderEndpoint::is_exposed);
    let providers = config.provider.iter().filter_map(|provider| Some((provider, exposed(provider)?)));
    providers
        .map(|(provider, endpoint)| UnencryptedProvider {
            name: provider.name(),
            host: endpoint.host,
            is_allowed: provider.common.insecure,
        })
        .collect()
}

/// Checks the CAs that the configuration trusts, and the way to the providers. A file that cannot be read is reported when
/// the listener starts.
pub fn check(config: &Config) -> Result<(), Error> {
    if config.environment == Environment::Dev {
        return Ok(());
    }
    let path = &config.ingest.client_ca;
    let trusted = file_access::read_certificates(path).unwrap_or_default();
    let is_for_dev = |authority: &X509| pki::environment_of(authority) == Some(CaEnvironment::Dev);
    if trusted.iter().any(is_for_dev) {
        return Err(Error::DevelopmentCa(path.clone()));
    }
    if config.console.address().is_open() && config.console.second_factor == SecondFactor::Optional {
        return Err(Error::NoSecondFactor);
    }
    if let Some(endpoint) = config.events.endpoint().filter(ProviderEndpoint::is_exposed) {
        return Err(Error::UnencryptedEvents(endpoint.host));
    }
    let refused: Vec<_> =
        unencrypted_providers(config).iter().filter(|it| !it.is_allowed).map(ToString::to_string).collect();
    if refused.is_empty() { Ok(()) } else { Err(Error::Unencrypted(refused.join("; "))) }
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

    #[test]
    fn a_provider_without_tls_on_another_machine_is_refused_in_production_unless_it_is_marked() {
        let provider = |json: &str| serde_json::from_str(json).unwrap();
        let config = |environment, insecure: bool| Config {
            environment,
            provider: vec![
                provider(r#"{"kind":"sms_gateway","name":"local","url":"http://127.0.0.1:1/"}"#),
                provider(r#"{"kind":"smtp","name":"tls","host":"mail.example","from":"a@b.example"}"#),
                provider(&format!(
                    r#"{{"kind":"push_http","name":"app","url":"http://push.example/","insecure":{insecure}}}"#
                )),
                provider(&format!(
                    r#"{{"kind":"smtp","name":"mail","host":"mail.example","from":"a@b.example","tls":"none","insecure":{insecure}}}"#
                )),
            ],
            ..Config::default()
        };

        let refused = check(&config(Environment::Production, false)).unwrap_err().to_string();

        assert!(refused.contains("provider app: messages travel unencrypted to push.example"), "{refused}");
        assert!(refused.contains("provider mail: ") && !refused.contains("local") && !refused.contains("provider tls"));
        assert!(refused.contains("insecure = true"), "{refused}");
        assert!(check(&config(Environment::Production, true)).is_ok());
        assert!(check(&config(Environment::Dev, false)).is_ok());
        let mut events = config(Environment::Production, true);
        events.events.url = "http://crm.example/hook".to_owned();
        let refused = check(&events).unwrap_err().to_string();
        assert!(refused.starts_with("events.url: status events travel unencrypted to crm.example"), "{refused}");
        assert_eq!(unencrypted_providers(&config(Environment::Dev, false)).len(), 2);
    }
}
