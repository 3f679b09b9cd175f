-- Signatures of questions that were kept, until they expire: a program that starts anew knows which it took already.

CREATE TABLE signatures (
    key_id TEXT NOT NULL,                       -- subscriber|key|ed25519
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    created_utc INTEGER NOT NULL,
    expires_utc INTEGER NOT NULL,               -- its last second
    PRIMARY KEY (key_id, signature)
) STRICT, WITHOUT ROWID;
CREATE INDEX signatures_by_expiry ON signatures (expires_utc);
