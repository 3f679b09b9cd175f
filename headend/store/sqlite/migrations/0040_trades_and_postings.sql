-- Trades as the ledger last showed them, and what was posted for them.

CREATE TABLE trades (
    record_id TEXT PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    order_item_id TEXT NOT NULL,
    platform_id_buyer TEXT NOT NULL,
    platform_id_seller TEXT NOT NULL,
    discom_id_buyer TEXT NOT NULL,
    discom_id_seller TEXT NOT NULL,
    buyer_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    delivery_start TEXT NOT NULL,               -- exactly as the ledger spells it
    delivery_end TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL,
    quantity_wh INTEGER NOT NULL,
    price_inr_per_kwh TEXT,                     -- exact decimal
    trade_type TEXT NOT NULL,
    status_buyer_discom TEXT,
    status_seller_discom TEXT,
    pushed_wh INTEGER,
    pulled_wh INTEGER,
    row_digest TEXT,
    first_seen_utc INTEGER NOT NULL,
    seen_utc INTEGER NOT NULL
) STRICT;
CREATE INDEX trades_by_start ON trades (start_utc);

CREATE TABLE unreadable_trades (                -- rows of the ledger that are no trade, with why
    record_id TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    seen_utc INTEGER NOT NULL
) STRICT;

CREATE TABLE postings (
    posting INTEGER PRIMARY KEY,
    posted_as TEXT NOT NULL,
    delivery_start TEXT NOT NULL,
    delivery_end TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL,
    actual BLOB NOT NULL CHECK (length(actual) = 32),   -- the evidence digest
    revision INTEGER NOT NULL,
    net_wh INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_try_utc INTEGER NOT NULL,
    note TEXT NOT NULL,
    allocated_wh INTEGER,
    -- One actual is posted once to one delivery: a retry after a crash finds its row.
    UNIQUE (posted_as, delivery_start, delivery_end, actual)
) STRICT;
CREATE INDEX postings_to_do ON postings (next_try_utc) WHERE state IN ('DUE', 'WAITING', 'POSTED');
