"""Certificates for those who act for a legal entity."""
