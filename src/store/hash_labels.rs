//! The labels that separate hashes of different values from each other.
//!
//! Rows are found by hashes that were made with them, so none of them may ever change, whatever the values are called
//! today. Two keep a name that the glossary has replaced. A value that is made of other parts gets a new label.

/// The operator's reference of a recipient: recipients' ids are made of it.
pub(super) const RECIPIENT_REFERENCE: &str = "person";

/// The contact that an attempt was made to.
pub(super) const CONTACT: &str = "contact";

/// The ordering key of a delivery.
pub(super) const ORDERING_KEY: &str = "lane";

/// What a newer notification makes obsolete. Before version 0010 of the schema this was `purchase`, the card and merchant of a
/// code.
pub(super) const REPLACEMENT: &str = "replacement";
