"""The issuing authorities: their certificates, generations, and what was revoked of them."""
