"""Certificates and signatures verified for those who rely on them."""
