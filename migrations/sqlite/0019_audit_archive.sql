-- Parts of the audit log that were moved into bundles: events with `first < seq <= until`, from the end of the part before.
-- A row is written when its bundle is verified. Only then may its events leave the database, and no others. `event` is the
-- audit event of the removal; it stays behind, so that no part leaves without a trace.
CREATE TABLE audit_archive (
  until   INTEGER PRIMARY KEY,
  first   INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  root    BLOB    NOT NULL,
  bundle  TEXT    NOT NULL,
  from_at INTEGER NOT NULL,
  to_at   INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  event   INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_archive_continues BEFORE INSERT ON audit_archive
WHEN NEW.first <> (SELECT coalesce(max(until), 0) FROM audit_archive)
  OR NEW.until <= NEW.first OR NEW.until <> NEW.size / 256 * 256
  OR NOT EXISTS (SELECT 1 FROM audit_checkpoint WHERE size = NEW.size)
  OR NOT EXISTS (SELECT 1 FROM audit_event WHERE seq = NEW.event AND seq > NEW.size AND kind = 'audit_archived'
       AND detail->>'bundle' = NEW.bundle)
BEGIN SELECT RAISE(ABORT, 'an archive begins where the last one ends, and has a checkpoint and an audit event'); END;
CREATE TRIGGER audit_archive_is_not_changed BEFORE UPDATE ON audit_archive
BEGIN SELECT RAISE(ABORT, 'archives are not changed'); END;
CREATE TRIGGER audit_archive_is_not_removed BEFORE DELETE ON audit_archive
BEGIN SELECT RAISE(ABORT, 'archives are not removed'); END;

DROP TRIGGER audit_event_is_not_removed;
CREATE TRIGGER audit_event_is_not_removed BEFORE DELETE ON audit_event
WHEN OLD.seq > (SELECT coalesce(max(until), 0) FROM audit_archive)
BEGIN SELECT RAISE(ABORT, 'audit events are not removed, except by otpost audit archive'); END;

-- What proofs of later events need stays: the checkpoint of each archive, the tile that begins where it ends, and all tiles
-- above the first level.
CREATE TRIGGER audit_checkpoint_is_not_removed BEFORE DELETE ON audit_checkpoint
WHEN OLD.size > (SELECT coalesce(max(until), 0) FROM audit_archive)
  OR EXISTS (SELECT 1 FROM audit_archive WHERE until = OLD.size / 256 * 256 AND size = OLD.size)
BEGIN SELECT RAISE(ABORT, 'checkpoints are not removed, except by otpost audit archive'); END;
CREATE TRIGGER audit_tile_is_not_removed BEFORE DELETE ON audit_tile
WHEN OLD.level > 0 OR OLD.number * 256 >= (SELECT coalesce(max(until), 0) FROM audit_archive)
  OR EXISTS (SELECT 1 FROM audit_archive WHERE until = OLD.number * 256)
BEGIN SELECT RAISE(ABORT, 'tiles are not removed, except by otpost audit archive'); END;

-- What a time-stamping authority said of a checkpoint: a token after RFC 3161.
CREATE TABLE audit_timestamp (
  size  INTEGER PRIMARY KEY,
  at    INTEGER NOT NULL,
  token BLOB    NOT NULL
) STRICT;

-- What was published last at places that get a checkpoint now and then.
CREATE TABLE audit_publication (
  place TEXT    NOT NULL PRIMARY KEY,
  size  INTEGER NOT NULL,
  at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
