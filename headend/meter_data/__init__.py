"""Meter data of other systems in, and data out to whom consumers consented."""
