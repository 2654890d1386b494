//! How the fields of a body are written: one table an endpoint. The reader takes the names it looks for from the same
//! table as the description, so that neither knows a field which the other does not.
//!
//! Nothing is read here.

/// One field of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldSpec {
    /// Its path, as in `transaction.id`.
    pub(crate) name: &'static str,
    /// What happens without it.
    pub(crate) need: Presence,
    /// How it is written.
    pub(crate) form: FieldType,
    /// What it says, as a sentence.
    pub(crate) says: &'static str,
    /// A value of it, as the contract publishes one.
    pub(crate) sample: &'static str,
}

/// What becomes of a notification by a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Missing or odd, it refuses the notification.
    Required,
    /// Odd, it refuses the notification; missing, it does not.
    Optional,
    /// Missing or odd, it is only noted.
    Noted,
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FieldType {
    /// A text of so many ASCII digits at most, or an integer.
    Digits(usize),
    /// A code.
    Code,
    /// A UUID.
    Uuid,
    /// A UUID, or a text of so many ASCII digits at most, or an integer.
    UuidOrDigits(usize),
    /// So many printable ASCII characters at most, or an integer.
    Printable(usize),
    /// Three letters of ISO 4217.
    Currency,
    /// Any text but an empty one.
    Name,
    /// A date and time.
    Moment,
    /// A mailbox.
    Mailbox,
    /// Exactly so many ASCII digits, or an integer of no more.
    LastDigits(usize),
    /// One of these words, in any case.
    Closed(&'static [&'static str]),
    /// A word: one of these, in any case, or one that this version does not know.
    Open(fn() -> Vec<&'static str>),
}

impl FieldSpec {
    /// One that has to be there.
    pub(super) const fn required(
        name: &'static str,
        form: FieldType,
        sample: &'static str,
        says: &'static str,
    ) -> Self {
        Self { name, need: Presence::Required, form, says, sample }
    }

    /// One that has to be right if it is there.
    pub(super) const fn optional(
        name: &'static str,
        form: FieldType,
        sample: &'static str,
        says: &'static str,
    ) -> Self {
        Self { name, need: Presence::Optional, form, says, sample }
    }

    /// One that may be anything.
    pub(super) const fn noted(name: &'static str, form: FieldType, sample: &'static str, says: &'static str) -> Self {
        Self { name, need: Presence::Noted, form, says, sample }
    }
}

/// What a reader looks for.
pub(super) const fn names<const N: usize>(members: &[FieldSpec; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = members[at].name;
        at += 1;
    }
    names
}
