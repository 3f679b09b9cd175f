-- Attested actuals: which statement is which revision of which subject and window.

CREATE TABLE actuals (
    leaf INTEGER PRIMARY KEY REFERENCES statements (leaf),
    connection_point TEXT NOT NULL,
    posted_as TEXT NOT NULL,                    -- exactly as the ledger spells it
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    revision INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    status INTEGER NOT NULL,
    is_newest INTEGER NOT NULL CHECK (is_newest IN (0, 1)),
    UNIQUE (posted_as, start_utc, end_utc, revision)
) STRICT;
-- At most one revision is the newest.
CREATE UNIQUE INDEX newest_actuals ON actuals (posted_as, start_utc, end_utc) WHERE is_newest = 1;
CREATE INDEX newest_actuals_by_status ON actuals (status, leaf) WHERE is_newest = 1;

-- The newest rule set of a log is the last statement of its type.
CREATE INDEX statements_by_type ON statements (content_type, leaf);
