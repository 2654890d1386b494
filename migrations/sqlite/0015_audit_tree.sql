-- The Merkle tree over the audit events. The leaf of an event has the index seq - 1; hashes stand in tiles of 256.
CREATE TABLE audit_tile (
  level  INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hashes BLOB    NOT NULL,
  PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

-- Signed states of the tree. Events up to `size` entered it with the clock that stands beside it.
CREATE TABLE audit_checkpoint (
  size            INTEGER PRIMARY KEY,
  at              INTEGER NOT NULL,
  clock_offset_us INTEGER NOT NULL,
  clock_source    TEXT    NOT NULL,
  note            TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_checkpoint_at ON audit_checkpoint (at);

CREATE TRIGGER audit_checkpoint_is_not_changed BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are not changed'); END;

-- What operators and the gateway did: events that belong to no notification.
CREATE INDEX audit_event_operation ON audit_event (seq) WHERE notification_id IS NULL;
