"""What the authority works with, as the ledger notes it."""

from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes

from services.ca.authority.hierarchy import Hierarchy
from services.ca.ledger.acts import Configuration
from services.ca.settings import Settings


def configuration(settings: Settings, hierarchy: Hierarchy, responder_keys: Sequence[str]) -> Configuration:
    """Return the keys, certificate, policy and addresses in use. ``responder_keys``: subject key identifiers."""
    return Configuration(
        issuer_keys=tuple(each.issuer.key_identifier.hex() for each in hierarchy.generations),
        responder_keys=tuple(responder_keys),
        tsa_certificate_sha256=hierarchy.tsa.fingerprint(hashes.SHA256()).hex(),
        tsa_policy=settings.tsa_policy,
        clock_tolerance_ms=settings.clock_tolerance_ms,
        crl_shards=settings.crl_shards,
        base_url=settings.base_url,
    )
