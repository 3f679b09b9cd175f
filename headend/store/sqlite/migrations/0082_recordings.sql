-- What this discom said of its side of each trade, where it allocates by itself.

CREATE TABLE recordings (
    recording INTEGER PRIMARY KEY,
    record_id TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    order_item_id TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('SELLER', 'BUYER')),
    round INTEGER NOT NULL CHECK (round BETWEEN 1 AND 9),
    posted_as TEXT NOT NULL,
    delivery_start TEXT NOT NULL,
    delivery_end TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    actual BLOB NOT NULL CHECK (length(actual) = 32),   -- the evidence digest
    allocated_wh INTEGER NOT NULL CHECK (allocated_wh >= 0),
    status TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_try_utc INTEGER NOT NULL,
    note TEXT NOT NULL,
    -- A reference names actual and round: each is good for one word on one side of one trade.
    UNIQUE (record_id, side, actual, round)
) STRICT;
CREATE INDEX recordings_to_do ON recordings (next_try_utc) WHERE state IN ('DUE', 'WAITING', 'POSTED');
CREATE INDEX recordings_by_state ON recordings (state, recording);
