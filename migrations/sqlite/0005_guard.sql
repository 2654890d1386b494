-- Codes are looked for before everything else that is due.
CREATE INDEX delivery_due_code ON delivery (due_at) WHERE state = 'open' AND kind = 'otp';

-- The newest code for each card and merchant, by a keyed hash, until it is of no use: an older one that still waits is
-- not sent any more. Small, and forgotten within minutes.
CREATE TABLE newest_code (
  purchase        BLOB    NOT NULL PRIMARY KEY,
  notification_id BLOB    NOT NULL,
  expires_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX newest_code_expires ON newest_code (expires_at);

-- Masked addresses are taken out of old attempts; those that still have one are found without reading the others.
CREATE INDEX attempt_addressed ON attempt (delivery_id, number) WHERE address <> 'removed';
