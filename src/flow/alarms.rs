//! What is wrong while the gateway works: shown by `/readyz` and by a metric until it is over.
//!
//! Whoever notices a fault logs it with its details and raises the alarm; the end is logged here, so that every alarm has
//! a line for its end. It decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum AlarmKind {
    /// The templates of the folder cannot be used; earlier ones are.
    Templates,
    /// A change of templates could not be published at its time.
    TemplatePublishing,
    /// A change of templates was published without an approval, and has not been reviewed since.
    UnapprovedTemplates,
    /// A reload failed; the previous files are used.
    Reload,
    /// The gateway started with an earlier server certificate, because the one in the file cannot be used.
    ServerCertificate,
    /// The same for the receipts listener.
    ReceiptsCertificate,
    /// The same for the console.
    ConsoleCertificate,
    /// The gateway started without some keys for encrypted bodies, because they cannot be read.
    EncryptionKeys,
    /// The system clock and the gateway's own clock differ by more than a minute.
    ClockOffset,
    /// Accepted notifications wait, because delivery is paused.
    DeliveryPaused,
    /// The disk is nearly full, and nothing is accepted.
    DiskSpace,
    /// The cleanup task fails.
    Cleanup,
    /// Very many sign-ins to the console fail.
    SignInFailures,
    /// The states of providers cannot be read or saved.
    ProviderStates,
}

impl AlarmKind {
    /// The name in logs, metrics and `/readyz`.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// An alarm that is not over, with a sentence for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActiveAlarm {
    #[schema(value_type = String)]
    pub alarm: AlarmKind,
    pub detail: String,
}

/// The alarms of a gateway.
#[derive(Debug)]
pub struct Alarms(Mutex<BTreeMap<AlarmKind, String>>);

impl Default for Alarms {
    fn default() -> Self {
        AlarmKind::iter().for_each(|alarm| observe(alarm, false));
        Self(Mutex::default())
    }
}

impl Alarms {
    /// Raises an alarm, or replaces the detail of one that is raised. Returns whether it is new.
    pub fn raise(&self, alarm: AlarmKind, detail: impl Into<String>) -> bool {
        let is_new = self.active_by_alarm().insert(alarm, detail.into()).is_none();
        observe(alarm, true);
        is_new
    }

    /// Whether the alarm is raised with this very detail: what is behind it has been logged.
    pub fn is_raised_with(&self, alarm: AlarmKind, detail: &str) -> bool {
        self.active_by_alarm().get(&alarm).is_some_and(|active| active == detail)
    }

    /// Ends an alarm and logs it; nothing if it is not raised.
    pub fn clear(&self, alarm: AlarmKind) {
        let was_raised = self.active_by_alarm().remove(&alarm).is_some();
        if was_raised {
            observe(alarm, false);
            tracing::info!(alarm = alarm.name(), "alarm cleared");
        }
    }

    /// The alarms that are raised, in the order of [`AlarmKind`].
    pub fn active(&self) -> Vec<ActiveAlarm> {
        let active = self.active_by_alarm();
        active.iter().map(|(alarm, detail)| ActiveAlarm { alarm: *alarm, detail: detail.clone() }).collect()
    }

    fn active_by_alarm(&self) -> MutexGuard<'_, BTreeMap<AlarmKind, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn observe(alarm: AlarmKind, is_active: bool) {
    metrics::gauge!("otpost_alarm_active", "alarm" => alarm.name()).set(f64::from(u8::from(is_active)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_new_once_and_is_shown_until_it_is_cleared() {
        let alarms = Alarms::default();

        assert!(alarms.raise(AlarmKind::Reload, "first"));
        assert!(!alarms.raise(AlarmKind::Reload, "second"));
        assert!(alarms.raise(AlarmKind::Templates, "third"));
        let shown: Vec<_> = alarms.active().into_iter().map(|it| (it.alarm.name(), it.detail)).collect();
        assert_eq!(shown, [("templates", "third".to_owned()), ("reload", "second".to_owned())]);

        alarms.clear(AlarmKind::Reload);
        alarms.clear(AlarmKind::Reload);
        alarms.clear(AlarmKind::Templates);
        assert!(alarms.active().is_empty());
        assert!(alarms.raise(AlarmKind::Reload, "again"));
    }
}
