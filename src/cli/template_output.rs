//! Prints template snapshots and rendered messages: each part below its name.
//!
//! The caller masks the code of a rendered message. A template has none.

use super::output;

/// Prints the parts, each below its name.
pub(super) fn print<'a>(parts: impl Iterator<Item = (&'a str, String)>) -> std::io::Result<()> {
    for (part, text) in parts {
        output::line(format_args!("--- {part}"))?;
        output::line(text.trim_end_matches('\n'))?;
    }
    Ok(())
}
