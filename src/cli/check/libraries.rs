//! The TLS library: which one is linked, and how long its makers look after it.

use super::findings::CheckReport;
use crate::domain::clock::Timestamp;

/// The last day of support for each line of OpenSSL (<https://openssl-library.org/policies/releasestrat/>).
/// Distributions patch their own longer.
const SUPPORTED: [(&str, &str); 8] = [
    ("3.0", "2026-09-07"),
    ("3.1", "2025-03-14"),
    ("3.2", "2025-11-23"),
    ("3.3", "2026-04-09"),
    ("3.4", "2026-10-22"),
    ("3.5", "2030-04-08"),
    ("3.6", "2026-11-01"),
    ("4.0", "2027-05-14"),
];

/// Says which OpenSSL is linked.
pub(super) fn look(now: Timestamp, findings: &mut CheckReport) {
    let version = openssl::version::version();
    let today = now.to_jiff().strftime("%Y-%m-%d").to_string();
    match supported_until(version) {
        None => findings.ok("TLS", format_args!("{version}; until when it is supported is unknown here")),
        Some(end) if today.as_str() > end => {
            findings.warning("TLS", format_args!("{version}: its makers' support ended on {end}"));
        }
        Some(end) => findings.ok("TLS", format_args!("{version}, supported by its makers until {end}")),
    }
}

fn supported_until(version: &str) -> Option<&'static str> {
    let number = version.strip_prefix("OpenSSL ")?.split(' ').next()?;
    let line = number.rsplit_once('.')?.0;
    SUPPORTED.iter().find(|(known, _)| *known == line).map(|(_, end)| *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_decides_and_what_is_not_known_is_not_guessed() {
        assert_eq!(supported_until("OpenSSL 3.5.4 30 Sep 2025"), Some("2030-04-08"));
        assert_eq!(supported_until("OpenSSL 9.9.0 1 Jan 2040"), None);
        assert_eq!(supported_until("LibreSSL 4.1.0"), None);
    }
}
