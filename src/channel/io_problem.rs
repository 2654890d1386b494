//! What went wrong with a connection, in plain words.

use std::io;

/// What the system's resolver puts before its reason.
const LOOKUP: &str = "failed to lookup address information: ";

/// The kind of `error`; `None` if it has none that says anything.
pub(super) fn of(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::ConnectionAborted => "connection aborted",
        io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "connection closed",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::NetworkDown => "network down",
        io::ErrorKind::AddrNotAvailable => "no local address available",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::PermissionDenied => "connection not permitted",
        _ => return None,
    })
}

/// The reason why a host name was not found.
pub(super) fn of_lookup(error: &io::Error) -> String {
    let text = error.to_string();
    format!("DNS: {}", text.strip_prefix(LOOKUP).unwrap_or(&text))
}

/// The reason why a connection to a host by its name was not made.
pub(super) fn of_connecting(error: &io::Error) -> String {
    match of(error) {
        Some("timed out") => "timed out while connecting".to_owned(),
        Some(problem) => problem.to_owned(),
        None if error.to_string().starts_with(LOOKUP) => of_lookup(error),
        None => "no connection".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_named_in_plain_words() {
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(of_connecting(&lookup), "DNS: Name or service not known");
        assert_eq!(of_connecting(&io::ErrorKind::ConnectionRefused.into()), "connection refused");
        assert_eq!(of_connecting(&io::Error::other("?")), "no connection");
    }
}
