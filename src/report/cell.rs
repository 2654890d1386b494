//! A value in a report, as far as a writer has to know what it is.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::price::Price;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Empty,
    /// May come from a configuration or a processor.
    Text(String),
    Whole(u64),
    Money(Price),
    Span(Duration),
    Time(Timestamp),
}

impl Cell {
    /// A text; nothing when it is empty.
    pub fn text(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }

    /// A span, if there is one.
    pub fn span(span: Option<Duration>) -> Self {
        span.map_or(Self::Empty, Self::Span)
    }

    /// As programs and people read it: numbers are decimal, spans milliseconds, times RFC 3339.
    pub fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Money(price) => price.to_string(),
            Self::Span(span) => millis(*span),
            Self::Time(at) => at.to_string(),
        }
    }

    /// Whether it is a number.
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Money(_) | Self::Span(_))
    }
}

// To the tenth of a millisecond.
fn millis(span: Duration) -> String {
    let tenths = (span.as_micros() + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_a_number_or_a_text() {
        for (cell, expected) in [
            (Cell::Span(Duration::from_micros(4_349)), "4.3"),
            (Cell::Span(Duration::from_micros(4_350)), "4.4"),
            (Cell::Span(Duration::from_secs(61)), "61000.0"),
            (Cell::Money("0.045".parse().unwrap()), "0.045"),
            (Cell::Whole(7), "7"),
            (Cell::text(""), ""),
        ] {
            assert_eq!(cell.plain(), expected);
        }
    }
}
