//! Says in time what is about to end: our certificate, the authorities', the lists', and those of the clients that
//! have been seen.
//!
//! Each is said once at each step of [`term`], and once when it has ended; metrics say it always.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::domain::clock::Timestamp;
use crate::pki::expiry;
use crate::pki::expiry::ExpiryWarning;

/// What ends when, and what has been said of it.
#[derive(Default)]
pub(crate) struct ExpiryMonitor {
    clients: Mutex<HashMap<String, Timestamp>>,
    said: Mutex<HashMap<String, (Timestamp, ExpiryWarning)>>,
}

impl ExpiryMonitor {
    /// A client has shown a certificate that ends at `end`.
    pub(crate) fn saw(&self, client: &str, end: Timestamp) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        match clients.get_mut(client) {
            Some(seen) => *seen = end,
            None => drop(clients.insert(client.to_owned(), end)),
        }
    }

    /// Looks at all of them: `ends`, and what clients have shown.
    pub(crate) fn look(&self, ends: &[(&'static str, Timestamp)], now: Timestamp) {
        let mut first = BTreeMap::<String, Timestamp>::new();
        for (name, end) in ends {
            first.entry((*name).to_owned()).and_modify(|first| *first = (*end).min(*first)).or_insert(*end);
        }
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        first.extend(clients.iter().map(|(client, end)| (format!("client:{client}"), *end)));
        drop(clients);
        for (name, end) in first {
            #[expect(clippy::cast_precision_loss, reason = "whole seconds up to the year 285 million")]
            let seconds = end.micros().div_euclid(1_000_000) as f64;
            metrics::gauge!("otpost_certificate_expiry_timestamp_seconds", "certificate" => name.clone()).set(seconds);
            match self.due(&name, end, now) {
                Some(ExpiryWarning::Ended) => tracing::error!(certificate = name, %end, "it has ended"),
                Some(near) => {
                    tracing::warn!(certificate = name, %end, "it ends in less than {} days: {}", near.days(), near.advice());
                }
                None => {}
            }
        }
    }

    // What is to be said, unless it or worse has been said for this end.
    fn due(&self, name: &str, end: Timestamp, now: Timestamp) -> Option<ExpiryWarning> {
        let near = expiry::warning(end, now)?;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(name).is_some_and(|(of, before)| *of == end && *before >= near) {
            return None;
        }
        said.insert(name.to_owned(), (end, near));
        Some(near)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn each_threshold_is_said_once_and_anew_for_the_next_certificate() {
        let calendar = ExpiryMonitor::default();
        let end = Timestamp::from_micros(1_800_000_000_000_000);
        let said = |days: u32, end| calendar.due("server", end, end.before(DAY * days).after(DAY / 2));

        assert_eq!(said(40, end), None);
        let told: Vec<_> = (1..=30).rev().filter_map(|days| said(days, end)).collect();
        assert_eq!(told, [ExpiryWarning::Month, ExpiryWarning::Fortnight, ExpiryWarning::Week, ExpiryWarning::Day]);
        assert_eq!(calendar.due("server", end, end.after(DAY)), Some(ExpiryWarning::Ended));
        assert_eq!(calendar.due("server", end, end.after(DAY * 2)), None);
        assert_eq!(said(3, end.after(DAY * 90)), Some(ExpiryWarning::Week));
    }
}
