-- Blocks that windows lack, and when their meter's gateway was asked to read them again.

CREATE TABLE hunts (
    meter TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    asked INTEGER NOT NULL DEFAULT 0,           -- how often
    due_utc INTEGER,                            -- null: its meter forgot them, nobody is asked any more
    PRIMARY KEY (meter, start_utc, end_utc)
) STRICT, WITHOUT ROWID;
CREATE INDEX hunts_due ON hunts (due_utc) WHERE due_utc NOT NULL;
