-- Validated days: what bills and reports use, each version kept; and which days are to be validated when.

CREATE TABLE days (
    day INTEGER PRIMARY KEY,                    -- grows with every version of any day: readers ask for what is new
    meter TEXT NOT NULL,
    start_utc INTEGER NOT NULL,                 -- IST midnight
    revision INTEGER NOT NULL,
    rule_set BLOB NOT NULL,
    quality INTEGER NOT NULL,                   -- the worst of its blocks
    import_wh INTEGER,                          -- null where any block lacks it
    export_wh INTEGER,
    content BLOB NOT NULL,
    decided_utc INTEGER NOT NULL,
    is_newest INTEGER NOT NULL CHECK (is_newest IN (0, 1)),
    UNIQUE (meter, start_utc, revision)
) STRICT;
CREATE UNIQUE INDEX newest_days ON days (meter, start_utc) WHERE is_newest = 1;
CREATE INDEX newest_days_by_quality ON days (quality, start_utc) WHERE is_newest = 1;

CREATE TABLE days_due (
    meter TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    due_utc INTEGER NOT NULL,
    PRIMARY KEY (meter, start_utc)
) STRICT, WITHOUT ROWID;
CREATE INDEX days_due_by_time ON days_due (due_utc);

CREATE TABLE series_state (                     -- how far evidence was looked through for days that it changes
    state INTEGER PRIMARY KEY CHECK (state = 1),
    batch_leaf INTEGER NOT NULL,
    record INTEGER NOT NULL
) STRICT;
INSERT INTO series_state (state, batch_leaf, record) VALUES (1, -1, 0);
