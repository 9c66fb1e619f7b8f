"""What certificates, their names, profiles and statuses are. Imports no other folder."""
