-- The persons who may edit and refuse, by their public keys; and what one of them proposed and another has yet to approve.

CREATE TABLE operators (
    operator INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kid BLOB NOT NULL UNIQUE CHECK (length(kid) = 32), -- a key is one person's for ever
    cose_key BLOB NOT NULL,
    added_utc INTEGER NOT NULL,
    removed_utc INTEGER                         -- null while they may sign
) STRICT;
CREATE UNIQUE INDEX operators_by_name ON operators (name) WHERE removed_utc IS NULL;

CREATE TABLE proposals (
    proposal INTEGER PRIMARY KEY,
    meter TEXT NOT NULL,
    payload BLOB NOT NULL,                      -- the edit-proposal that its author signed
    author TEXT NOT NULL,
    cose_key BLOB NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    proposed_utc INTEGER NOT NULL,
    closed_utc INTEGER,                         -- null while it waits
    leaf INTEGER REFERENCES edits (leaf),       -- the edit that it became; null where it was dropped
    outcome TEXT CHECK ((outcome IS NULL) = (closed_utc IS NULL))
) STRICT;
CREATE UNIQUE INDEX waiting_proposals ON proposals (meter) WHERE closed_utc IS NULL;
