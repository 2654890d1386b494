-- Recognizes the seal.key that contacts, contents and identifiers were sealed and hashed with: a keyed hash of a constant,
-- of which the key cannot be found. One row, written when the database is first opened with a key.
CREATE TABLE seal_key (
  id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  fingerprint     BLOB    NOT NULL,
  recorded_at     INTEGER NOT NULL
) STRICT;
