-- reference: the operator's own name of a recipient, sealed; NULL for recipients that were imported before.
ALTER TABLE recipient ADD COLUMN reference BLOB;

-- hash: as contact_hash of attempts, by which recipients are found by a phone number or an e-mail address; NULL for contacts that
-- were imported before.
ALTER TABLE contact ADD COLUMN hash BLOB;
CREATE INDEX contact_hash ON contact (hash) WHERE hash IS NOT NULL;

-- When and by which provider a contact was reported as gone, and what was answered. Nothing is sent to it; an import of its
-- recipient writes it anew.
ALTER TABLE contact ADD COLUMN retired_at INTEGER;
ALTER TABLE contact ADD COLUMN retired_by TEXT;
ALTER TABLE contact ADD COLUMN retired_detail TEXT;
CREATE INDEX contact_retired ON contact (recipient_id) WHERE retired_at IS NOT NULL;
