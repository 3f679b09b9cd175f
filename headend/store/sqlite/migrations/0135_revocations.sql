-- Revoked credentials are listed in the order in which they were revoked.

CREATE INDEX credentials_by_revocation ON credentials (revoked_utc, number) WHERE revoked_utc IS NOT NULL;
