-- When, by the same clock, the gateway's wall clock was last known to be right; null where it never was since the boot. And whether
-- the sample stands past the end of a register that began again at 0.
ALTER TABLE sample ADD COLUMN right_ms INTEGER;
ALTER TABLE sample ADD COLUMN rolled_over INTEGER NOT NULL DEFAULT 0 CHECK (rolled_over IN (0, 1));
