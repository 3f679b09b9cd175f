-- Readings that another system of the discom's read, as files brought them: the discom vouches for them, and no actual rests on them.

CREATE TABLE imported_files (
    file INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32), -- of its bytes: the same file again is the same import
    source TEXT NOT NULL,                       -- which system
    brought_by TEXT NOT NULL,                   -- name of a token, of an operator, or of a file in the drop folder
    taken_utc INTEGER NOT NULL,
    rows INTEGER NOT NULL
) STRICT;

CREATE TABLE imported_batches (                 -- every ImportedBatch, with the opening beside it
    leaf INTEGER PRIMARY KEY REFERENCES statements (leaf),
    file INTEGER NOT NULL REFERENCES imported_files (file),
    meter TEXT NOT NULL,
    opening BLOB NOT NULL
) STRICT;
CREATE INDEX imported_batches_of_file ON imported_batches (file);

CREATE TABLE imported_blocks (                  -- the newest import of each block
    meter TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    period_s INTEGER NOT NULL,
    import_wh INTEGER NOT NULL CHECK (import_wh >= 0),
    export_wh INTEGER CHECK (export_wh >= 0),
    is_measured INTEGER NOT NULL CHECK (is_measured IN (0, 1)),
    leaf INTEGER NOT NULL REFERENCES imported_batches (leaf),
    PRIMARY KEY (meter, start_utc)
) STRICT, WITHOUT ROWID;

CREATE TABLE imported_registers (               -- the newest import of each register
    meter TEXT NOT NULL,
    stamp_utc INTEGER NOT NULL,
    import_wh INTEGER CHECK (import_wh >= 0),
    export_wh INTEGER CHECK (export_wh >= 0),
    leaf INTEGER NOT NULL REFERENCES imported_batches (leaf),
    PRIMARY KEY (meter, stamp_utc)
) STRICT, WITHOUT ROWID;
