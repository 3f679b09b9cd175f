-- When connections were open, by the discom's own records of the work; what E8 ZERO rests on.

CREATE TABLE disconnections (
    disconnection INTEGER PRIMARY KEY,
    connection_point TEXT NOT NULL,
    since_utc INTEGER NOT NULL,
    until_utc INTEGER CHECK (until_utc > since_utc),    -- null: open until further notice
    reference TEXT NOT NULL,                            -- the order or report of the work
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    entered_utc INTEGER NOT NULL,
    withdrawn_by TEXT,                                  -- null while it stands
    withdrawn_utc INTEGER CHECK ((withdrawn_utc IS NULL) = (withdrawn_by IS NULL))
) STRICT;
CREATE INDEX standing_disconnections ON disconnections (connection_point) WHERE withdrawn_utc IS NULL;
