"""Journeys: how far somebody is on the way to an electronic signature."""
