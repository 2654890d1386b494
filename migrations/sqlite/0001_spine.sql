-- Times are UTC microseconds. Ids are UUIDs of version 7 as 16 bytes, so that rows are appended in order.

CREATE TABLE notification (
  id              BLOB    NOT NULL PRIMARY KEY,
  client          TEXT    NOT NULL,
  kind            TEXT    NOT NULL,
  received_at     INTEGER NOT NULL,
  idempotency_key TEXT,
  warnings        TEXT
) STRICT, WITHOUT ROWID;

-- Only unexpired keys: small, because its keys are random and every insert touches another page.
CREATE TABLE idempotency (
  scope           BLOB    NOT NULL PRIMARY KEY,
  fingerprint     BLOB    NOT NULL,
  notification_id BLOB    NOT NULL,
  expires_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

-- lane: deliveries of one lane are told in the order of their notifications.
-- due_at: when an open delivery may be taken up; while it is leased, when the lease ends.
CREATE TABLE delivery (
  id              BLOB    NOT NULL PRIMARY KEY,
  notification_id BLOB    NOT NULL,
  kind            TEXT    NOT NULL,
  received_at     INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL,
  person_id       BLOB,
  lane            BLOB,
  state           TEXT    NOT NULL,
  end_reason      TEXT,
  ended_at        INTEGER,
  due_at          INTEGER NOT NULL,
  lease_token     INTEGER,
  sealed          BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'open';
CREATE INDEX delivery_lane ON delivery (lane, notification_id) WHERE state = 'open' AND lane IS NOT NULL;
CREATE INDEX delivery_notification ON delivery (notification_id);

CREATE TABLE attempt (
  delivery_id     BLOB    NOT NULL,
  number          INTEGER NOT NULL,
  channel         TEXT    NOT NULL,
  provider        TEXT    NOT NULL,
  contact         INTEGER NOT NULL,
  address         TEXT    NOT NULL,
  started_at      INTEGER NOT NULL,
  took_us         INTEGER NOT NULL,
  outcome         TEXT    NOT NULL,
  cause           TEXT,
  reference       TEXT,
  retry_after_ms  INTEGER,
  PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_event (
  seq             INTEGER PRIMARY KEY,
  at              INTEGER NOT NULL,
  actor           TEXT    NOT NULL,
  kind            TEXT    NOT NULL,
  notification_id BLOB,
  delivery_id     BLOB,
  detail          TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_event_notification ON audit_event (notification_id) WHERE notification_id IS NOT NULL;

CREATE TRIGGER audit_event_is_not_changed BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit events are not changed'); END;
CREATE TRIGGER audit_event_is_not_removed BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit events are not removed'); END;

CREATE TABLE person (
  id              BLOB    NOT NULL PRIMARY KEY,
  locale          TEXT    NOT NULL,
  standing        TEXT    NOT NULL,
  updated_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identifier (
  hash            BLOB    NOT NULL,
  person_id       BLOB    NOT NULL,
  kind            TEXT    NOT NULL,
  PRIMARY KEY (hash, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifier_person ON identifier (person_id);

CREATE TABLE contact (
  person_id       BLOB    NOT NULL,
  channel         TEXT    NOT NULL,
  position        INTEGER NOT NULL,
  hash            BLOB    NOT NULL,
  sealed          BLOB    NOT NULL,
  PRIMARY KEY (person_id, channel, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_hash ON contact (hash);
