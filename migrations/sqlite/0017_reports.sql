-- What an attempt costs, in millionths of the currency that its provider had when it was made; NULL without a price.
ALTER TABLE attempt ADD COLUMN cost INTEGER;
ALTER TABLE attempt ADD COLUMN currency TEXT;

-- When the receipt arrived that confirmed the delivery.
ALTER TABLE delivery ADD COLUMN delivered_at INTEGER;

-- The read model of reports. A key is one combination of all that is counted apart, as a JSON object. There are as many as
-- combinations occur: some hundred, and more with each template version.
CREATE TABLE report_key (
  id              INTEGER PRIMARY KEY,
  key             TEXT    NOT NULL UNIQUE
) STRICT;

-- What is counted of each delivery that has ended: a line for each of its attempts, or one without an attempt (number 0).
-- hour: since 1970, of received_at. It is removed with its delivery.
CREATE TABLE report_line (
  hour            INTEGER NOT NULL,
  delivery_id     BLOB    NOT NULL,
  number          INTEGER NOT NULL,
  key_id          INTEGER NOT NULL,
  received_at     INTEGER NOT NULL,
  start_us        INTEGER,
  send_us         INTEGER,
  deliver_us      INTEGER,
  segments        INTEGER NOT NULL,
  cost            INTEGER NOT NULL,
  PRIMARY KEY (hour, delivery_id, number)
) STRICT, WITHOUT ROWID;

-- The sums of the lines of an hour and a key. They stay when the lines are removed.
CREATE TABLE report_count (
  hour            INTEGER NOT NULL,
  key_id          INTEGER NOT NULL,
  deliveries      INTEGER NOT NULL,
  attempts        INTEGER NOT NULL,
  segments        INTEGER NOT NULL,
  cost            INTEGER NOT NULL,
  start           BLOB    NOT NULL,
  send            BLOB    NOT NULL,
  deliver         BLOB    NOT NULL,
  PRIMARY KEY (hour, key_id)
) STRICT, WITHOUT ROWID;

-- counted: the audit events up to this number are counted, of which the last was written at counted_at.
-- version: grows with every write, so that a writer that read an older state writes nothing.
-- purged_hour: lines of this hour and of earlier ones may have been removed.
CREATE TABLE report_state (
  id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  version         INTEGER NOT NULL,
  counted         INTEGER NOT NULL,
  counted_at      INTEGER NOT NULL,
  purged_hour     INTEGER NOT NULL
) STRICT;
INSERT INTO report_state (id, version, counted, counted_at, purged_hour) VALUES (1, 0, 0, 0, 0);
