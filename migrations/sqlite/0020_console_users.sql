-- Users of the console. `version` counts the changes of a row: a writer who read an older version changes nothing, so that a
-- one-time code counts once. `password` is an Argon2id hash, `totp` and `email` are sealed, and of the set-up code and of
-- recovery codes only SHA-256 hashes are kept. A user without a password has not been set up.
CREATE TABLE console_user (
  name             TEXT    NOT NULL PRIMARY KEY,
  version          INTEGER NOT NULL,
  roles            TEXT    NOT NULL,
  disabled         INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  signed_in_at     INTEGER,
  password         TEXT,
  totp             BLOB,
  totp_step        INTEGER NOT NULL,
  recovery         TEXT    NOT NULL,
  email            BLOB,
  setup_hash       BLOB,
  setup_expires_at INTEGER
) STRICT, WITHOUT ROWID;

-- Sessions of the console, by the SHA-256 hash of their tokens.
CREATE TABLE console_session (
  hash       BLOB    NOT NULL PRIMARY KEY,
  user       TEXT    NOT NULL,
  started_at INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL,
  address    TEXT    NOT NULL,
  browser    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX console_session_user ON console_session (user, started_at);
