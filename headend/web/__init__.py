"""The head-end's HTTP face: API and console. Every route denies by default; `access` is the one table that opens them."""
