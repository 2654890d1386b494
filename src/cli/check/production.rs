//! Warns of what is right for trying out, but seldom in production.

use std::net::ToSocketAddrs as _;

use super::report::CheckReport;
use crate::config::{Config, Environment};
use crate::file_access;
use crate::pki;

/// The names of a server certificate that only this machine can use.
const LOCAL: [&str; 3] = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"];

pub(super) fn check(config: &Config, report: &mut CheckReport) {
    if config.environment != Environment::Production {
        return;
    }
    let ingest = &config.ingest;
    let is_local =
        ingest.listen.to_socket_addrs().is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()));
    if is_local && !ingest.trusted_proxy.is_on() {
        let text = format!("ingest.listen {}: only this machine can connect", ingest.listen);
        report.warning("production", text);
    }
    let certificates = file_access::read_certificates(&ingest.certificate).ok();
    let summary = certificates.and_then(|all| pki::describe(all.first()?).ok());
    if let Some(summary) = summary.filter(|it| it.names.iter().all(|name| LOCAL.contains(&name.as_str()))) {
        let (path, names) = (ingest.certificate.display(), summary.names.join(" "));
        let text = format!("ingest.certificate {path}: is for {names} only; processors elsewhere do not accept it");
        report.warning("production", text);
    }
}
