-- Tokens by which programs act for a user of the console. Of a token only the SHA-256 hash is kept. `roles` are a part of the
-- user's roles when it was made; at each use they count as far as the user still has them. `cert_pin` is the SPKI pin of the
-- client certificate that the token needs. A revoked token stays, because the audit log has its name.
CREATE TABLE api_token (
  name       TEXT    NOT NULL PRIMARY KEY,
  hash       BLOB    NOT NULL,
  user       TEXT    NOT NULL,
  roles      TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER,
  revoked_at INTEGER,
  cert_pin   TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_token_hash ON api_token (hash);
CREATE INDEX api_token_user ON api_token (user, name);
