-- What operators want to change in the templates. A change is a set of drafts that is reviewed and published as one; the rules
-- are in domain/template_change.rs.
CREATE TABLE template_change (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  version      INTEGER NOT NULL,
  state        TEXT    NOT NULL,
  authors      TEXT    NOT NULL,
  note         TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  changed_at   INTEGER NOT NULL,
  reviewer     TEXT,
  reviewed_at  INTEGER,
  comment      TEXT,
  publish_at   INTEGER,
  publisher    TEXT,
  published_at INTEGER,
  emergency    TEXT,
  problem      TEXT
) STRICT;
CREATE INDEX template_change_waiting ON template_change (id)
  WHERE state IN ('draft', 'submitted', 'approved') OR (state = 'published' AND reviewer IS NULL);

-- `text` is NULL where the template is to be removed, `base` where there was none when the draft was begun.
CREATE TABLE template_draft (
  change_id INTEGER NOT NULL REFERENCES template_change (id),
  path      TEXT    NOT NULL,
  text      TEXT,
  base      TEXT,
  PRIMARY KEY (change_id, path)
) STRICT, WITHOUT ROWID;

-- The texts that a gateway with `[templates] source = "console"` has used; the last row of a path is live. `change_id` is NULL
-- for the texts that were there before the first change.
CREATE TABLE template_text (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  path      TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  text      TEXT,
  change_id INTEGER REFERENCES template_change (id)
) STRICT;
CREATE INDEX template_text_path ON template_text (path, seq);

CREATE TRIGGER template_text_is_not_changed BEFORE UPDATE ON template_text
BEGIN SELECT RAISE(ABORT, 'published texts are not changed'); END;
CREATE TRIGGER template_text_is_not_removed BEFORE DELETE ON template_text
BEGIN SELECT RAISE(ABORT, 'published texts are not removed'); END;
