-- After a restore: the leaves whose statements were in no backup, and the chains that may hold them.

CREATE TABLE lost_leaves (
    leaf INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE asked_tails (                      -- chains whose gateways are asked for what they sent after the backup
    chain INTEGER PRIMARY KEY REFERENCES chains (chain),
    asked_utc INTEGER                           -- null: not yet
) STRICT;

CREATE TABLE restores (
    restore INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    from_size INTEGER NOT NULL,                 -- leaves that the backup had
    to_size INTEGER NOT NULL,                   -- leaves of the published checkpoint
    restored_utc INTEGER NOT NULL
) STRICT;
