-- When a sample was seen by the clock that nobody sets: the boot, and milliseconds since it. Null where that is not known: such
-- a sample witnesses no block.
ALTER TABLE sample ADD COLUMN boot TEXT;
ALTER TABLE sample ADD COLUMN up_ms INTEGER;
