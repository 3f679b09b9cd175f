-- Troubles that people are told of: once when they begin, once when they end.

CREATE TABLE alerts (
    alert INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    text TEXT NOT NULL,
    opened_utc INTEGER NOT NULL,
    closed_utc INTEGER,
    told_open INTEGER NOT NULL DEFAULT 0 CHECK (told_open IN (0, 1)),
    told_closed INTEGER NOT NULL DEFAULT 0 CHECK (told_closed IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX open_alerts ON alerts (kind, about) WHERE closed_utc IS NULL;
CREATE INDEX untold_alerts ON alerts (alert) WHERE told_open = 0 OR (closed_utc NOT NULL AND told_closed = 0);
