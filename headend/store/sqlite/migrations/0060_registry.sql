-- What the discom knows of its connection points and meters beside what a MeterRecord says: all of it holds from a time on, until
-- something later is stated. No evidence rests on it.

CREATE TABLE supplies (
    connection_point TEXT NOT NULL,
    from_utc INTEGER NOT NULL,
    consumer TEXT,                              -- the discom's consumer number
    feeder TEXT,
    dt TEXT,                                    -- distribution transformer
    storage_wh INTEGER CHECK (storage_wh >= 0), -- registered storage
    PRIMARY KEY (connection_point, from_utc)
) STRICT, WITHOUT ROWID;
CREATE INDEX supplies_of_consumer ON supplies (consumer, from_utc);
CREATE INDEX supplies_of_feeder ON supplies (feeder, from_utc);
CREATE INDEX supplies_of_dt ON supplies (dt, from_utc);

CREATE TABLE alias_dates (                      -- which connection point a ledger's id names; the table `aliases` has the latest
    posted_as TEXT NOT NULL,
    from_utc INTEGER NOT NULL,
    connection_point TEXT,                      -- null: from here on it names nothing
    PRIMARY KEY (posted_as, from_utc)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_dates_of_point ON alias_dates (connection_point, posted_as);
INSERT INTO alias_dates (posted_as, from_utc, connection_point) SELECT posted_as, 0, connection_point FROM aliases;

CREATE TABLE meter_gateways (                   -- which gateway a meter is to be read by, as planned; its key is a matter of enrolment
    meter TEXT NOT NULL,
    from_utc INTEGER NOT NULL,
    gateway TEXT,
    PRIMARY KEY (meter, from_utc)
) STRICT, WITHOUT ROWID;

CREATE TABLE consents (                         -- to whom a consumer lets interval data go, and for what
    connection_point TEXT NOT NULL,
    consumer TEXT NOT NULL,                     -- who consented: whoever moves in later did not
    purpose TEXT NOT NULL,
    grantee TEXT NOT NULL,
    from_utc INTEGER NOT NULL,
    until_utc INTEGER CHECK (until_utc > from_utc), -- null while it was neither limited nor withdrawn
    PRIMARY KEY (connection_point, consumer, purpose, grantee, from_utc)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchanges (                        -- of devices, with the registers that were read then, as the meters state them
    connection_point TEXT NOT NULL,
    at_utc INTEGER NOT NULL,
    old_meter TEXT NOT NULL,
    new_meter TEXT NOT NULL,
    closing_import_wh INTEGER NOT NULL CHECK (closing_import_wh >= 0),
    closing_export_wh INTEGER CHECK (closing_export_wh >= 0),
    opening_import_wh INTEGER NOT NULL CHECK (opening_import_wh >= 0),
    opening_export_wh INTEGER CHECK (opening_export_wh >= 0),
    stated_by TEXT NOT NULL,
    stated_utc INTEGER NOT NULL,
    PRIMARY KEY (connection_point, at_utc)
) STRICT, WITHOUT ROWID;

-- Whose windows a change of facts may give a revision.
CREATE INDEX newest_actuals_of_point ON actuals (connection_point, end_utc) WHERE is_newest = 1;

CREATE TABLE registry_changes (                 -- every change by an import, a command or a request; rows are never changed
    change INTEGER PRIMARY KEY,
    stated_by TEXT NOT NULL,
    stated_utc INTEGER NOT NULL,
    meter TEXT NOT NULL,
    from_utc INTEGER NOT NULL,
    field TEXT NOT NULL,
    before TEXT NOT NULL,                       -- empty where nothing was
    after TEXT NOT NULL
) STRICT;
CREATE INDEX registry_changes_of_meter ON registry_changes (meter, change);
