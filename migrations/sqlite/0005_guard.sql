-- Codes are looked for before everything else that is due.
CREATE INDEX delivery_due_code ON delivery (due_at) WHERE state = 'open' AND kind = 'otp';
