"""What is known of each certificate, for OCSP and for revocation lists."""
