//! What is known of a whole file before a row of it is imported: which rows name the same recipient, and which
//! identifiers several recipients have.
//!
//! A row cannot be taken as soon as it is read: a later one may have the same customer number, and then it is unknown
//! whose number it is. The index keeps hashes and line numbers, about twenty bytes for each recipient and identifier.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use rlibphonenumber::Region;

use super::reader::RowReader;
use crate::domain::recipient::{Identifier, RecipientId};
use crate::domain::written::identifier::{Sharing, sharing};
use crate::store::{Error, Recipients};

/// Hashes of references and identifiers. In a file of a million rows, two hashes collide once in a million imports.
pub struct HashKeys {
    /// Without it, no recipient of the database is compared with.
    directory: Option<Recipients>,
    hasher: RandomState,
}

impl HashKeys {
    /// Hashes like those of `directory`.
    pub fn new(directory: Option<Recipients>) -> Self {
        Self { directory, hasher: RandomState::new() }
    }

    /// The hash of the recipient with this reference.
    pub(super) fn of_reference(&self, reference: &str) -> Result<u64, Error> {
        match &self.directory {
            Some(directory) => directory.id_of(reference).map(|id| self.of_recipient(id)),
            None => Ok(self.hasher.hash_one(reference)),
        }
    }

    /// The hash of a recipient in the database.
    pub(super) fn of_recipient(&self, id: RecipientId) -> u64 {
        self.hasher.hash_one(id.0)
    }

    fn of_identifier(&self, identifier: &Identifier) -> u64 {
        self.hasher.hash_one((identifier.kind, &identifier.value))
    }
}

/// The rows of a file by recipient and by shared identifier.
pub struct FileIndex {
    pub(super) keys: HashKeys,
    /// The first line of each recipient.
    recipients: HashMap<u64, u32>,
    /// The first two lines of each identifier that several recipients have.
    shared: HashMap<u64, [u32; 2]>,
    /// Lines with an identifier that only one recipient may have and that another line has as well.
    mistaken: HashSet<u32>,
}

impl FileIndex {
    /// Reads all rows. Rows that are wrong are left out, because they will not be imported.
    pub fn read(
        rows: RowReader,
        country: Option<Region>,
        keys: HashKeys,
        mut after_row: impl FnMut(),
    ) -> Result<Self, Error> {
        let mut index = Self { keys, recipients: HashMap::new(), shared: HashMap::new(), mistaken: HashSet::new() };
        let mut owners = HashMap::new();
        // An error that ends the file ends the import at the same row, and is reported there.
        for row in rows.map_while(Result::ok).flatten() {
            let line = number(row.line);
            if let Ok(record) = row.record(country) {
                let recipient = index.keys.of_reference(&record.reference)?;
                if *index.recipients.entry(recipient).or_insert(line) == line {
                    index.add(&record.identifiers, line, &mut owners);
                }
            }
            after_row();
        }
        Ok(index)
    }

    fn add(&mut self, identifiers: &[Identifier], line: u32, owners: &mut HashMap<u64, u32>) {
        for identifier in identifiers.iter().filter(|it| sharing(it.kind) != Sharing::Usual) {
            let key = self.keys.of_identifier(identifier);
            let first = *owners.entry(key).or_insert(line);
            if first == line {
                continue;
            }
            self.shared.entry(key).or_insert([first, line]);
            if sharing(identifier.kind) == Sharing::Mistake {
                self.mistaken.extend([first, line]);
            }
        }
    }

    /// The line before `line` that names the same recipient.
    pub(super) fn duplicate_of(&self, reference: &str, line: u64) -> Result<Option<u32>, Error> {
        let first = self.recipients.get(&self.keys.of_reference(reference)?).copied();
        Ok(first.filter(|first| *first != number(line)))
    }

    /// Another line with the same identifier.
    pub(super) fn shared_with(&self, identifier: &Identifier, line: u64) -> Option<u32> {
        let [first, second] = *self.shared.get(&self.keys.of_identifier(identifier))?;
        Some(if first == number(line) { second } else { first })
    }

    /// Whether the file has a row for this recipient that can be imported.
    pub(super) fn names(&self, id: RecipientId) -> bool {
        self.recipients.contains_key(&self.keys.of_recipient(id))
    }

    /// Whether the file replaces this recipient of the database, so that the identifiers that it has now do not count.
    pub(super) fn replaces(&self, id: RecipientId, allow_shared: bool) -> bool {
        let line = self.recipients.get(&self.keys.of_recipient(id));
        line.is_some_and(|line| allow_shared || !self.mistaken.contains(line))
    }
}

fn number(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
