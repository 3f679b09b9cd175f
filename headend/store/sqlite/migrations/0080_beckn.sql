-- Questions of the exchange: each was ACKed once its row was here, and is answered, and answered again, from it.

CREATE TABLE questions (
    question INTEGER PRIMARY KEY,
    subscriber TEXT NOT NULL,                   -- who asked, verified
    message_id TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),   -- SHA-256 of the body: the same asked again is the same question
    body BLOB NOT NULL,
    callback TEXT NOT NULL,                     -- where the answer goes; checked against the registered host
    received_utc INTEGER NOT NULL,              -- when it was asked last
    end_utc INTEGER NOT NULL,                   -- end of its last window
    asks INTEGER NOT NULL,                      -- how often it was asked
    answers INTEGER NOT NULL,                   -- the asking that was answered last; 0 before the first answer
    state TEXT NOT NULL CHECK (state IN ('OPEN', 'ANSWERED', 'REFUSED', 'EXPIRED')),
    attempts INTEGER NOT NULL,
    next_try_utc INTEGER NOT NULL,
    note TEXT NOT NULL,
    sorted INTEGER NOT NULL DEFAULT 0,          -- grows whenever some question's windows were found to be visible or not
    UNIQUE (subscriber, digest)
) STRICT;
CREATE INDEX questions_to_do ON questions (next_try_utc) WHERE state IN ('OPEN', 'ANSWERED');
CREATE INDEX questions_sorted ON questions (sorted);

CREATE TABLE question_windows (                 -- every figure that a question asks for
    posted_as TEXT NOT NULL,                    -- as the asker spells it
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    question INTEGER NOT NULL REFERENCES questions (question),
    sight TEXT,                                 -- by what the asker may see it; null while it may not
    told BLOB CHECK (told IS NULL OR length(told) = 32),    -- evidence digest of the figure that the asker ACKed last
    PRIMARY KEY (posted_as, start_utc, end_utc, question)
) STRICT, WITHOUT ROWID;
CREATE INDEX windows_of_question ON question_windows (question);
CREATE INDEX windows_seen ON question_windows (end_utc) WHERE sight IS NOT NULL;

CREATE TABLE disclosures (                      -- interval data that left, to whom and by whose consent; rows are never changed
    disclosure INTEGER PRIMARY KEY,
    grantee TEXT NOT NULL,
    purpose TEXT NOT NULL,
    connection_point TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL,
    evidence BLOB NOT NULL CHECK (length(evidence) = 32),
    disclosed_utc INTEGER NOT NULL
) STRICT;
CREATE INDEX disclosures_of_point ON disclosures (connection_point, disclosure);

-- Whose trade a window is of, and which trade an exchange names.
CREATE INDEX trades_of_seller ON trades (seller_id, start_utc);
CREATE INDEX trades_of_buyer ON trades (buyer_id, start_utc);
CREATE INDEX trades_by_item ON trades (transaction_id, order_item_id);
