-- Whose state this is. `kid` is the key that signs now; `obeyed` the newest command number obeyed.
CREATE TABLE gateway (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  id      TEXT NOT NULL,
  kid     BLOB NOT NULL CHECK (length(kid) = 32),
  obeyed  INTEGER NOT NULL DEFAULT -1
) STRICT;

-- Which EnrolRequest first named a meter for a key: `previous` of sequence 0.
CREATE TABLE enrolled (
  meter    TEXT NOT NULL,
  kid      BLOB NOT NULL CHECK (length(kid) = 32),
  request  BLOB NOT NULL CHECK (length(request) = 32),
  PRIMARY KEY (meter, kid)
) STRICT, WITHOUT ROWID;

-- The head of every chain that has a batch.
CREATE TABLE chain (
  meter          TEXT NOT NULL,
  kid            BLOB NOT NULL CHECK (length(kid) = 32),
  next_sequence  INTEGER NOT NULL CHECK (next_sequence > 0),
  previous       BLOB NOT NULL CHECK (length(previous) = 32),
  reach_utc      INTEGER NOT NULL,
  PRIMARY KEY (meter, kid)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
  place           INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of signing, over all meters
  meter           TEXT NOT NULL,
  kid             BLOB NOT NULL CHECK (length(kid) = 32),
  sequence        INTEGER NOT NULL,
  digest          BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  start_utc       INTEGER NOT NULL,
  end_utc         INTEGER NOT NULL,
  envelope        BLOB NOT NULL,
  opening         BLOB,                                -- null once it is past the time for RESEND
  state           TEXT NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'PARKED', 'RECEIPTED')),
  again           INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),   -- a command asked to send it again
  attempts        INTEGER NOT NULL DEFAULT 0,
  not_before_utc  INTEGER NOT NULL DEFAULT 0,
  refusal_number  INTEGER,
  refusal_reason  TEXT,
  answered_utc    INTEGER,
  UNIQUE (meter, kid, sequence)
) STRICT;
CREATE INDEX batch_to_send ON batch (place) WHERE state = 'WAITING' OR again = 1;
CREATE INDEX batch_unanswered ON batch (state) WHERE state <> 'RECEIPTED';
CREATE INDEX batch_to_prune ON batch (answered_utc) WHERE state = 'RECEIPTED' AND opening IS NOT NULL;

-- Every verified checkpoint; `linked` ones extend one another. Two roots at one size are kept: that is the evidence.
CREATE TABLE checkpoint (
  size    INTEGER NOT NULL,
  root    BLOB NOT NULL CHECK (length(root) = 32),
  linked  INTEGER NOT NULL CHECK (linked IN (0, 1)),
  note    BLOB NOT NULL,
  PRIMARY KEY (size, root)
) STRICT, WITHOUT ROWID;

-- Kept for ever.
CREATE TABLE receipt (
  digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
  size    INTEGER NOT NULL,                            -- of the checkpoint that the path leads to
  place   INTEGER NOT NULL,                            -- index of the leaf
  path    BLOB NOT NULL                                -- 32 bytes a node
) STRICT, WITHOUT ROWID;

-- Messages that prove, or seem to prove, that the log broke its promise.
CREATE TABLE alarm (
  kind      TEXT NOT NULL,
  evidence  BLOB NOT NULL,
  message   TEXT NOT NULL,
  seen_utc  INTEGER NOT NULL,
  PRIMARY KEY (kind, evidence)
) STRICT, WITHOUT ROWID;

-- The newest signed reading of every block.
CREATE TABLE block (
  meter        TEXT NOT NULL,
  start_utc    INTEGER NOT NULL,
  period_s     INTEGER NOT NULL,
  import_wh    INTEGER,
  export_wh    INTEGER,
  absence      INTEGER NOT NULL,
  flags        INTEGER NOT NULL,
  provenance   INTEGER NOT NULL,
  checked_utc  INTEGER NOT NULL,
  PRIMARY KEY (meter, start_utc)
) STRICT, WITHOUT ROWID;

-- The newest signed register of every stamp.
CREATE TABLE register (
  meter      TEXT NOT NULL,
  stamp_utc  INTEGER NOT NULL,
  import_wh  INTEGER,
  export_wh  INTEGER,
  PRIMARY KEY (meter, stamp_utc)
) STRICT, WITHOUT ROWID;

-- What a meter without memory showed at a block boundary.
CREATE TABLE sample (
  meter      TEXT NOT NULL,
  at_utc     INTEGER NOT NULL,
  import_wh  INTEGER NOT NULL,
  export_wh  INTEGER,
  serial     TEXT,
  PRIMARY KEY (meter, at_utc)
) STRICT, WITHOUT ROWID;

-- Where a meter's memory is known to begin.
CREATE TABLE horizon (
  meter     TEXT PRIMARY KEY,
  from_utc  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Spans that a command asked to read again.
CREATE TABLE reread (
  number     INTEGER PRIMARY KEY,
  meter      TEXT NOT NULL,
  start_utc  INTEGER NOT NULL,
  end_utc    INTEGER NOT NULL
) STRICT;
