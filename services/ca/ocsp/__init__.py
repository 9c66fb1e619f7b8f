"""The status of each certificate, and the responder that answers with it (RFC 6960)."""
