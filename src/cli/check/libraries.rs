//! Checks the linked OpenSSL version and its end of support.

use super::report::CheckReport;
use crate::domain::clock::Timestamp;

/// The last day of upstream support of each OpenSSL series (<https://openssl-library.org/policies/releasestrat/>).
/// Distributions may support their own packages longer.
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

pub(super) fn check(now: Timestamp, report: &mut CheckReport) {
    let version = openssl::version::version();
    let today = now.to_jiff().strftime("%Y-%m-%d").to_string();
    match supported_until(version) {
        None => report.ok("TLS", format_args!("{version}; its end of support is unknown")),
        Some(end) if today.as_str() > end => {
            report.warning(
                "TLS",
                format_args!("{version}: upstream support ended on {end}; use a build with a newer OpenSSL"),
            );
        }
        Some(end) => report.ok("TLS", format_args!("{version}, supported upstream until {end}")),
    }
}

fn supported_until(version: &str) -> Option<&'static str> {
    let number = version.strip_prefix("OpenSSL ")?.split(' ').next()?;
    let series = number.rsplit_once('.')?.0;
    SUPPORTED.iter().find(|(known, _)| *known == series).map(|(_, end)| *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_support_is_known_by_series() {
        assert_eq!(supported_until("OpenSSL 3.5.4 30 Sep 2025"), Some("2030-04-08"));
        assert_eq!(supported_until("OpenSSL 9.9.0 1 Jan 2040"), None);
        assert_eq!(supported_until("LibreSSL 4.1.0"), None);
    }
}
