-- Contracts that trading platforms signed: the bytes as they came, and everything that is needed to verify them again.

CREATE TABLE contracts (
    contract INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,                     -- the subscriber that signed
    role TEXT NOT NULL CHECK (role IN ('BUYER', 'SELLER')),
    transaction_id TEXT NOT NULL,
    order_item_id TEXT NOT NULL,
    platform_id_buyer TEXT NOT NULL,
    platform_id_seller TEXT NOT NULL,
    discom_id_buyer TEXT NOT NULL,
    discom_id_seller TEXT NOT NULL,
    buyer_id TEXT NOT NULL,
    seller_id TEXT NOT NULL,
    start_utc INTEGER NOT NULL,
    end_utc INTEGER NOT NULL CHECK (end_utc > start_utc),
    quantity_wh INTEGER NOT NULL CHECK (quantity_wh > 0),
    price_inr_per_kwh TEXT,                     -- null where the contract leaves it unsaid
    body BLOB NOT NULL,                         -- the exact bytes of the put
    authorization TEXT NOT NULL,                -- the header that they came under
    key_id TEXT NOT NULL,
    public_key TEXT NOT NULL,                   -- base64 of what the directory gave for the key then
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    created_utc INTEGER NOT NULL,               -- when the platform says that it signed
    received_utc INTEGER NOT NULL,
    late TEXT,                                  -- what it would have changed after its delivery began; null for one that was taken
    UNIQUE (platform, signature)
) STRICT;
CREATE INDEX contracts_of_trade ON contracts (transaction_id, order_item_id, platform);
CREATE INDEX contracts_of_day ON contracts (platform, received_utc);
CREATE INDEX contracts_ended ON contracts (end_utc);
CREATE INDEX contracts_late ON contracts (received_utc) WHERE late IS NOT NULL;
