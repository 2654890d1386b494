//! Periodic tasks of a running gateway.

pub mod certificate_expiry;
pub mod cleanup;
pub mod clock_monitor;
pub mod daily_report;
pub mod heartbeat;
pub mod notary;
pub mod report_keeper;
pub mod search_index;
pub mod status_events;
pub mod template_reload;
