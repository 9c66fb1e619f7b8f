"""A citizen's way to certificates, before the authority signs and after: requests, vouching, aftercare."""
