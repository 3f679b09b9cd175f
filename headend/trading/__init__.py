"""Trades, what is owed to the exchange for them, and by when. Pure."""
