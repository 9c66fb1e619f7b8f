"""The personal cabinet: a citizen's certificates and applications."""
