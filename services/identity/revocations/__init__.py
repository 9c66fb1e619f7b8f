"""Requests of citizens who lost their keys to have a certificate revoked."""
