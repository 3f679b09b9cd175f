-- What operators stopped from being posted, and what they did by hand.

CREATE TABLE holds (
    hold INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('HOLD', 'DISPUTE', 'STAND_DOWN')),
    connection_point TEXT,                      -- null: everything
    start_utc INTEGER,                          -- null: every window
    end_utc INTEGER CHECK ((end_utc IS NULL) = (start_utc IS NULL)),
    party TEXT,                                 -- of a dispute: who, and under which reference
    reason TEXT NOT NULL,
    opened_by TEXT NOT NULL,
    opened_utc INTEGER NOT NULL,
    closed_by TEXT,                             -- null while it holds
    closed_utc INTEGER CHECK ((closed_utc IS NULL) = (closed_by IS NULL)),
    outcome TEXT
) STRICT;
CREATE INDEX open_holds ON holds (hold) WHERE closed_utc IS NULL;

CREATE TABLE acts (                             -- each thing that an operator did by hand, for ever
    act INTEGER PRIMARY KEY,
    verb TEXT NOT NULL,
    about TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    done_utc INTEGER NOT NULL
) STRICT;
