"""The check of everything that was issued, and what puts a restored store right."""
