-- Dossiers prove who published a change of templates, and who approved it.
CREATE INDEX audit_event_change_published ON audit_event (detail->>'change') WHERE kind = 'template_change_published';
