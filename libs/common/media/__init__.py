"""Files that people upload: what they are, and how untrusted ones are opened."""
