//! Rows as JSON: a statement takes all its rows in one parameter, an array of objects with the columns' names.
//!
//! `value->>'due_at'` in the SQL is the field `due_at` here. Bytes travel as hexadecimal text and are read by `unhex`.

use std::cell::RefCell;

use serde::ser::Error;
use serde::{Serialize, Serializer};

/// Bytes, in hexadecimal.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = vec![0; self.0.len() * 2];
        hex::encode_to_slice(self.0, &mut text).map_err(S::Error::custom)?;
        to.serialize_str(std::str::from_utf8(&text).map_err(S::Error::custom)?)
    }
}

/// The parameter for some rows.
pub(super) fn array<T: Serialize>(rows: impl IntoIterator<Item = T>) -> String {
    struct Rows<I>(RefCell<Option<I>>);
    impl<T: Serialize, I: Iterator<Item = T>> Serialize for Rows<I> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(self.0.take().into_iter().flatten())
        }
    }
    object(&Rows(RefCell::new(Some(rows.into_iter()))))
}

/// The parameter for one row.
pub(super) fn object(row: &impl Serialize) -> String {
    let written = serde_json::to_string(row);
    debug_assert!(written.is_ok(), "rows of texts and numbers always have a JSON form");
    written.unwrap_or_default()
}
