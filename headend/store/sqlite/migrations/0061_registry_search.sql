-- Where the newest record of a meter places it, and by which serial number, so that people find it; the record itself is the word.

CREATE TABLE meter_places (
    meter INTEGER NOT NULL REFERENCES meters (meter),
    from_utc INTEGER NOT NULL,
    connection_point TEXT NOT NULL,
    identity TEXT NOT NULL,
    PRIMARY KEY (meter, from_utc)
) STRICT, WITHOUT ROWID;
CREATE INDEX meter_places_of_point ON meter_places (connection_point);
CREATE INDEX meter_places_of_identity ON meter_places (identity);
