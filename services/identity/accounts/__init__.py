"""Citizens' accounts: one per person, signing in with a PIN."""
