"""Kandas status: applications, checks, decisions."""
