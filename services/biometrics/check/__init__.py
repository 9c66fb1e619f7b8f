"""The face check: its states, its rules, and what is kept of it."""
