"""Figures by two persons: edits, the block that an exchange of devices cuts, and how a dispute ends."""
