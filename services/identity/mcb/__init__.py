"""The Mobile Citizens Base, which knows whose phone a phone is."""
