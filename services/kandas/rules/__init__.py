"""The law as dated data: terms, validity, documents, working days."""
