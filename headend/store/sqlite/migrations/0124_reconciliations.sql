-- When what the ledger says was compared with what this discom said, and how many deliveries differed.

CREATE TABLE reconciliations (
    reconciliation INTEGER PRIMARY KEY,
    at_utc INTEGER NOT NULL,
    start_utc INTEGER NOT NULL,                 -- first start of a window that was looked at
    deliveries INTEGER NOT NULL CHECK (deliveries >= 0),
    differing INTEGER NOT NULL CHECK (differing BETWEEN 0 AND deliveries)
) STRICT;
