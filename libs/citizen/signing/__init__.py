"""Signatures: CMS and XML."""
