"""Readers: what a meter knows, as it says it. `open_reader` gives one for a URL."""
