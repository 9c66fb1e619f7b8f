"""The citizen's side: keys never leave it."""
