-- channels: those a person agreed to, the preferred one first, as in 'push;sms'; NULL for all.
-- time_zone: where they live, by its IANA name; NULL when nobody said.
ALTER TABLE person ADD COLUMN channels TEXT;
ALTER TABLE person ADD COLUMN time_zone TEXT;

-- channels: those this delivery may use; NULL for all of its plan. Set when channels are used side by side, each by a
-- delivery of its own.
ALTER TABLE delivery ADD COLUMN channels TEXT;
