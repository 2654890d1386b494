-- Users who sign in at an identity provider, by the issuer's name and its name for the user. They have no password.
ALTER TABLE console_user ADD COLUMN issuer TEXT;
ALTER TABLE console_user ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX console_user_subject ON console_user (issuer, subject) WHERE subject IS NOT NULL;

-- Passkeys of a user, as JSON: they are read and written with the rest of the row, so that a use counts once.
ALTER TABLE console_user ADD COLUMN passkeys TEXT NOT NULL DEFAULT '[]';
