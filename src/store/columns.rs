//! Columns of a row, of whichever database: what is stored is read back by one piece of code, in the file of the type that it becomes.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row, Sqlite, Type};

use super::Error;

/// A value that both databases have a type for. Unsigned numbers are not among them, see [`StoredRow::number`].
pub(super) trait StoredValue<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> StoredValue<'r> for T where T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}

/// A row of a result.
pub(super) trait StoredRow {
    /// The value of the column with this name.
    fn column<'r, T: StoredValue<'r>>(&'r self, name: &str) -> Result<T, Error>;

    /// A number that is never negative.
    fn number<T>(&self, name: &str) -> Result<T, Error>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        from_stored(name, self.column(name)?)
    }

    /// A number that is never negative, or none.
    fn optional_number<T>(&self, name: &str) -> Result<Option<T>, Error>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        self.column::<Option<i64>>(name)?.map(|number| from_stored(name, number)).transpose()
    }
}

impl StoredRow for SqliteRow {
    fn column<'r, T: StoredValue<'r>>(&'r self, name: &str) -> Result<T, Error> {
        Ok(self.try_get(name)?)
    }
}

impl StoredRow for PgRow {
    fn column<'r, T: StoredValue<'r>>(&'r self, name: &str) -> Result<T, Error> {
        Ok(self.try_get(name)?)
    }
}

fn from_stored<T>(name: &str, number: i64) -> Result<T, Error>
where
    T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
{
    let wrong = |error| sqlx::Error::ColumnDecode { index: name.to_owned(), source: Box::new(error) };
    Ok(T::try_from(number).map_err(wrong)?)
}

/// A number that is stored as a signed one, because PostgreSQL has no others.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The number as it is stored.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
