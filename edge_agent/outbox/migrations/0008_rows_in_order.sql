-- A table by row numbers that only grow fills its last page and begins the next; a table by other keys splits full pages in two.

-- Numbers of the gateway's meters, for the keys of their blocks.
CREATE TABLE meter (
  number  INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 4095),
  id      TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO meter (id) SELECT DISTINCT meter FROM block ORDER BY 1;

-- The newest signed reading of every block. `key` is 4096 * start_utc + the meter's number.
CREATE TABLE block_8 (
  key          INTEGER PRIMARY KEY,
  meter        TEXT NOT NULL,
  start_utc    INTEGER NOT NULL,
  period_s     INTEGER NOT NULL,
  import_wh    INTEGER,
  export_wh    INTEGER,
  absence      INTEGER NOT NULL,
  flags        INTEGER NOT NULL,
  provenance   INTEGER NOT NULL,
  checked_utc  INTEGER NOT NULL
) STRICT;
INSERT INTO block_8 SELECT 4096 * start_utc + number, meter, start_utc, period_s, import_wh, export_wh, absence, flags, provenance,
  checked_utc FROM block JOIN meter ON meter.id = block.meter ORDER BY 1;

-- Every verified checkpoint; `linked` ones extend one another. Two roots at one size are kept: that is the evidence. `key` is
-- 16 * size + a number that tells such two apart.
CREATE TABLE checkpoint_8 (
  key     INTEGER PRIMARY KEY,
  size    INTEGER NOT NULL,
  root    BLOB NOT NULL CHECK (length(root) = 32),
  linked  INTEGER NOT NULL CHECK (linked IN (0, 1)),
  note    BLOB NOT NULL
) STRICT;
INSERT INTO checkpoint_8 SELECT 16 * size + row_number() OVER (PARTITION BY size ORDER BY root) - 1, size, root, linked, note FROM checkpoint
  ORDER BY 1;

DROP TABLE block;
DROP TABLE checkpoint;
ALTER TABLE block_8 RENAME TO block;
ALTER TABLE checkpoint_8 RENAME TO checkpoint;
