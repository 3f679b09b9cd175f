-- What transformers and feeders with a meter of their own gave beyond what their customers' meters took, for V29; and which of these days are
-- to be summed when. All of it follows from validated days and the registry.

CREATE TABLE balances (
    what TEXT NOT NULL CHECK (what IN ('dt', 'feeder')),
    name TEXT NOT NULL,
    start_utc INTEGER NOT NULL,                 -- IST midnight
    difference_wh INTEGER NOT NULL,             -- below 0 where the meters took more; a day that lacks a block has no row
    PRIMARY KEY (what, name, start_utc)
) STRICT, WITHOUT ROWID;

CREATE TABLE balances_due (
    what TEXT NOT NULL CHECK (what IN ('dt', 'feeder')),
    name TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    due_utc INTEGER NOT NULL,
    PRIMARY KEY (what, name, start_utc)
) STRICT, WITHOUT ROWID;
CREATE INDEX balances_due_by_time ON balances_due (due_utc);

-- How far the registry's journal was looked through for meters that moved to another transformer or feeder.
ALTER TABLE series_state ADD COLUMN registry_change INTEGER NOT NULL DEFAULT 0;
