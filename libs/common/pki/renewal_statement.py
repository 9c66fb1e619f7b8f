"""What a citizen signs with the present key to vouch for new ones: a few lines of text that a person can read."""

import hashlib
from collections.abc import Mapping

from libs.common.contracts.ca import Profile


def renewal_statement(subject: str, requests: Mapping[Profile, str]) -> bytes:
    """Return the text that the signature covers: for which journey, and exactly which requests.

    Args:
        requests: PEM, exactly as sent, by profile.
    """
    digests = (f"{name} {hashlib.sha256(csr.encode()).hexdigest()}" for name, csr in sorted(requests.items()))
    return "\n".join(("Certificates for these requests (SHA-256) shall be mine.", subject, *digests, "")).encode()
