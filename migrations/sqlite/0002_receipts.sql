-- A receipt names a message by our delivery's id or by the provider's own reference.
CREATE INDEX attempt_reference ON attempt (provider, reference) WHERE reference IS NOT NULL;

-- Receipts that came before it was written down that the message was taken. Small: emptied as deliveries end.
-- delivery_id: when the receipt named it; else only the provider's reference is known.
CREATE TABLE parked_receipt (
  id              INTEGER PRIMARY KEY,
  provider        TEXT    NOT NULL,
  reference       TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  said_at         INTEGER NOT NULL,
  parked_at       INTEGER NOT NULL,
  delivery_id     BLOB,
  UNIQUE (provider, reference, status)
) STRICT;
CREATE INDEX parked_receipt_age ON parked_receipt (parked_at);
CREATE INDEX parked_receipt_provider ON parked_receipt (provider);
