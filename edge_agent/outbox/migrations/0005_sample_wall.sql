-- What the gateway's wall clock said when the sample was taken, UTC milliseconds: against the clock that nobody sets, it tells a step
-- of seconds from a sample that came seconds late.
ALTER TABLE sample ADD COLUMN wall_ms INTEGER;
