"""The outbox: what is signed and not yet receipted, in SQLite; and what is known of every block and boundary."""
