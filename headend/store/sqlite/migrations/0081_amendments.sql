-- Changes of the terms of trades: what a ledger showed after it had shown something else.

CREATE TABLE amendments (
    amendment INTEGER PRIMARY KEY,
    record_id TEXT NOT NULL,
    amending TEXT NOT NULL CHECK (amending IN ('SUPERSEDED', 'LATE')),
    changes TEXT NOT NULL,
    seen_utc INTEGER NOT NULL,
    UNIQUE (record_id, amending, changes)       -- what is shown again at every pull is one amendment
) STRICT;
CREATE INDEX late_amendments ON amendments (seen_utc) WHERE amending = 'LATE';
