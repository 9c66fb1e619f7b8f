"""Identity documents: found in a picture, and read."""
