"""Readings of an existing HES or MDMS, as the discom vouches for them: never signed at source. Pure."""
