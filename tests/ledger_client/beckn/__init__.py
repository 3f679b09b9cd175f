"""Tests of Beckn messages."""
