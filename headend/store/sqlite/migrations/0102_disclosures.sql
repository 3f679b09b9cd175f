-- To whom data of households left, by whose word; and credentials, with those that were revoked.

CREATE TABLE disclosures (                      -- rows are never changed
    disclosure INTEGER PRIMARY KEY,
    what TEXT NOT NULL,                         -- MeterData, or a credential with its number
    grantee TEXT NOT NULL,
    purpose TEXT NOT NULL,
    holder TEXT NOT NULL,                       -- name of the token, or of the operator
    meters TEXT NOT NULL,                       -- ids with a space between them
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL,
    records INTEGER NOT NULL,
    disclosed_utc INTEGER NOT NULL
) STRICT;
CREATE INDEX disclosures_by_time ON disclosures (disclosed_utc);

CREATE TABLE credentials (
    number TEXT PRIMARY KEY,                    -- UUID
    subject TEXT NOT NULL,
    grantee TEXT NOT NULL,
    issued_utc INTEGER NOT NULL,
    until_utc INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- SHA-256 of the JWT
    revoked_utc INTEGER,
    revoked_by TEXT,
    reason TEXT,
    CHECK ((revoked_utc IS NULL) = (revoked_by IS NULL) AND (revoked_utc IS NULL) = (reason IS NULL))
) STRICT, WITHOUT ROWID;
