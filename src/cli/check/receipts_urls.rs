//! Checks the public URLs that providers are given for their receipts: whether they can lead to this gateway's listener.

use reqwest::Url;

use super::report::CheckReport;
use crate::channel::{ProviderEndpoint, Settings};

/// Below it, the path of the receipts listener names the provider.
const PREFIX: &str = "receipts";

pub(super) fn check(providers: &[Settings], report: &mut CheckReport) {
    for provider in providers {
        // One that is no URL is an error of the provider.
        let Some(url) = provider.receipts_url().and_then(|url| Url::parse(url).ok()) else { continue };
        for warning in warnings(&url, provider.name()) {
            report.warning("receipts", format_args!("{}: {warning}", provider.name()));
        }
    }
}

fn warnings(url: &Url, provider: &str) -> Vec<String> {
    let mut found = Vec::new();
    let host = url.host_str().unwrap_or_default();
    if ProviderEndpoint::of_url(url.as_str()).is_some_and(|endpoint| endpoint.is_loopback()) {
        found.push(format!("its receipts URL leads to {host}: no other machine can call it"));
    } else if url.scheme() != "https" {
        found.push(
            "its receipts URL is not https://: receipts, and the secret in the URL, can be read on the way".to_owned(),
        );
    }
    let segments: Vec<_> = url.path_segments().into_iter().flatten().collect();
    match segments[..] {
        [.., PREFIX, name] if name == provider => {}
        [.., PREFIX, name] => {
            found.push(format!("its receipts URL ends in /{PREFIX}/{name}: expected /{PREFIX}/{provider}"));
        }
        _ => found
            .push(format!("its receipts URL does not end in /{PREFIX}/{provider}: a proxy has to rewrite the path")),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_the_path_of_its_provider_over_tls() {
        let found = |url: &str| warnings(&url.parse().unwrap(), "sms").join("; ");
        assert_eq!(found("https://bank.example/receipts/sms"), "");
        assert_eq!(found("https://bank.example/otpost/receipts/sms"), "");
        for (url, expected) in [
            ("http://bank.example/receipts/sms", "is not https://"),
            ("https://127.0.0.1/receipts/sms", "no other machine can call it"),
            ("https://bank.example/receipts/mss", "ends in /receipts/mss: expected /receipts/sms"),
            ("https://bank.example/receipts", "does not end in /receipts/sms"),
            ("https://bank.example/", "does not end in /receipts/sms"),
            ("https://bank.example/receipts/sms/", "does not end in /receipts/sms"),
        ] {
            assert!(found(url).contains(expected), "{url}: {}", found(url));
        }
    }
}
