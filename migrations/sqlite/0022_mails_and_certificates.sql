-- Who got the daily mail of the newest day that was mailed, so that a mail that failed is repeated only for those who lack it.
-- contact_hash: as of attempts.
CREATE TABLE report_mail (
  day             TEXT    NOT NULL,
  contact_hash    BLOB    NOT NULL,
  PRIMARY KEY (day, contact_hash)
) STRICT, WITHOUT ROWID;
