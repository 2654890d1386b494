-- Tables, columns and stored names follow src/docs/glossary.md. Nothing else changes.

ALTER TABLE person RENAME TO recipient;
ALTER TABLE recipient RENAME COLUMN standing TO status;
ALTER TABLE identifier RENAME COLUMN person_id TO recipient_id;
ALTER TABLE contact RENAME COLUMN person_id TO recipient_id;
ALTER TABLE delivery RENAME COLUMN person_id TO recipient_id;
ALTER TABLE delivery RENAME COLUMN lane TO ordering_key;
ALTER TABLE attempt RENAME COLUMN contact TO contact_position;
ALTER TABLE attempt RENAME COLUMN address TO masked_contact;
ALTER TABLE attempt RENAME COLUMN wording TO template_version;
ALTER TABLE parked_receipt RENAME COLUMN said_at TO reported_at;
ALTER TABLE wording RENAME TO template_version;
ALTER TABLE wording_change RENAME TO template_activation;

-- SQLite cannot rename an index.
DROP INDEX identifier_person;
CREATE INDEX identifier_recipient ON identifier (recipient_id);
DROP INDEX delivery_lane;
CREATE INDEX delivery_ordering_key ON delivery (ordering_key, notification_id)
  WHERE state = 'open' AND ordering_key IS NOT NULL;
DROP INDEX attempt_addressed;
CREATE INDEX attempt_masked_contact ON attempt (delivery_id, number) WHERE masked_contact <> 'removed';
DROP INDEX wording_change_topic;
CREATE INDEX template_activation_key ON template_activation (locale, kind, channel, seq);

UPDATE delivery SET state = 'not_sent' WHERE state = 'recorded';
UPDATE delivery SET end_reason = 'unknown_recipient' WHERE end_reason = 'unknown_person';
UPDATE delivery SET end_reason = 'suppressed' WHERE end_reason = 'not_to_be_told';
UPDATE delivery SET end_reason = 'rate_limited' WHERE end_reason = 'held';
UPDATE attempt SET outcome = 'rejected' WHERE outcome = 'refused';
UPDATE attempt SET cause = 'invalid_contact' WHERE cause = 'bad_address';

-- The one time that audit events change: the names of their kinds do, before the first release.
DROP TRIGGER audit_event_is_not_changed;
UPDATE audit_event SET kind = CASE kind
    WHEN 'planned' THEN 'split'
    WHEN 'people_imported' THEN 'recipients_imported'
    WHEN 'person_erased' THEN 'recipient_erased'
    WHEN 'refused' THEN 'client_rejected'
    WHEN 'texts_changed' THEN 'templates_activated'
    WHEN 'texts_refused' THEN 'templates_rejected'
  END
  WHERE kind IN ('planned', 'people_imported', 'person_erased', 'refused', 'texts_changed', 'texts_refused');
CREATE TRIGGER audit_event_is_not_changed BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit events are not changed'); END;
