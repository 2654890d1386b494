-- Who got the daily mail of the newest day that was mailed, so that a mail that failed is repeated only for those who lack it.
-- contact_hash: as of attempts.
CREATE TABLE report_mail (
  day             TEXT    NOT NULL,
  contact_hash    BLOB    NOT NULL,
  PRIMARY KEY (day, contact_hash)
) STRICT, WITHOUT ROWID;

-- The client certificates that notifications were posted with, each once. `certificate` in the detail of an 'accepted' event is
-- the id. An audit event says the same, so that both are signed.
CREATE TABLE client_certificate (
  id              INTEGER PRIMARY KEY,
  subject         TEXT    NOT NULL,
  serial          TEXT    NOT NULL,
  spki_pin        TEXT    NOT NULL,
  UNIQUE (serial, spki_pin)
) STRICT;

-- Who exported a recipient's data: the dossiers of the recipient's deliveries name it.
CREATE INDEX audit_event_recipient_exported ON audit_event (detail->>'recipient') WHERE kind = 'recipient_exported';
