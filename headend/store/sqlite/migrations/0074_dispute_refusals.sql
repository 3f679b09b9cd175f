-- How disputes were turned down: what two persons signed.

CREATE TABLE dispute_refusals (
    hold INTEGER PRIMARY KEY REFERENCES holds (hold),
    payload BLOB NOT NULL,                      -- the dispute-refusal that both signed
    author TEXT NOT NULL,
    author_key BLOB NOT NULL,
    author_signature BLOB NOT NULL CHECK (length(author_signature) = 64),
    approver TEXT,                              -- null until another person signed
    approver_key BLOB CHECK ((approver_key IS NULL) = (approver IS NULL)),
    approver_signature BLOB CHECK ((approver_signature IS NULL) = (approver IS NULL))
) STRICT;
