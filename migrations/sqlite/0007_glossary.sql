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
ALTER TABLE provider_state RENAME COLUMN seen TO attempts;
ALTER TABLE provider_state RENAME COLUMN failed TO failures;
ALTER TABLE provider_state RENAME COLUMN slowness_us TO latency_us;
ALTER TABLE provider_state RENAME COLUMN seen_at TO observed_at;
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
UPDATE delivery SET end_reason = CASE end_reason
    WHEN 'unknown_person' THEN 'unknown_recipient'
    WHEN 'not_to_be_told' THEN 'suppressed'
    WHEN 'held' THEN 'rate_limited'
    WHEN 'all_refused' THEN 'all_rejected'
  END
  WHERE end_reason IN ('unknown_person', 'not_to_be_told', 'held', 'all_refused');
UPDATE attempt SET outcome = 'rejected' WHERE outcome = 'refused';
UPDATE attempt SET cause = 'invalid_contact' WHERE cause = 'bad_address';

-- The one time that audit events change: the names in them do, before the first release.
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
UPDATE audit_event SET detail = json_set(detail, '$.outcome', 'rejected') WHERE detail->>'outcome' = 'refused';
UPDATE audit_event SET detail = json_set(detail, '$.cause', 'invalid_contact') WHERE detail->>'cause' = 'bad_address';
UPDATE audit_event SET detail = json_set(detail, '$.state', 'not_sent') WHERE detail->>'state' = 'recorded';
UPDATE audit_event SET detail = json_set(detail, '$.reason', CASE detail->>'reason'
    WHEN 'unknown_person' THEN 'unknown_recipient'
    WHEN 'not_to_be_told' THEN 'suppressed'
    WHEN 'held' THEN 'rate_limited'
    WHEN 'all_refused' THEN 'all_rejected'
  END)
  WHERE kind = 'given_up' AND detail->>'reason' IN ('unknown_person', 'not_to_be_told', 'held', 'all_refused');
UPDATE audit_event SET detail = json_remove(json_set(detail, '$.status', detail->>'says'), '$.says')
  WHERE detail->>'says' IS NOT NULL;
UPDATE audit_event SET detail = json_object('recipients', detail->>'people') WHERE kind = 'recipients_imported';
UPDATE audit_event SET detail = json_object('recipient', detail->>'person') WHERE kind = 'recipient_erased';
UPDATE audit_event SET detail = json_object('count', detail->>'count', 'templates', detail->'texts')
  WHERE kind = 'templates_activated';
UPDATE audit_event SET detail = json_remove(json_set(detail, '$.diagnostics', detail->'findings'), '$.findings')
  WHERE kind = 'templates_rejected';
UPDATE audit_event SET detail = json_remove(json_set(detail, '$.spki_pin', detail->>'spki'), '$.spki')
  WHERE detail->>'spki' IS NOT NULL;
CREATE TRIGGER audit_event_is_not_changed BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit events are not changed'); END;
