-- Providers that operators have taken off duty. Who is not here is on duty.
CREATE TABLE provider_drain (
  name            TEXT    NOT NULL PRIMARY KEY,
  since           INTEGER NOT NULL,
  reason          TEXT
) STRICT, WITHOUT ROWID;

-- How the running gateway last saw its providers, for lists beside it. Nothing is decided by it.
CREATE TABLE provider_state (
  name            TEXT    NOT NULL PRIMARY KEY,
  circuit         TEXT    NOT NULL,
  seen            INTEGER NOT NULL,
  failed          INTEGER NOT NULL,
  slowness_us     INTEGER,
  seen_at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
