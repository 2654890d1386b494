//! The life of a notification.
//!
//! `intake` accepts it once, and `certificate_numbers` knows by which certificate. `worker` holds the leases of its deliveries
//! and runs them. `dispatch` decides each next step: `recipients` resolves the recipient, `providers` keeps the registry of
//! providers, `limits` holds rate limits and allowed countries, `ordering` makes a delivery wait for its predecessor, and
//! `sender` makes an attempt. `receipts` applies what providers report later. `audit` writes the ingest listener's events into
//! the audit log, `alarms` holds what is wrong now, `inspector` answers what operators ask (`explain` is one of the questions),
//! and `tasks` runs what is periodic. `text_mail` sends mails of the gateway itself.

pub mod alarms;
pub mod audit;
mod certificate_numbers;
mod delivery_metrics;
pub mod dispatch;
pub mod explain;
pub mod inspector;
pub mod intake;
pub mod limits;
mod ordering;
pub mod providers;
pub mod receipts;
pub mod recipients;
mod report_keys;
pub mod reporting;
mod sender;
pub mod tasks;
mod text_mail;
pub mod worker;
