"""One-time codes by SMS."""
