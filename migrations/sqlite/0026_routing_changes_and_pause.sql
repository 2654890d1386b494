-- What a change is about: `templates`, or `routing` (plans, limits and providers). Both are reviewed by the same rules.
ALTER TABLE template_change ADD COLUMN subject TEXT NOT NULL DEFAULT 'templates';
ALTER TABLE template_text   ADD COLUMN subject TEXT NOT NULL DEFAULT 'templates';

DROP INDEX template_text_path;
CREATE INDEX template_text_path ON template_text (subject, path, seq);
CREATE INDEX template_text_last ON template_text (subject, seq);

-- That an operator has paused delivery: one row while it is paused.
CREATE TABLE delivery_pause (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  since  INTEGER NOT NULL,
  reason TEXT    NOT NULL,
  actor  TEXT    NOT NULL
) STRICT;
