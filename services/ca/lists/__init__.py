"""Revocation lists at work: signed in time, published, handed out."""
