//! Where a provider is reached, and whether TLS protects what is sent there.

use std::net::IpAddr;

use reqwest::Url;

/// The server of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEndpoint {
    /// A name or an IP address.
    pub host: String,
    pub port: u16,
    pub is_encrypted: bool,
}

impl ProviderEndpoint {
    /// The server of an `http://` or `https://` URL.
    pub fn of_url(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port: url.port_or_known_default()?, is_encrypted: url.scheme() == "https" })
    }

    /// Whether it is this machine, whatever a name server says.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        host.parse::<IpAddr>().map_or(host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
    }

    /// Whether messages can be read on the way to it.
    pub fn is_exposed(&self) -> bool {
        !self.is_encrypted && !self.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_connections_to_other_machines_are_exposed() {
        for (url, exposed) in [
            ("https://sms.example/send", false),
            ("http://sms.example/send", true),
            ("http://127.0.0.1:8601/", false),
            ("http://127.7.7.7/", false),
            ("http://[::1]:80/", false),
            ("http://LOCALHOST/", false),
            ("http://localhost./", false),
            ("http://localhost.example/", true),
            ("http://10.0.0.1/", true),
            ("http://0.0.0.0/", true),
        ] {
            assert_eq!(ProviderEndpoint::of_url(url).unwrap().is_exposed(), exposed, "{url}");
        }
        let endpoint = ProviderEndpoint::of_url("http://[2001:db8::1]/").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("2001:db8::1", 80));
        assert_eq!(ProviderEndpoint::of_url("env:SMS_URL").map(|endpoint| endpoint.host), None);
    }
}
