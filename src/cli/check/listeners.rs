//! Checks the addresses of the listeners: their form, and whether this machine has them free.

use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs as _};

use super::report::CheckReport;
use crate::config::Config;

/// Takes each address until all of them have been tried, so that two listeners on one address are found too.
pub(super) fn check(config: &Config, report: &mut CheckReport) {
    let addresses = [
        ("ingest", "ingest.listen", config.ingest.listen.as_str()),
        ("ingest", "ingest.trusted_proxy.listen", config.ingest.trusted_proxy.listen.as_str()),
        ("receipts", "receipts.listen", config.receipts.listen.as_str()),
        ("console", "console.listen", config.console.listen.as_str()),
        ("ops", "ops.listen", config.ops.listen.as_str()),
    ];
    let gateway = config.store.running_gateway();
    let mut taken = Vec::new();
    for (subject, key, address) in addresses {
        // Only the ingest listener cannot be left out.
        if !address.is_empty() || key == "ingest.listen" {
            taken.extend(check_one(subject, key, address, gateway, report));
        }
    }
}

fn check_one(
    subject: &str,
    key: &str,
    address: &str,
    gateway: Option<u32>,
    report: &mut CheckReport,
) -> Option<TcpListener> {
    let error = match address.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(_)) => match TcpListener::bind(address) {
            Ok(listener) => {
                report.ok(subject, format_args!("will listen on {address}"));
                return Some(listener);
            }
            Err(error) => error,
        },
        Ok(None) => ErrorKind::AddrNotAvailable.into(),
        Err(error) => error,
    };
    match (error.kind(), gateway) {
        (ErrorKind::AddrInUse, Some(process)) => {
            report.ok(subject, format_args!("{address} is in use; process {process} runs this gateway"));
        }
        (ErrorKind::AddrInUse, None) => {
            report.error(subject, format_args!("{key}: {address} is in use by another process or listener"));
        }
        (ErrorKind::PermissionDenied, _) => report.warning(
            subject,
            format_args!("{key}: this user may not listen on {address}: {error}; the user of `otpost serve` must"),
        ),
        (ErrorKind::InvalidInput, _) => report.error(
            subject,
            format_args!("{key}: expected an address and a port such as 127.0.0.1:8443, found {address:?}"),
        ),
        _ => report.error(subject, format_args!("{key}: cannot listen on {address}: {error}")),
    }
    None
}
