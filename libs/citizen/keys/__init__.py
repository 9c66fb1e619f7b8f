"""Keys, requests for certificates, and key stores."""
