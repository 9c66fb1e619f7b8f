"""Faces: found, judged for quality, and as vectors that can be compared."""
