-- Nothing has ever looked up a recipient by the hash of a contact.
DROP INDEX contact_hash;
ALTER TABLE contact DROP COLUMN hash;

-- wait_recorded: 1 while the newest audit event about the delivery says that it waits; NULL otherwise. A delivery that is
-- looked at and goes on waiting then writes no further event.
ALTER TABLE delivery ADD COLUMN wait_recorded INTEGER;

-- SMS segments, and messages of other channels, that providers accepted or may have accepted, by the minute since 1970, with the time of the first of them.
-- Only the last hour is needed: what is older is removed.
CREATE TABLE provider_spend (
  minute          INTEGER NOT NULL,
  provider        TEXT    NOT NULL,
  first_at        INTEGER NOT NULL,
  units           INTEGER NOT NULL,
  PRIMARY KEY (minute, provider)
) STRICT, WITHOUT ROWID;
-- Ids begin with the time they were made at. A delivery waits for a day at most before its last attempt.
INSERT INTO provider_spend (minute, provider, first_at, units)
  SELECT started_at / 60000000, provider, min(started_at), count(*) FROM attempt
    WHERE delivery_id >= unhex(printf('%012x', (unixepoch() - 90000) * 1000) || '00000000000000000000')
      AND started_at >= (unixepoch() - 3660) * 1000000 AND outcome IN ('accepted', 'unknown')
    GROUP BY 1, 2;
