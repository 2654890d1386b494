//! Tasks that come after the deliveries: counting and signing.

use std::time::Duration;

use super::{UpkeepRow, UpkeepTopic};
use crate::console::Console;
use crate::console::pages::PageError;
use crate::console::pages::audit::LATE;
use crate::console::pages::overview::span;
use crate::flow::audit_state::AuditState;
use crate::flow::recent::RecentTotals;

/// Deliveries that ended are usually counted within seconds.
const COUNTED_WITHIN: Duration = Duration::from_mins(5);

pub(super) fn reports(console: &Console, recent: &RecentTotals) -> UpkeepRow {
    let (topic, name) = (UpkeepTopic::Reports, "Counting for reports");
    let row = match recent.behind {
        None => UpkeepRow::fine(topic, name, "all deliveries are counted"),
        // A new database.
        Some(until) if until.micros() == 0 => UpkeepRow::fine(topic, name, "nothing is counted yet"),
        Some(until) => {
            let lag = console.clocks.steady.now().since(until);
            let state = format!("{} behind", span(lag));
            let row = if lag < COUNTED_WITHIN { UpkeepRow::fine } else { UpkeepRow::due };
            UpkeepRow { end: Some(until), ..row(topic, name, state) }
        }
    };
    row.at("/reports")
}

pub(super) async fn audit_log(console: &Console) -> Result<UpkeepRow, PageError> {
    let (topic, name) = (UpkeepTopic::AuditLog, "Signing of the audit log");
    let state = AuditState::read(&console.store).await?;
    let row = match state.oldest_waiting {
        None => UpkeepRow::fine(topic, name, "all events are signed"),
        Some(oldest) => {
            let lag = console.clocks.steady.now().since(oldest);
            let text = format!("{} events wait, the oldest for {}", state.waiting, span(lag));
            let row = if lag < LATE { UpkeepRow::fine } else { UpkeepRow::due };
            UpkeepRow { end: Some(oldest), ..row(topic, name, text) }
        }
    };
    Ok(row.at("/audit/log"))
}
