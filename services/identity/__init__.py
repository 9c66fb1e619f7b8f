"""Journeys, Digital IDs and the personal cabinet."""
