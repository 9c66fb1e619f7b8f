"""Revocation lists: signed, kept in pages, published."""
