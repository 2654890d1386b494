-- contact_hash: a keyed hash of the contact, by which the deliveries to a phone number or an e-mail address are found; removed
-- together with the masked contact. country: that of a phone number, by its ISO 3166 code, for filters and reports.
-- NULL for attempts of before, and where there is none.
ALTER TABLE attempt ADD COLUMN contact_hash BLOB;
ALTER TABLE attempt ADD COLUMN country TEXT;

-- Where the deliveries with a selective property are: of a recipient, to a contact, of an idempotency key, with a provider's
-- reference. day: days since 1970 of the time in the delivery's id, so that inserts touch few pages and old days are removed
-- whole. term: a byte that says which property, and seven bytes of a hash of its value; what is found is compared with the
-- row itself.
CREATE TABLE search_term (
  day             INTEGER NOT NULL,
  term            BLOB    NOT NULL,
  delivery_id     BLOB    NOT NULL,
  PRIMARY KEY (day, term, delivery_id)
) STRICT, WITHOUT ROWID;

-- The terms of all deliveries that audit events up to this one are about have been written. One row.
CREATE TABLE search_progress (
  id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seq             INTEGER NOT NULL
) STRICT;
INSERT INTO search_progress (id, seq) VALUES (1, 0);
