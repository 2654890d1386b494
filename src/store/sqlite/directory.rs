//! The directory of people: found by hashes, kept sealed.

use serde_json::{Value, json};
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::claim::insert_event;
use super::{Sqlite, hex};
use crate::domain::event::Event;
use crate::store::Error;
use crate::store::backend::{ContactRow, EntryRows, PersonRows, Whom};

const NAMED: &str = "SELECT p.id, p.locale, p.standing, c.channel, c.sealed
  FROM identifier AS i JOIN person AS p ON p.id = i.person_id LEFT JOIN contact AS c ON c.person_id = p.id
  WHERE i.hash = ?1 ORDER BY p.id, c.channel, c.position";

const IS: &str = "SELECT p.id, p.locale, p.standing, c.channel, c.sealed
  FROM person AS p LEFT JOIN contact AS c ON c.person_id = p.id WHERE p.id = ?1 ORDER BY c.channel, c.position";

impl Sqlite {
    /// Everybody who is meant, each with their contacts in order.
    pub(super) async fn find_people(&self, whom: Whom) -> Result<Vec<PersonRows>, Error> {
        let rows = match &whom {
            Whom::Named(hash) => sqlx::query(NAMED).bind(hash.as_slice()),
            Whom::Is(id) => sqlx::query(IS).bind(id),
        };
        let rows = rows.fetch_all(&self.read).await?;
        let mut people: Vec<PersonRows> = Vec::new();
        for row in rows {
            let id: Uuid = row.try_get("id")?;
            if people.last().is_none_or(|person| person.id != id) {
                people.push(PersonRows {
                    id,
                    locale: row.try_get("locale")?,
                    standing: row.try_get("standing")?,
                    contacts: Vec::new(),
                });
            }
            let (channel, sealed): (Option<String>, Option<Vec<u8>>) =
                (row.try_get("channel")?, row.try_get("sealed")?);
            if let (Some(channel), Some(sealed), Some(person)) = (channel, sealed, people.last_mut()) {
                person.contacts.push(ContactRow { channel, sealed });
            }
        }
        Ok(people)
    }

    /// Writes people whole: what an entry does not name any more is removed. All entries or none.
    pub(super) async fn import_entries(&self, entries: &[EntryRows], event: &Event) -> Result<(), Error> {
        let mut write = self.write.lock().await;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let people: Vec<Value> = entries.iter().map(person).collect();
        let numbers: Vec<Value> = entries.iter().flat_map(identifiers).collect();
        let contacts: Vec<Value> = entries.iter().flat_map(contacts).collect();
        sqlx::query(
            "INSERT INTO person (id, locale, standing, updated_at)
               SELECT unhex(value->>0), value->>1, value->>2, ?2 FROM json_each(?1) WHERE true
               ON CONFLICT (id) DO UPDATE SET
                 locale = excluded.locale, standing = excluded.standing, updated_at = excluded.updated_at",
        )
        .bind(Value::Array(people.clone()).to_string())
        .bind(event.at.micros())
        .execute(&mut *transaction)
        .await?;
        for text in [
            "DELETE FROM identifier WHERE person_id IN (SELECT unhex(value->>0) FROM json_each(?1))",
            "DELETE FROM contact WHERE person_id IN (SELECT unhex(value->>0) FROM json_each(?1))",
        ] {
            sqlx::query(text).bind(Value::Array(people.clone()).to_string()).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "INSERT INTO identifier (hash, person_id, kind)
               SELECT unhex(value->>0), unhex(value->>1), value->>2 FROM json_each(?1) WHERE true
               ON CONFLICT (hash, person_id) DO NOTHING",
        )
        .bind(Value::Array(numbers).to_string())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO contact (person_id, channel, position, hash, sealed)
               SELECT unhex(value->>0), value->>1, value->>2, unhex(value->>3), unhex(value->>4) FROM json_each(?1)",
        )
        .bind(Value::Array(contacts).to_string())
        .execute(&mut *transaction)
        .await?;
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        if self.lock.is_none() {
            // No gateway may be there to do it, and a long import would write a log of many times the database.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *write).await?;
        }
        Ok(())
    }

    /// Removes a person, their numbers and addresses. `false` when there is nobody of that id.
    pub(super) async fn erase_person(&self, person: Uuid, event: &Event) -> Result<bool, Error> {
        let mut write = self.write.lock().await;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let gone = sqlx::query("DELETE FROM person WHERE id = ?1").bind(person).execute(&mut *transaction).await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        for text in ["DELETE FROM identifier WHERE person_id = ?1", "DELETE FROM contact WHERE person_id = ?1"] {
            sqlx::query(text).bind(person).execute(&mut *transaction).await?;
        }
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

fn person(entry: &EntryRows) -> Value {
    json!([hex(entry.id.as_bytes()), entry.locale, entry.standing])
}

fn identifiers(entry: &EntryRows) -> impl Iterator<Item = Value> {
    entry.identifiers.iter().map(|(hash, kind)| json!([hex(hash), hex(entry.id.as_bytes()), kind]))
}

fn contacts(entry: &EntryRows) -> impl Iterator<Item = Value> {
    entry.contacts.iter().map(|contact| {
        json!([hex(entry.id.as_bytes()), contact.channel, contact.position, hex(&contact.hash), hex(&contact.sealed)])
    })
}
