"""The seams of `headend.views` over the SQLite store."""
