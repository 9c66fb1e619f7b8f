"""The records of face checks, for auditors."""
