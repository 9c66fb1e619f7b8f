"""The certification authority."""
