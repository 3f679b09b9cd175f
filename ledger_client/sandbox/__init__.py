"""A strict exchange that runs: the DEG Ledger API 0.4.0, allocation and settlement, for demos, tests and rehearsals."""
