//! Certificates, revocation lists and keys.

use super::{UpkeepRow, UpkeepTopic};
use crate::console::Console;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::pki::expiry;
use crate::pki::jwe_keys::{JweKey, JweKeyring};

/// Days for which a key is published before another should be.
const KEY_DAYS: u64 = 365;

/// Everything with an end, the first to end first; then the clients whose certificate has not been seen.
pub(super) fn certificates(console: &Console) -> Vec<UpkeepRow> {
    let now = console.clocks.wall.now();
    let mut ends: Vec<_> = console.expiry.ends().into_iter().collect();
    ends.sort_by_key(|(_, end)| *end);
    let ending = ends.into_iter().map(|(name, end)| {
        let days = expiry::days_left(end, now);
        let state = match (days, expiry::warning(end, now)) {
            (..0, _) => "has ended; renew it now".to_owned(),
            (days, Some(warning)) => format!("ends in {days} days; {}", warning.advice()),
            (days, None) => format!("ends in {days} days"),
        };
        let row = UpkeepRow::fine(UpkeepTopic::Certificates, title(&name), state);
        let tone = match expiry::warning(end, now).map(expiry::ExpiryWarning::days) {
            None => "",
            Some(8..) => "badge-warn",
            Some(_) => "badge-bad",
        };
        UpkeepRow { tone, end: Some(end), ..row }
    });
    let unseen = console.expiry.unseen_clients().into_iter().map(|name| {
        let state = "not known: it has not connected since the gateway started";
        UpkeepRow::fine(UpkeepTopic::Certificates, format!("Certificate of the client {name}"), state)
    });
    ending.chain(unseen).collect()
}

/// The words for `client:verestro`, `client_ca` or `server`, as metrics name them.
pub(in crate::console::pages) fn title(name: &str) -> String {
    match name.split_once(':') {
        Some((_, client)) => format!("Certificate of the client {client}"),
        None => match name {
            "client_ca" => "Client CA".to_owned(),
            "crl" => "Revocation list".to_owned(),
            "server" => "Certificate of the ingest listener".to_owned(),
            listener => format!("Certificate of the {} listener", listener.replace('_', " ")),
        },
    }
}

/// The key that is published now, and the next one.
pub(super) fn encryption_keys(console: &Console) -> Vec<UpkeepRow> {
    let (topic, now) = (UpkeepTopic::EncryptionKeys, console.clocks.wall.now());
    let ring = match JweKeyring::read(&console.encryption_keys) {
        Ok(ring) => ring,
        Err(error) => {
            return vec![UpkeepRow::due(topic, "Keys", format!("cannot be read: {}", chain(&error)))];
        }
    };
    let published = ring.published(now).into_iter().map(|key| {
        let since = key.activate_at.unwrap_or(key.created_at);
        let days = now.since(since).as_secs() / 86_400;
        let row = if days < KEY_DAYS {
            UpkeepRow::fine(topic, name(key), format!("published for {days} days"))
        } else {
            UpkeepRow::due(topic, name(key), format!("published for {days} days; replace it"))
        };
        UpkeepRow { end: Some(since), ..row }
    });
    let next = ring.next(now).into_iter().map(|key| {
        let end: Option<Timestamp> = key.activate_at;
        UpkeepRow { end, ..UpkeepRow::fine(topic, name(key), "will be published") }
    });
    published.chain(next).collect()
}

fn name(key: &JweKey) -> String {
    format!("Key {}", key.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_metrics_are_read_as_words() {
        for (name, expected) in [
            ("client:verestro", "Certificate of the client verestro"),
            ("client_ca", "Client CA"),
            ("crl", "Revocation list"),
            ("server", "Certificate of the ingest listener"),
            ("receipts", "Certificate of the receipts listener"),
        ] {
            assert_eq!(title(name), expected);
        }
    }
}
