"""What the issuing authority signs, certificates and revocation lists: ordered, written, linted, signed."""
