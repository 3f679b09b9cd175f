-- Who may read: bearer tokens and console sessions, by the SHA-256 of their secrets.

CREATE TABLE tokens (
    token INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,                  -- revoking is by name; a name is never used twice
    fingerprint BLOB NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    scopes TEXT NOT NULL,                       -- separated by one space
    created_utc INTEGER NOT NULL,
    expires_utc INTEGER NOT NULL,
    revoked_utc INTEGER                         -- null while it is not revoked
) STRICT;

CREATE TABLE sessions (                         -- of the console
    fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
    token INTEGER NOT NULL REFERENCES tokens (token),
    expires_utc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
