"""The status of each certificate, and the responder that tells it (RFC 6960)."""
