-- What two persons said that blocks are worth: which statement is which edit of which meter.

CREATE TABLE edits (
    leaf INTEGER PRIMARY KEY REFERENCES statements (leaf),
    meter TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    start_utc INTEGER NOT NULL,                 -- from its first block
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc), -- to the end of its last
    UNIQUE (meter, number)
) STRICT;
