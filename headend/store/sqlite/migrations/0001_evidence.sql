-- Who speaks for which meter, what they said, and the log that proves when.
--
-- A leaf's row id is (log << 40) | index, so that rows of one log stand in the order of its leaves, an append touches the last
-- page only, and the leaf needs no index of its own.

CREATE TABLE logs (
    log INTEGER PRIMARY KEY CHECK (log BETWEEN 0 AND 4194303),
    verifier_key TEXT NOT NULL UNIQUE,          -- C2SP verifier key; its name is the origin
    size INTEGER NOT NULL DEFAULT 0,            -- of the newest signed checkpoint
    checkpoint BLOB                             -- that note; null before the first
) STRICT;

CREATE TABLE tiles (
    tile INTEGER PRIMARY KEY,                   -- (log << 40 | level << 34 | place); level 0 holds entries, n holds tree level 8n
    hashes BLOB NOT NULL                        -- 1 to 256 values of 32 bytes, in order
) STRICT;

CREATE TABLE statements (                       -- logged statements other than batches
    leaf INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    content_type TEXT NOT NULL,
    sign1 BLOB NOT NULL,
    logged_utc INTEGER NOT NULL
) STRICT;

CREATE TABLE gateways (
    gateway INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    commands INTEGER NOT NULL DEFAULT 0         -- number of the last command
) STRICT;

CREATE TABLE keys (
    key INTEGER PRIMARY KEY,
    kid BLOB NOT NULL UNIQUE CHECK (length(kid) = 32),
    cose_key BLOB NOT NULL,
    gateway INTEGER NOT NULL REFERENCES gateways (gateway),
    request BLOB NOT NULL,                      -- the enrolment file
    enrolled_utc INTEGER NOT NULL
) STRICT;

CREATE TABLE meters (
    meter INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    log INTEGER NOT NULL REFERENCES logs (log)
) STRICT;

CREATE TABLE records (                          -- every MeterRecord; the newest has the greatest number
    record INTEGER PRIMARY KEY,                 -- grows with every record of any meter: readers ask for what is new
    meter INTEGER NOT NULL REFERENCES meters (meter),
    number INTEGER NOT NULL,
    leaf INTEGER NOT NULL UNIQUE REFERENCES statements (leaf),
    UNIQUE (meter, number)
) STRICT;

CREATE TABLE chains (
    chain INTEGER PRIMARY KEY,
    meter INTEGER NOT NULL REFERENCES meters (meter),
    key INTEGER NOT NULL REFERENCES keys (key),
    UNIQUE (meter, key)
) STRICT;

CREATE TABLE aliases (                          -- the ledgers' meter ids, exactly as they spell them
    posted_as TEXT PRIMARY KEY,
    connection_point TEXT NOT NULL
) STRICT;
CREATE INDEX aliases_of_connection_point ON aliases (connection_point);

CREATE TABLE batches (                          -- admitted batches, as they came
    leaf INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chains (chain),
    sequence INTEGER NOT NULL,
    branch INTEGER NOT NULL CHECK (branch IN (0, 1)), -- two digests a sequence at most
    digest BLOB NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL,
    reach_utc INTEGER NOT NULL,
    sign1 BLOB NOT NULL,
    opening BLOB                                -- null once erased
) STRICT;
CREATE UNIQUE INDEX batches_of_chain ON batches (chain, sequence, branch);

CREATE TABLE gaps (                             -- sequences below a chain's head that were never admitted, as ranges
    chain INTEGER NOT NULL REFERENCES chains (chain),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    opened_utc INTEGER NOT NULL,
    asked_utc INTEGER,                          -- when a RESEND was last published
    PRIMARY KEY (chain, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE forks (                            -- where a chain has two histories
    chain INTEGER NOT NULL REFERENCES chains (chain),
    sequence INTEGER NOT NULL,                  -- the fork point
    kind INTEGER NOT NULL,                      -- how it first showed: 0 two digests, 1 previous, 2 reach, 3 enrolment
    leaf INTEGER NOT NULL,                      -- the batch that first showed it
    found_utc INTEGER NOT NULL,
    PRIMARY KEY (chain, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
    gateway INTEGER NOT NULL REFERENCES gateways (gateway),
    number INTEGER NOT NULL,
    sign1 BLOB NOT NULL,
    issued_utc INTEGER NOT NULL,
    PRIMARY KEY (gateway, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE turned_away (                      -- NOISE and refusals, counted by check
    number INTEGER PRIMARY KEY,
    total INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE samples (                          -- a few of them, for people; the oldest of a check makes room
    sample INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    seen_utc INTEGER NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL                       -- the first bytes of the message
) STRICT;
CREATE INDEX samples_of_check ON samples (number, sample);
