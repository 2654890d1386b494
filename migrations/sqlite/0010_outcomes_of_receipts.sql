-- What a receipt reported of an attempt's message, when it was not delivered: 'undelivered' or 'expired'. NULL otherwise.
ALTER TABLE attempt ADD COLUMN failure TEXT;

-- The content of a delivery that was sent is kept until a receipt confirms it or its deadline passes, so that the next
-- candidate can be used when the message is not delivered. These are found at their deadline.
CREATE INDEX delivery_kept ON delivery (expires_at) WHERE state <> 'open' AND sealed IS NOT NULL;

-- Not only codes replace older ones: an unlock replaces a lock of the same card, too. replaced: a keyed hash of what the
-- notification makes obsolete, until nothing older can be sent any more.
ALTER TABLE newest_code RENAME TO replacement;
ALTER TABLE replacement RENAME COLUMN purchase TO replaced;
DROP INDEX newest_code_expires;
CREATE INDEX replacement_expires ON replacement (expires_at);
