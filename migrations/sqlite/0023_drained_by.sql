-- Who drained a provider, as in the audit log; nothing for a drain from before this version.
ALTER TABLE provider_drain ADD COLUMN actor TEXT;
