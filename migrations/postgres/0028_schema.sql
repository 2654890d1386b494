-- The schema that SQLite has after migration 0028; the files from 0029 on have the same numbers and names in both folders.
-- What a column holds is said in migrations/sqlite. Times are UTC microseconds; ids are UUIDs of version 7. Texts are
-- compared by their bytes, as SQLite does.

CREATE TABLE notification (
  id              uuid   PRIMARY KEY,
  client          text   NOT NULL,
  kind            text   NOT NULL,
  received_at     bigint NOT NULL,
  idempotency_key text,
  warnings        text
);

CREATE TABLE idempotency (
  scope           bytea  PRIMARY KEY,
  fingerprint     bytea  NOT NULL,
  notification_id uuid   NOT NULL,
  expires_at      bigint NOT NULL
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

-- lease_node: the node that holds the lease.
-- Free room in each page keeps the new versions of a row beside the old ones. Rows change often, so that dead ones are removed
-- long before a fifth of the table is dead.
CREATE TABLE delivery (
  id              uuid   PRIMARY KEY,
  notification_id uuid   NOT NULL,
  kind            text   NOT NULL,
  received_at     bigint NOT NULL,
  expires_at      bigint NOT NULL,
  recipient_id    uuid,
  ordering_key    bytea,
  state           text   NOT NULL,
  end_reason      text,
  ended_at        bigint,
  due_at          bigint NOT NULL,
  lease_token     bigint,
  lease_node      uuid,
  sealed          bytea,
  channels        text,
  wait_recorded   boolean,
  delivered_at    bigint
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'open';
CREATE INDEX delivery_due_code ON delivery (due_at) WHERE state = 'open' AND kind = 'otp';
CREATE INDEX delivery_ordering_key ON delivery (ordering_key, notification_id)
  WHERE state = 'open' AND ordering_key IS NOT NULL;
CREATE INDEX delivery_notification ON delivery (notification_id);
CREATE INDEX delivery_kept ON delivery (expires_at) WHERE state <> 'open' AND sealed IS NOT NULL;

CREATE TABLE replacement (
  replaced        bytea  PRIMARY KEY,
  notification_id uuid   NOT NULL,
  expires_at      bigint NOT NULL
);
CREATE INDEX replacement_expires ON replacement (expires_at);

CREATE TABLE attempt (
  delivery_id      uuid   NOT NULL,
  number           bigint NOT NULL,
  channel          text   NOT NULL,
  provider         text   NOT NULL,
  contact_position bigint NOT NULL,
  masked_contact   text   NOT NULL,
  started_at       bigint NOT NULL,
  took_us          bigint NOT NULL,
  outcome          text   NOT NULL,
  cause            text,
  reference        text,
  retry_after_ms   bigint,
  template_version bytea,
  failure          text,
  detail           text,
  segments         bigint,
  contact_hash     bytea,
  country          text,
  cost             bigint,
  currency         text,
  PRIMARY KEY (delivery_id, number)
);
CREATE INDEX attempt_reference ON attempt (provider, reference) WHERE reference IS NOT NULL;
CREATE INDEX attempt_masked_contact ON attempt (delivery_id, number) WHERE masked_contact <> 'removed';

-- seq: one number more than that of the event committed before, without a gap. Only transactions that hold the lock of
-- writers add events, so that no reader sees an event before one with a smaller number.
CREATE TABLE audit_event (
  seq             bigint PRIMARY KEY,
  at              bigint NOT NULL,
  actor           text   NOT NULL,
  kind            text   NOT NULL,
  notification_id uuid,
  delivery_id     uuid,
  detail          text   NOT NULL
);
CREATE INDEX audit_event_notification ON audit_event (notification_id, seq) WHERE notification_id IS NOT NULL;
CREATE INDEX audit_event_notification_rejected ON audit_event (at) WHERE kind = 'notification_rejected';
CREATE INDEX audit_event_operation ON audit_event (seq) WHERE notification_id IS NULL;
CREATE INDEX audit_event_recipient_exported ON audit_event ((detail::jsonb->>'recipient')) WHERE kind = 'recipient_exported';
CREATE INDEX audit_event_change_published ON audit_event ((detail::jsonb->>'change')) WHERE kind = 'template_change_published';

CREATE TABLE audit_tile (
  level  bigint NOT NULL,
  number bigint NOT NULL,
  hashes bytea  NOT NULL,
  PRIMARY KEY (level, number)
);

CREATE TABLE audit_checkpoint (
  size            bigint PRIMARY KEY,
  at              bigint NOT NULL,
  clock_offset_us bigint NOT NULL,
  clock_source    text   NOT NULL,
  note            text   NOT NULL
);
CREATE INDEX audit_checkpoint_at ON audit_checkpoint (at);

CREATE TABLE audit_archive (
  until   bigint PRIMARY KEY,
  first   bigint NOT NULL,
  size    bigint NOT NULL,
  root    bytea  NOT NULL,
  bundle  text   NOT NULL,
  from_at bigint NOT NULL,
  to_at   bigint NOT NULL,
  at      bigint NOT NULL,
  event   bigint NOT NULL
);

CREATE TABLE audit_timestamp (
  size  bigint PRIMARY KEY,
  at    bigint NOT NULL,
  token bytea  NOT NULL
);

CREATE TABLE audit_publication (
  place text   PRIMARY KEY,
  size  bigint NOT NULL,
  at    bigint NOT NULL
);

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation'; END $$;

CREATE FUNCTION archived_until() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT coalesce(max(until), 0) FROM audit_archive $$;

CREATE FUNCTION archive_continues() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF NEW.first <> archived_until() OR NEW.until <= NEW.first OR NEW.until <> NEW.size / 256 * 256
    OR NOT EXISTS (SELECT 1 FROM audit_checkpoint WHERE size = NEW.size)
    OR NOT EXISTS (SELECT 1 FROM audit_event WHERE seq = NEW.event AND seq > NEW.size AND kind = 'audit_archived'
         AND detail::jsonb->>'bundle' = NEW.bundle)
  THEN RAISE EXCEPTION 'an archive begins where the last one ends, and has a checkpoint and an audit event'
    USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION keeps_event() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF OLD.seq > archived_until()
  THEN RAISE EXCEPTION 'audit events are not removed, except by otpost audit archive' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION keeps_checkpoint() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF OLD.size > archived_until()
    OR EXISTS (SELECT 1 FROM audit_archive WHERE until = OLD.size / 256 * 256 AND size = OLD.size)
  THEN RAISE EXCEPTION 'checkpoints are not removed, except by otpost audit archive' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE FUNCTION keeps_tile() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF OLD.level > 0 OR OLD.number * 256 >= archived_until()
    OR EXISTS (SELECT 1 FROM audit_archive WHERE until = OLD.number * 256)
  THEN RAISE EXCEPTION 'tiles are not removed, except by otpost audit archive' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE TRIGGER audit_event_is_not_changed BEFORE UPDATE ON audit_event
  FOR EACH ROW EXECUTE FUNCTION refuse('audit events are not changed');
CREATE TRIGGER audit_event_is_not_removed BEFORE DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION keeps_event();
CREATE TRIGGER audit_event_is_not_emptied BEFORE TRUNCATE ON audit_event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse('audit events are not removed');
CREATE TRIGGER audit_checkpoint_is_not_changed BEFORE UPDATE ON audit_checkpoint
  FOR EACH ROW EXECUTE FUNCTION refuse('checkpoints are not changed');
CREATE TRIGGER audit_checkpoint_is_not_removed BEFORE DELETE ON audit_checkpoint
  FOR EACH ROW EXECUTE FUNCTION keeps_checkpoint();
CREATE TRIGGER audit_tile_is_not_removed BEFORE DELETE ON audit_tile FOR EACH ROW EXECUTE FUNCTION keeps_tile();
CREATE TRIGGER audit_archive_continues BEFORE INSERT ON audit_archive
  FOR EACH ROW EXECUTE FUNCTION archive_continues();
CREATE TRIGGER audit_archive_is_not_changed BEFORE UPDATE ON audit_archive
  FOR EACH ROW EXECUTE FUNCTION refuse('archives are not changed');
CREATE TRIGGER audit_archive_is_not_removed BEFORE DELETE ON audit_archive
  FOR EACH ROW EXECUTE FUNCTION refuse('archives are not removed');

CREATE TABLE recipient (
  id         uuid   PRIMARY KEY,
  reference  bytea,
  locale     text   NOT NULL,
  status     text   NOT NULL,
  updated_at bigint NOT NULL,
  channels   text,
  time_zone  text
);

CREATE TABLE identifier (
  hash         bytea NOT NULL,
  recipient_id uuid  NOT NULL,
  kind         text  NOT NULL,
  PRIMARY KEY (hash, recipient_id)
);
CREATE INDEX identifier_recipient ON identifier (recipient_id);

CREATE TABLE contact (
  recipient_id   uuid   NOT NULL,
  channel        text   COLLATE "C" NOT NULL,
  position       bigint NOT NULL,
  hash           bytea,
  sealed         bytea  NOT NULL,
  retired_at     bigint,
  retired_by     text,
  retired_detail text,
  PRIMARY KEY (recipient_id, channel, position)
);
CREATE INDEX contact_hash ON contact (hash) WHERE hash IS NOT NULL;
CREATE INDEX contact_retired ON contact (recipient_id) WHERE retired_at IS NOT NULL;

CREATE TABLE parked_receipt (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider    text   NOT NULL,
  reference   text   NOT NULL,
  status      text   NOT NULL,
  reported_at bigint NOT NULL,
  parked_at   bigint NOT NULL,
  delivery_id uuid,
  code        text,
  UNIQUE (provider, reference, status)
);
CREATE INDEX parked_receipt_age ON parked_receipt (parked_at);
CREATE INDEX parked_receipt_provider ON parked_receipt (provider, id);

CREATE TABLE provider_drain (
  name   text   COLLATE "C" PRIMARY KEY,
  since  bigint NOT NULL,
  reason text,
  actor  text
);

-- As each node sees its providers.
CREATE TABLE provider_state (
  node        uuid   NOT NULL,
  name        text   COLLATE "C" NOT NULL,
  circuit     text   NOT NULL,
  attempts    bigint NOT NULL,
  failures    bigint NOT NULL,
  latency_us  bigint,
  observed_at bigint NOT NULL,
  PRIMARY KEY (node, name)
);

CREATE TABLE provider_spend (
  minute   bigint NOT NULL,
  provider text   COLLATE "C" NOT NULL,
  first_at bigint NOT NULL,
  units    bigint NOT NULL,
  PRIMARY KEY (minute, provider)
);

CREATE TABLE delivery_pause (
  id     bigint PRIMARY KEY CHECK (id = 1),
  since  bigint NOT NULL,
  reason text   NOT NULL,
  actor  text   NOT NULL
);

CREATE TABLE template_version (
  hash     bytea  PRIMARY KEY,
  locale   text   NOT NULL,
  kind     text   NOT NULL,
  channel  text   NOT NULL,
  parts    text   NOT NULL,
  first_at bigint NOT NULL
);

CREATE TABLE template_activation (
  seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      bigint NOT NULL,
  locale  text   NOT NULL,
  kind    text   NOT NULL,
  channel text   NOT NULL,
  hash    bytea
);
CREATE INDEX template_activation_key ON template_activation (locale, kind, channel, seq);

CREATE TABLE template_change (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject      text   NOT NULL,
  version      bigint NOT NULL,
  state        text   NOT NULL,
  authors      text   NOT NULL,
  note         text   NOT NULL,
  created_at   bigint NOT NULL,
  changed_at   bigint NOT NULL,
  reviewer     text,
  reviewed_at  bigint,
  comment      text,
  publish_at   bigint,
  publisher    text,
  published_at bigint,
  emergency    text,
  problem      text
);
CREATE INDEX template_change_waiting ON template_change (id)
  WHERE state IN ('draft', 'submitted', 'approved') OR (state = 'published' AND reviewer IS NULL);

CREATE TABLE template_draft (
  change_id bigint NOT NULL REFERENCES template_change (id),
  path      text   COLLATE "C" NOT NULL,
  text      text,
  base      text,
  PRIMARY KEY (change_id, path)
);

CREATE TABLE template_text (
  seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject   text   NOT NULL,
  path      text   COLLATE "C" NOT NULL,
  at        bigint NOT NULL,
  text      text,
  change_id bigint REFERENCES template_change (id)
);
CREATE INDEX template_text_path ON template_text (subject, path, seq);
CREATE INDEX template_text_last ON template_text (subject, seq);
CREATE TRIGGER template_text_is_not_changed BEFORE UPDATE ON template_text
  FOR EACH ROW EXECUTE FUNCTION refuse('published texts are not changed');
CREATE TRIGGER template_text_is_not_removed BEFORE DELETE ON template_text
  FOR EACH ROW EXECUTE FUNCTION refuse('published texts are not removed');

CREATE TABLE seal_key (
  id          bigint PRIMARY KEY CHECK (id = 1),
  fingerprint bytea  NOT NULL,
  recorded_at bigint NOT NULL
);

CREATE TABLE search_term (
  day         bigint NOT NULL,
  term        bytea  NOT NULL,
  delivery_id uuid   NOT NULL,
  PRIMARY KEY (day, term, delivery_id)
);

CREATE TABLE search_progress (
  id  bigint PRIMARY KEY CHECK (id = 1),
  seq bigint NOT NULL
);
INSERT INTO search_progress (id, seq) VALUES (1, 0);

CREATE TABLE report_key (
  id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text   NOT NULL UNIQUE
);

CREATE TABLE report_line (
  hour        bigint NOT NULL,
  delivery_id uuid   NOT NULL,
  number      bigint NOT NULL,
  key_id      bigint NOT NULL,
  received_at bigint NOT NULL,
  start_us    bigint,
  send_us     bigint,
  deliver_us  bigint,
  segments    bigint NOT NULL,
  cost        bigint NOT NULL,
  PRIMARY KEY (hour, delivery_id, number)
);

CREATE TABLE report_count (
  hour       bigint NOT NULL,
  key_id     bigint NOT NULL,
  deliveries bigint NOT NULL,
  attempts   bigint NOT NULL,
  segments   bigint NOT NULL,
  cost       bigint NOT NULL,
  start      bytea  NOT NULL,
  send       bytea  NOT NULL,
  deliver    bytea  NOT NULL,
  PRIMARY KEY (hour, key_id)
);

CREATE TABLE report_state (
  id          bigint PRIMARY KEY CHECK (id = 1),
  version     bigint NOT NULL,
  counted     bigint NOT NULL,
  counted_at  bigint NOT NULL,
  purged_hour bigint NOT NULL
);
INSERT INTO report_state (id, version, counted, counted_at, purged_hour) VALUES (1, 0, 0, 0, 0);

CREATE TABLE report_mail (
  day          text  COLLATE "C" NOT NULL,
  contact_hash bytea NOT NULL,
  PRIMARY KEY (day, contact_hash)
);

CREATE TABLE client_certificate (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject  text NOT NULL,
  serial   text NOT NULL,
  spki_pin text NOT NULL,
  UNIQUE (serial, spki_pin)
);

CREATE TABLE console_user (
  name             text   COLLATE "C" PRIMARY KEY,
  version          bigint NOT NULL,
  roles            text   NOT NULL,
  disabled         boolean NOT NULL,
  created_at       bigint NOT NULL,
  signed_in_at     bigint,
  password         text,
  totp             bytea,
  totp_step        bigint NOT NULL,
  recovery         text   NOT NULL,
  email            bytea,
  setup_hash       bytea,
  setup_expires_at bigint,
  issuer           text,
  subject          text,
  passkeys         text   NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX console_user_subject ON console_user (issuer, subject) WHERE subject IS NOT NULL;

CREATE TABLE console_session (
  hash       bytea  PRIMARY KEY,
  "user"     text   NOT NULL,
  started_at bigint NOT NULL,
  seen_at    bigint NOT NULL,
  address    text   NOT NULL,
  browser    text   NOT NULL
);
CREATE INDEX console_session_user ON console_session ("user", started_at);

CREATE TABLE api_token (
  name       text   COLLATE "C" PRIMARY KEY,
  hash       bytea  NOT NULL,
  "user"     text   NOT NULL,
  roles      text   NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at    bigint,
  revoked_at bigint,
  cert_pin   text
);
CREATE UNIQUE INDEX api_token_hash ON api_token (hash);
CREATE INDEX api_token_user ON api_token ("user", name);

-- The last batch that each process committed. A process whose connection broke at COMMIT looks here whether it was done.
CREATE TABLE last_batch (
  writer uuid   PRIMARY KEY,
  batch  uuid   NOT NULL,
  at     bigint NOT NULL
) WITH (fillfactor = 50);

-- The gateways that share this database. clock_offset_us: how far the node's clock was ahead of this server's.
CREATE TABLE node (
  id              uuid   PRIMARY KEY,
  name            text   NOT NULL,
  version         text   NOT NULL,
  schema          bigint NOT NULL,
  started_at      bigint NOT NULL,
  seen_at         bigint NOT NULL,
  clock_offset_us bigint NOT NULL
) WITH (fillfactor = 50);
