"""Certificate revocation lists (RFC 5280, 5), one per shard.

The shard of a certificate is fixed when it is issued and written into it; the list says, critically, which address it
answers for (issuing distribution point), so that one shard can't stand in for another.

A list is written around its entries. They are read once, by a parser of others, when they come into memory
(`RevokedEntries.read`), and only such entries can be signed. What surrounds them is made here, and read back
without them: so a list of a million is checked whole without being taken apart again for each of its editions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import CRLEntryExtensionOID, SignatureAlgorithmOID

from libs.common.pki.der import AlgorithmIdentifier, Extension, header, time, wrapped
from services.ca.authority.issuers import Issuer, PrivateKey
from services.ca.model.status import REASON_CODES

BACKDATED: Final = timedelta(minutes=10)
"""How long before its signature a list says that it was issued: to clocks behind ours it would not be valid yet."""
LIFETIME: Final = timedelta(days=1)
"""From this update to the next. Lists are published well before the old one ends."""
ROOT_LIFETIME: Final = timedelta(days=180)
"""A root is offline: its list, of authorities only, lasts longer."""

_VERSION_2: Final = 1
_SEQUENCE: Final = 0x30
_EXTENSIONS: Final = 0xA0
_ANY_ALGORITHM: Final = asn1.encode_der(
    AlgorithmIdentifier(algorithm=SignatureAlgorithmOID.ECDSA_WITH_SHA256, parameters=None)
)
_ANY_OPENING: Final = b"".join(
    (
        asn1.encode_der(_VERSION_2),
        _ANY_ALGORITHM,
        wrapped(_SEQUENCE),
        asn1.encode_der(time(datetime(2026, 1, 1, tzinfo=UTC))),
    )
)
_NO_SIGNATURE: Final = asn1.encode_der(asn1.BitString(b"", 0))


@asn1.sequence
class _Entry:
    serial_number: int
    at: asn1.UTCTime | asn1.GeneralizedTime
    extensions: list[Extension] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CrlFields:
    """One issue of one list.

    Attributes:
        number: grows with every list of the issuer (RFC 5280, 5.2.3).
        url: the address of the shard, exactly as the certificates have it; None: there is one list of all, as a root's.
        this_update: UTC, whole seconds.
        lifetime: until the next update.
    """

    number: int
    url: str | None
    this_update: datetime
    lifetime: timedelta = LIFETIME

    @property
    def next_update(self) -> datetime:
        """When there will be another one at the latest."""
        return self.this_update + self.lifetime


@dataclass(frozen=True, slots=True)
class SignedFrame:
    """A signed list without its entries: the octets before them and after them."""

    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class RevokedEntries:
    """Revoked certificates as octets (DER), one after another, that read as such. Made by `read` alone."""

    octets: bytes
    count: int

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """Read them by another parser than wrote them. ValueError if they are no entries and nothing else."""
        if not octets:
            return cls(b"", 0)
        tbs = wrapped(_SEQUENCE, _ANY_OPENING, wrapped(_SEQUENCE, octets))
        return cls(octets, len(x509.load_der_x509_crl(wrapped(_SEQUENCE, tbs, _ANY_ALGORITHM, _NO_SIGNATURE))))


def entry(serial_number: int, at: datetime, reason: str) -> bytes:
    """Encode one revoked certificate: its number, when (UTC; its whole second counts), and why.

    An unspecified reason is left out (RFC 5280, 5.3.1). KeyError for one that certificates of ours can't have.
    """
    extensions = None
    if reason != "unspecified":
        value = bytes((0x0A, 1, REASON_CODES[reason]))
        extensions = [Extension(oid=CRLEntryExtensionOID.CRL_REASON, critical=False, value=value)]
    moment = time(at.replace(microsecond=0))
    return asn1.encode_der(_Entry(serial_number=serial_number, at=moment, extensions=extensions))


def sign_list(entries: Sequence[RevokedEntries], edition: CrlFields, issuer: Issuer, key: PrivateKey) -> SignedFrame:
    """Sign a list, and check the result before returning it.

    Args:
        entries: in order.

    Raises:
        ValueError: the key is not the issuer's, or the result does not read as the list that was meant.
        InvalidSignature: the signature does not verify: something is wrong with the key.
    """
    size = sum(len(each.octets) for each in entries)
    opening, closing = _opening(edition, issuer), _closing(edition, issuer)
    announced = header(_SEQUENCE, size) if size else b""  # no entries, no list of them (5.1.2.6)
    start = header(_SEQUENCE, len(opening) + len(announced) + size + len(closing)) + opening + announced
    tbs = b"".join((start, *(each.octets for each in entries), closing))
    signature = issuer.sign(key, tbs)
    issuer.verify(signature, tbs)
    after = issuer.signature_algorithm + asn1.encode_der(asn1.BitString(signature, 0))
    _check(wrapped(_SEQUENCE, wrapped(_SEQUENCE, opening, closing), after), edition, issuer, signature)
    return SignedFrame(header(_SEQUENCE, len(tbs) + len(after)) + start, closing + after)


def sign_whole(entries: RevokedEntries, edition: CrlFields, issuer: Issuer, key: PrivateKey) -> bytes:
    """Sign a short list, and give it with its entries in DER. ValueError as in `sign_list`."""
    frame = sign_list([entries], edition, issuer, key)
    return frame.before + entries.octets + frame.after


def _opening(edition: CrlFields, issuer: Issuer) -> bytes:
    """Write the fields before the entries (5.1.2)."""
    fields = (
        asn1.encode_der(_VERSION_2),
        issuer.signature_algorithm,
        issuer.name,
        asn1.encode_der(time(edition.this_update)),
        asn1.encode_der(time(edition.next_update)),
    )
    return b"".join(fields)


def _closing(edition: CrlFields, issuer: Issuer) -> bytes:
    extensions = b"".join(
        asn1.encode_der(Extension(oid=value.oid, critical=critical, value=value.public_bytes()))
        for value, critical in _extensions(edition, issuer)
    )
    return wrapped(_EXTENSIONS, wrapped(_SEQUENCE, extensions))


def _extensions(edition: CrlFields, issuer: Issuer) -> Iterable[tuple[x509.ExtensionType, bool]]:
    """Return the extensions in order, each with whether it is critical (5.2)."""
    yield x509.AuthorityKeyIdentifier(issuer.key_identifier, None, None), False
    yield x509.CRLNumber(edition.number), False
    if edition.url is not None:
        yield _distribution_point(edition.url), True


def _distribution_point(url: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _check(frame: bytes, edition: CrlFields, issuer: Issuer, signature: bytes) -> None:
    """Read what surrounds the entries, without them. ValueError if others would not read what was meant.

    With them it is the same octets, but for two lengths and the header that announces them.
    """
    crl = x509.load_der_x509_crl(frame)
    read = (crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.signature, len(crl))
    if read != (issuer.x509_name, edition.this_update, edition.next_update, signature, 0):
        raise ValueError("the revocation list's fields are not what was asked for: it must not be published")
    extensions = [(each.value, each.critical) for each in crl.extensions]
    if extensions != list(_extensions(edition, issuer)):
        raise ValueError("the revocation list's extensions are not what was asked for: it must not be published")
