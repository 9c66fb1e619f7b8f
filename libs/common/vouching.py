"""What a citizen signs with the present key to vouch for new ones: a few lines of text that a person can read."""

import hashlib


def renewal_document(journey_id: str, sign_csr: str, auth_csr: str) -> bytes:
    """Give the text that a renewal's signature covers: which journey, and exactly which two requests (as sent)."""
    return _document("Renewal of an electronic signature", journey_id, {"sign": sign_csr, "auth": auth_csr})


def _document(title: str, subject: str, requests: dict[str, str]) -> bytes:
    digests = (f"{name} request, SHA-256: {hashlib.sha256(csr.encode()).hexdigest()}" for name, csr in requests.items())
    return "\n".join((title, subject, *digests, "")).encode()
