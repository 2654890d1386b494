//! Watches the end of every certificate and revocation list: those of the listeners, and those that clients presented.
//!
//! A warning is logged once for each step of [`ExpiryWarning`], once at the end, and once when the certificate was renewed;
//! the metric always shows the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::interval;

use crate::domain::clock::{Clock, Timestamp};
use crate::pki::expiry;
use crate::pki::expiry::ExpiryWarning;

/// How often the ends are compared with the clock.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// What ends when, and which warnings have been logged.
#[derive(Default)]
pub struct ExpiryMonitor(Mutex<MonitorState>);

#[derive(Default)]
struct MonitorState {
    listeners: BTreeMap<&'static str, Vec<(&'static str, Timestamp)>>,
    clients: HashMap<String, Timestamp>,
    configured_clients: Vec<String>,
    warned: HashMap<String, (Timestamp, ExpiryWarning)>,
}

impl ExpiryMonitor {
    /// Watches `certificates` of a listener instead of those it had before. Each has the name that metrics give it;
    /// of several with one name the first to end counts.
    pub fn watch(&self, listener: &'static str, certificates: Vec<(&'static str, Timestamp)>) {
        self.state().listeners.insert(listener, certificates);
    }

    /// Watches the certificate that a client presented, instead of the one it presented before.
    pub fn watch_client(&self, client: &str, end: Timestamp) {
        let clients = &mut self.state().clients;
        match clients.get_mut(client) {
            Some(known) => *known = end,
            None => drop(clients.insert(client.to_owned(), end)),
        }
    }

    /// Knows these clients of the configuration instead of those before.
    pub fn configure_clients(&self, names: Vec<String>) {
        self.state().configured_clients = names;
    }

    /// The configured clients that have presented no certificate since the start, so that its end is not known.
    pub fn unseen_clients(&self) -> Vec<String> {
        let state = self.state();
        state.configured_clients.iter().filter(|name| !state.clients.contains_key(*name)).cloned().collect()
    }

    /// What is watched, by the name that metrics give it, and its end.
    pub fn ends(&self) -> BTreeMap<String, Timestamp> {
        self.state().ends()
    }

    /// Updates the metrics and logs the warnings that are due.
    pub fn check(&self, now: Timestamp) {
        let mut state = self.state();
        for (name, end) in state.ends() {
            #[expect(clippy::cast_precision_loss, reason = "whole seconds up to the year 285 million")]
            let seconds = end.seconds() as f64;
            metrics::gauge!("otpost_certificate_expiry_timestamp_seconds", "certificate" => name.clone()).set(seconds);
            match state.due(&name, end, now) {
                Some(ExpiryWarning::Ended) => tracing::error!(certificate = name, %end, "certificate has expired"),
                Some(warning) => tracing::warn!(certificate = name, %end, "certificate expires in {}", soon(warning)),
                None => {}
            }
            if state.is_renewed(&name, end, now) {
                tracing::info!(certificate = name, %end, "certificate was renewed");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, MonitorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MonitorState {
    fn ends(&self) -> BTreeMap<String, Timestamp> {
        let mut ends = BTreeMap::<String, Timestamp>::new();
        for (name, end) in self.listeners.values().flatten() {
            ends.entry((*name).to_owned()).and_modify(|first| *first = (*end).min(*first)).or_insert(*end);
        }
        ends.extend(self.clients.iter().map(|(client, end)| (format!("client:{client}"), *end)));
        ends
    }

    // Whether a warning was logged for an end that is over: the certificate has been replaced by one without a warning.
    fn is_renewed(&mut self, name: &str, end: Timestamp, now: Timestamp) -> bool {
        expiry::warning(end, now).is_none() && self.warned.remove(name).is_some()
    }

    // The warning for `end`, unless it or a more urgent one has been logged for the same end.
    fn due(&mut self, name: &str, end: Timestamp, now: Timestamp) -> Option<ExpiryWarning> {
        let warning = expiry::warning(end, now)?;
        if self.warned.get(name).is_some_and(|(of, before)| *of == end && *before >= warning) {
            return None;
        }
        self.warned.insert(name.to_owned(), (end, warning));
        Some(warning)
    }
}

fn soon(warning: ExpiryWarning) -> String {
    match (warning.days(), warning.advice()) {
        (1, advice) => format!("less than 1 day: {advice}"),
        (days, advice) => format!("less than {days} days: {advice}"),
    }
}

/// Checks until the task is aborted.
pub async fn run(monitor: Arc<ExpiryMonitor>, clock: Arc<dyn Clock>) {
    let mut ticks = interval(CHECK_EVERY);
    loop {
        ticks.tick().await;
        monitor.check(clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const END: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn each_warning_is_logged_once_and_again_for_the_next_certificate() {
        let mut state = MonitorState::default();
        let mut due = |days: u32, end: Timestamp| state.due("server", end, end.before(DAY * days).after(DAY / 2));

        assert_eq!(due(40, END), None);
        let warnings: Vec<_> = (1..=30).rev().filter_map(|days| due(days, END)).collect();
        assert_eq!(warnings, [ExpiryWarning::Month, ExpiryWarning::Fortnight, ExpiryWarning::Week, ExpiryWarning::Day]);
        assert_eq!(due(3, END.after(DAY * 90)), Some(ExpiryWarning::Week));
        assert_eq!(state.due("server", END, END.after(DAY)), Some(ExpiryWarning::Ended));
        assert_eq!(state.due("server", END, END.after(DAY * 2)), None);
        assert!(!state.is_renewed("server", END, END.after(DAY * 2)));
        assert!(state.is_renewed("server", END.after(DAY * 90), END));
        assert!(!state.is_renewed("server", END.after(DAY * 90), END), "it is logged once");
    }

    #[test]
    fn of_several_certificates_with_one_name_the_first_to_end_counts() {
        let monitor = ExpiryMonitor::default();
        monitor.watch("ingest", vec![("client_ca", END.after(DAY)), ("client_ca", END), ("server", END.after(DAY))]);
        monitor.watch("receipts", vec![("receipts", END.before(DAY))]);
        monitor.watch_client("processor", END);
        monitor.watch("receipts", vec![("receipts", END.after(DAY * 2))]);

        let expected = [
            ("client:processor", END),
            ("client_ca", END),
            ("receipts", END.after(DAY * 2)),
            ("server", END.after(DAY)),
        ];
        assert_eq!(monitor.state().ends(), expected.map(|(name, end)| (name.to_owned(), end)).into());
    }

    #[test]
    fn a_configured_client_is_unseen_until_it_presents_a_certificate() {
        let monitor = ExpiryMonitor::default();
        monitor.configure_clients(vec!["processor".to_owned(), "backup".to_owned()]);
        monitor.watch_client("processor", END);

        assert_eq!(monitor.unseen_clients(), ["backup"]);
    }

    #[test]
    fn one_day_is_singular() {
        assert_eq!(soon(ExpiryWarning::Day), "less than 1 day: renew it now");
        assert_eq!(soon(ExpiryWarning::Week), "less than 7 days: renew it this week");
    }
}
