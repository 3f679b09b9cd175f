-- Every commit writes whole pages: what is written together stands together, what changes stands apart from what never does, and
-- nothing has an index that another table answers for.

-- A signed batch, never changed and never deleted. `before` is the batch before it in its chain: no index finds it by its number.
CREATE TABLE batch_7 (
  place      INTEGER PRIMARY KEY,                      -- order of signing, over all meters
  meter      TEXT NOT NULL,
  sequence   INTEGER NOT NULL,
  before     INTEGER,
  digest     BLOB NOT NULL CHECK (length(digest) = 32),
  start_utc  INTEGER NOT NULL,
  end_utc    INTEGER NOT NULL,
  envelope   BLOB NOT NULL
) STRICT;
INSERT INTO batch_7 SELECT place, meter, sequence, lag(place) OVER (PARTITION BY meter, kid ORDER BY sequence), digest, start_utc,
  end_utc, envelope FROM batch ORDER BY place;

-- What a batch says, until it is past the time for RESEND.
CREATE TABLE opening (
  place    INTEGER PRIMARY KEY,
  content  BLOB NOT NULL
) STRICT;
INSERT INTO opening SELECT place, opening FROM batch WHERE opening IS NOT NULL ORDER BY place;

-- What is not answered, and what is and a command asked for again.
CREATE TABLE waiting (
  place           INTEGER PRIMARY KEY,
  digest          BLOB NOT NULL UNIQUE,
  parked          INTEGER NOT NULL DEFAULT 0 CHECK (parked IN (0, 1)),
  again           INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),   -- it has its receipt
  attempts        INTEGER NOT NULL DEFAULT 0,
  not_before_utc  INTEGER NOT NULL DEFAULT 0,
  refusal_number  INTEGER,
  refusal_reason  TEXT
) STRICT;
INSERT INTO waiting SELECT place, digest, state = 'PARKED', state = 'RECEIPTED', attempts, not_before_utc, refusal_number, refusal_reason
  FROM batch WHERE state <> 'RECEIPTED' OR again = 1 ORDER BY place;

-- Kept for ever: the nodes of all paths of one message, each once, and which of them, two octets each, lead from a batch's leaf to
-- the root of the checkpoint of `size`.
CREATE TABLE proof (
  number  INTEGER PRIMARY KEY,
  size    INTEGER NOT NULL,
  at_utc  INTEGER NOT NULL,                            -- when it was noted
  nodes   BLOB NOT NULL                                -- 32 octets each
) STRICT;
CREATE TABLE receipt_7 (
  place  INTEGER PRIMARY KEY,
  proof  INTEGER NOT NULL,
  leaf   INTEGER NOT NULL,
  path   BLOB NOT NULL
) STRICT;
INSERT INTO proof SELECT batch.place, size, coalesce(answered_utc, 0), path FROM receipt JOIN batch USING (digest) ORDER BY 1;
INSERT INTO receipt_7 SELECT batch.place, batch.place, receipt.place,
  substr(x'0000000100020003000400050006000700080009000A000B000C000D000E000F0010001100120013001400150016001700180019001A001B001C001D001E001F0020002100220023002400250026002700280029002A002B002C002D002E002F0030003100320033003400350036003700380039003A003B003C003D003E003F', 1,
  length(path) / 16) FROM receipt JOIN batch USING (digest) ORDER BY 1;

-- `last` is the place of the newest batch.
ALTER TABLE chain ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
UPDATE chain SET last = (SELECT place FROM batch WHERE (batch.meter, batch.kid, sequence) = (chain.meter, chain.kid, next_sequence - 1));

-- The meters of a gateway are read together: their blocks of one time stand together.
CREATE TABLE block_7 (
  meter        TEXT NOT NULL,
  start_utc    INTEGER NOT NULL,
  period_s     INTEGER NOT NULL,
  import_wh    INTEGER,
  export_wh    INTEGER,
  absence      INTEGER NOT NULL,
  flags        INTEGER NOT NULL,
  provenance   INTEGER NOT NULL,
  checked_utc  INTEGER NOT NULL,
  PRIMARY KEY (start_utc, meter)
) STRICT, WITHOUT ROWID;
INSERT INTO block_7 SELECT meter, start_utc, period_s, import_wh, export_wh, absence, flags, provenance, checked_utc FROM block
  ORDER BY start_utc, meter;

DROP TABLE batch;
DROP TABLE receipt;
DROP TABLE block;
ALTER TABLE batch_7 RENAME TO batch;
ALTER TABLE receipt_7 RENAME TO receipt;
ALTER TABLE block_7 RENAME TO block;
