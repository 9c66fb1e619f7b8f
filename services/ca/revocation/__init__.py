"""Who may end a certificate, and how."""
