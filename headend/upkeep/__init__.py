"""Keeping a head-end right: checks, backups and restoring, reading everything again, erasing what is old."""
