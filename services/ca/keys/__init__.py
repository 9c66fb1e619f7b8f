"""Where the authority's private keys live: encrypted files or a PKCS#11 token."""
