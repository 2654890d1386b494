-- The status of a receipt as the provider wrote it, such as 'DELIVRD', until the receipt is applied: then it stands in the
-- audit event. NULL for receipts that were parked before.
ALTER TABLE parked_receipt ADD COLUMN code TEXT;
