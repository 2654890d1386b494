//! How many events of the audit log are done.

use indicatif::ProgressBar;

use crate::cli::progress_bar::progress_bar;

pub(super) fn events_bar(events: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    progress_bar(Some(events), "{msg} {bar:40} {human_pos} of {human_len} events, {eta} left")
}
