-- Invocation counters. A key and a counter together are AES-GCM's nonce: nothing below `reserved` is ever given again.
CREATE TABLE invocation_counter (
  key           BLOB PRIMARY KEY CHECK (length(key) = 16),   -- digest of an encryption key and the system title used with it
  meter         TEXT NOT NULL,
  reserved      INTEGER NOT NULL CHECK (reserved >= 0),
  verified      INTEGER NOT NULL DEFAULT -1,                  -- highest of ours that the meter is proven to have accepted
  heard         INTEGER NOT NULL DEFAULT -1,                  -- highest of the meter's own that was verified
  looked_utc    INTEGER,                                      -- when the meter was last asked what it accepted from us
  others_utc    INTEGER                                       -- when the meter last knew a counter of ours that we never used
) STRICT, WITHOUT ROWID;

-- Meters' keys, sealed to the gateway's wrapping key. Never plain.
CREATE TABLE meter_key (
  meter      TEXT PRIMARY KEY,
  sealed     BLOB NOT NULL,
  since_utc  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What became of meters' keys and counters, kept for ever. Never a key: `fingerprint` is of the sealed file.
CREATE TABLE meter_key_event (
  number       INTEGER PRIMARY KEY AUTOINCREMENT,
  at_utc       INTEGER NOT NULL,
  meter        TEXT NOT NULL,
  kind         TEXT NOT NULL CHECK (kind IN ('IMPORTED', 'ROTATED', 'FORGOTTEN', 'COUNTER_BACK', 'COUNTER_JUMP', 'COUNTER_ACCEPTED')),
  fingerprint  BLOB,
  who          TEXT NOT NULL,
  detail       TEXT NOT NULL
) STRICT;
