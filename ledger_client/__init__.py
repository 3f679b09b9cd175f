"""Trade ledgers behind one protocol."""
