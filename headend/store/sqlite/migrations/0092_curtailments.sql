-- What operators say was curtailed, and what was said of the delivery with a posting.

CREATE TABLE curtailments (
    curtailment INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('OUTAGE', 'POLICY')),
    connection_point TEXT,                      -- null: a whole feeder
    feeder TEXT CHECK ((feeder IS NULL) <> (connection_point IS NULL)),
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    entered_utc INTEGER NOT NULL,
    withdrawn_by TEXT,                          -- null while it stands
    withdrawn_utc INTEGER CHECK ((withdrawn_utc IS NULL) = (withdrawn_by IS NULL))
) STRICT;
CREATE INDEX standing_curtailments ON curtailments (start_utc) WHERE withdrawn_utc IS NULL;

ALTER TABLE postings ADD COLUMN status TEXT;    -- null: nothing was said of the delivery
