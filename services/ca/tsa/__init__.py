"""Time-stamps (RFC 3161): given, and believed."""
