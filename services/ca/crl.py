"""Certificate revocation lists (RFC 5280, 5), one per shard.

The shard of a certificate is fixed when it is issued and written into it; the list says, critically,
which address it answers for (issuing distribution point), so that one shard can't stand in for another.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.ca.issuers import Issuer, PrivateKey

LIFETIME: Final = timedelta(days=1)
"""From this update to the next. Lists are published well before the old one ends."""
ROOT_LIFETIME: Final = timedelta(days=180)
"""A root is offline: its list, of authorities only, lasts longer."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked certificate: its number, when (UTC, whole seconds), and why."""

    serial_number: int
    at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified

    def __post_init__(self) -> None:
        if self.reason is x509.ReasonFlags.remove_from_crl:
            raise ValueError("removeFromCRL stands in delta lists only (RFC 5280, 5.3.1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Edition:
    """One issue of one list.

    Attributes:
        number: grows with every list of the issuer (RFC 5280, 5.2.3).
        url: the address of the shard, exactly as the certificates have it.
        this_update: UTC, whole seconds.
        lifetime: until the next update.
        authorities: the list is of authorities' certificates, not of holders'.
    """

    number: int
    url: str
    this_update: datetime
    lifetime: timedelta = LIFETIME
    authorities: bool = False


def sign_crl(
    revocations: Collection[Revocation], edition: Edition, issuer: Issuer, key: PrivateKey
) -> x509.CertificateRevocationList:
    """Make and check one revocation list.

    Raises:
        ValueError: a serial number occurs twice, the key is not the issuer's, or the signed list does not
            hold what was asked.
    """
    if len({revocation.serial_number for revocation in revocations}) != len(revocations):
        raise ValueError("a certificate is revoked once: a serial number occurs twice")
    if key.public_key() != issuer.public_key:
        raise ValueError(f"{issuer.label}: the key does not belong to this authority")
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=[_entry(item) for item in revocations])
        .issuer_name(issuer.x509_name)
        .last_update(edition.this_update)
        .next_update(edition.this_update + edition.lifetime)
        .add_extension(x509.AuthorityKeyIdentifier(issuer.key_identifier, None, None), critical=False)
        .add_extension(x509.CRLNumber(edition.number), critical=False)
        .add_extension(_distribution_point(edition), critical=True)
    )
    deterministic = isinstance(key, ec.EllipticCurvePrivateKey) or None
    crl = builder.sign(key, issuer.signature_hash, ecdsa_deterministic=deterministic)
    if not crl.is_signature_valid(issuer.public_key) or len(crl) != len(revocations):
        raise ValueError("the signed revocation list is not what was asked for: it must not be published")
    return crl


def _entry(revocation: Revocation) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revocation.serial_number).revocation_date(revocation.at)
    if revocation.reason is not x509.ReasonFlags.unspecified:  # left out then: RFC 5280, 5.3.1
        builder = builder.add_extension(x509.CRLReason(revocation.reason), critical=False)
    return builder.build()


def _distribution_point(edition: Edition) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(edition.url)],
        relative_name=None,
        only_contains_user_certs=not edition.authorities,
        only_contains_ca_certs=edition.authorities,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
