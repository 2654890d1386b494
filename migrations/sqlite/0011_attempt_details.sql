-- detail: what a failed attempt looked like, without anything of the message; removed together with the masked contact.
-- segments: those of an SMS; NULL on other channels, when it was not rendered, and for attempts of before.
ALTER TABLE attempt ADD COLUMN detail TEXT;
ALTER TABLE attempt ADD COLUMN segments INTEGER;
