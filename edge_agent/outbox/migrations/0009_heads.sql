-- What of a chain changes with every batch, apart from what names it: the heads of a gateway's chains stand on one page.
CREATE TABLE chain_name (
  number  INTEGER PRIMARY KEY,
  meter   TEXT NOT NULL,
  kid     BLOB NOT NULL CHECK (length(kid) = 32),
  UNIQUE (meter, kid)
) STRICT;
CREATE TABLE head (
  number         INTEGER PRIMARY KEY,
  next_sequence  INTEGER NOT NULL CHECK (next_sequence > 0),
  previous       BLOB NOT NULL CHECK (length(previous) = 32),
  reach_utc      INTEGER NOT NULL,
  last           INTEGER NOT NULL
) STRICT;
INSERT INTO chain_name (meter, kid) SELECT meter, kid FROM chain ORDER BY last;
INSERT INTO head SELECT number, next_sequence, previous, reach_utc, last FROM chain JOIN chain_name USING (meter, kid);
DROP TABLE chain;
CREATE VIEW chain AS SELECT number, meter, kid, next_sequence, previous, reach_utc, last FROM chain_name JOIN head USING (number);
