//! Checks that the hosts of the providers have addresses.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::report::CheckReport;
use crate::channel;

/// A name that takes longer delays each first message to the provider by as much.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn check(providers: &[channel::Settings], report: &mut CheckReport) {
    let (found, results) = mpsc::channel();
    let mut waiting = Vec::new();
    for provider in providers {
        let Some(endpoint) = provider.endpoint() else { continue };
        if endpoint.is_loopback() || endpoint.host.parse::<IpAddr>().is_ok() {
            continue;
        }
        let (name, host, port, found) = (provider.name().to_owned(), endpoint.host, endpoint.port, found.clone());
        waiting.push((name.clone(), host.clone()));
        // A lookup in the name service cannot be cancelled; a thread that still waits ends with this process.
        std::thread::spawn(move || {
            let error = (host.as_str(), port).to_socket_addrs().err().map(|error| error.to_string());
            let _ = found.send((name, host, error));
        });
    }
    drop(found);
    let end = Instant::now() + PATIENCE;
    while let Ok((name, host, error)) = results.recv_timeout(end.saturating_duration_since(Instant::now())) {
        waiting.retain(|(other, _)| *other != name);
        if let Some(error) = error {
            report.warning("provider", format_args!("{name}: {host} has no address now: {error}"));
        }
    }
    for (name, host) in waiting {
        let seconds = PATIENCE.as_secs();
        report
            .warning("provider", format_args!("{name}: the name service did not answer for {host} within {seconds} s"));
    }
}
