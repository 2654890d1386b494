-- The words an attempt was written with; NULL for those of before, and when nothing was written.
ALTER TABLE attempt ADD COLUMN wording BLOB;

-- All words that were ever in force, kept for good: years later one can say which ones somebody was sent.
-- hash: SHA-256 over all the rest. parts: the source of each part by its file's name, and the settings that change words.
CREATE TABLE wording (
  hash            BLOB    NOT NULL PRIMARY KEY,
  locale          TEXT    NOT NULL,
  kind            TEXT    NOT NULL,
  channel         TEXT    NOT NULL,
  parts           TEXT    NOT NULL,
  first_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When which words went live; hash is NULL where there were none from then on.
CREATE TABLE wording_change (
  seq             INTEGER PRIMARY KEY,
  at              INTEGER NOT NULL,
  locale          TEXT    NOT NULL,
  kind            TEXT    NOT NULL,
  channel         TEXT    NOT NULL,
  hash            BLOB
) STRICT;
CREATE INDEX wording_change_topic ON wording_change (locale, kind, channel, seq);
