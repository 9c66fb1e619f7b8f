"""The officers of local executive bodies: their list, their decisions."""
