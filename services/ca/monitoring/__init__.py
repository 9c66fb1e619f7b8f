"""Metrics of what ends when, and of the ledger."""
