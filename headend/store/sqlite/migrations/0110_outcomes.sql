-- What came of trades, as it was said to whoever settles money; how far each feed was told; and what they said back.

CREATE TABLE outcomes (
    leaf INTEGER PRIMARY KEY REFERENCES statements (leaf),
    record_id TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('BUYER', 'SELLER')),
    revision INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    is_newest INTEGER NOT NULL CHECK (is_newest IN (0, 1)),
    UNIQUE (record_id, side, revision)
) STRICT;
CREATE UNIQUE INDEX newest_outcomes ON outcomes (record_id, side) WHERE is_newest = 1;

CREATE TABLE feeds (
    feed TEXT PRIMARY KEY,                      -- its name in the configuration
    told_leaf INTEGER NOT NULL                  -- everything up to this leaf was taken
) STRICT;

CREATE TABLE notices (                          -- defaults and enforcement, as clearing houses and courts state them
    notice INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('DEFAULT', 'ENFORCEMENT')),
    reference TEXT NOT NULL,                    -- the sender's own; the same one twice is one notice
    sender TEXT NOT NULL,                       -- name of the token that brought it
    record_id TEXT,
    posted_as TEXT,
    text TEXT NOT NULL,
    received_utc INTEGER NOT NULL,
    UNIQUE (sender, reference)
) STRICT;
