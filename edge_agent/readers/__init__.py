"""Readers of meters, one package per protocol."""
