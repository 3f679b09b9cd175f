"""The SQLite engine: one file, one writer at a time, write-ahead log, synchronous=FULL."""
