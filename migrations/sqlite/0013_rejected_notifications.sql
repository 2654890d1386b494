-- Rejected notifications are read without a scan of the audit log.
CREATE INDEX audit_event_notification_rejected ON audit_event (at) WHERE kind = 'notification_rejected';
