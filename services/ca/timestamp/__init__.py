"""Timestamp."""
