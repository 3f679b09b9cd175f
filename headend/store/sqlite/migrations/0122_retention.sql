-- What may not be erased, whatever the retention says; and how far erasing got.

CREATE TABLE legal_holds (
    hold INTEGER PRIMARY KEY,
    meter TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    placed_utc INTEGER NOT NULL,
    released_by TEXT,                           -- null while it holds
    released_utc INTEGER CHECK ((released_utc IS NULL) = (released_by IS NULL))
) STRICT;
CREATE INDEX open_legal_holds ON legal_holds (meter) WHERE released_utc IS NULL;

CREATE TABLE retention_state (
    state INTEGER PRIMARY KEY CHECK (state = 1),
    batch_leaf INTEGER NOT NULL                 -- everything up to here is erased, or held
) STRICT;
INSERT INTO retention_state (state, batch_leaf) VALUES (1, -1);
