"""Captures on their way in: what may come, in sealed pieces, and checked beforehand on request."""
