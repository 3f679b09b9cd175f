-- What rules whose inputs are in no bundle say of spans of a meter's time: stated in every actual that they touch.

CREATE TABLE doubts (
    meter TEXT NOT NULL,
    rule TEXT NOT NULL,
    version INTEGER NOT NULL,
    from_utc INTEGER NOT NULL,
    until_utc INTEGER CHECK (until_utc > from_utc), -- null: without end
    verdict INTEGER NOT NULL,
    because TEXT NOT NULL,
    found_utc INTEGER NOT NULL,
    PRIMARY KEY (meter, rule, from_utc)
) STRICT, WITHOUT ROWID;

CREATE TABLE doubt_changes (                    -- whose windows are to be decided again
    change INTEGER PRIMARY KEY,
    meter TEXT NOT NULL
) STRICT;

CREATE TABLE comparison_state (                 -- how far batches and imports were compared with one another, and by which rules
    state INTEGER PRIMARY KEY CHECK (state = 1),
    batch_leaf INTEGER NOT NULL,
    import_leaf INTEGER NOT NULL,
    record INTEGER NOT NULL,
    rule_set BLOB NOT NULL
) STRICT;
INSERT INTO comparison_state (state, batch_leaf, import_leaf, record, rule_set) VALUES (1, -1, -1, 0, x'');
