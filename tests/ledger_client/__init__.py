"""Tests of the ledger client and its sandbox exchange."""
