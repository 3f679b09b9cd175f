"""Whole days validated for bills and reports."""
