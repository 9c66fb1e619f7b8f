"""What a certificate is for, as its extensions say: key usage, extended key usage and policy (RFC 5280, 4.2.1)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from libs.common.pki import oids
from libs.common.pki.der import Extension, boxed

_NOT_AN_AUTHORITY: Final = bytes.fromhex("3000")
"""Basic constraints of a holder: an empty SEQUENCE."""
_UNDERSTOOD: Final = frozenset(
    {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.EXTENDED_KEY_USAGE}
)
_DIGITAL_SIGNATURE, _CONTENT_COMMITMENT = 0x80, 0x40


@asn1.sequence
class _Policy:
    policy: ObjectIdentifier
    qualifiers: list[asn1.TLV] | None


@asn1.sequence
class _Purposes:
    purposes: list[ObjectIdentifier]


@asn1.sequence
class _Policies:
    policies: list[_Policy]


@asn1.sequence
class _AuthorityKeyIdentifier:
    key_identifier: Annotated[bytes | None, asn1.Implicit(0)]
    issuer: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    serial_number: Annotated[int | None, asn1.Implicit(2)]


@dataclass(frozen=True, slots=True)
class Purposes:
    """What a certificate's extensions allow."""

    usage: int
    extended: tuple[ObjectIdentifier, ...]
    extended_critical: bool
    policies: frozenset[ObjectIdentifier]


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """What a certificate must be for.

    Attributes:
        content_commitment: whether the key signs documents; a key for signing in must not.
        purposes: all of these extended key usages.
        policy: this policy; None where none is asked for.
        alone: these purposes and no other, critically (RFC 3161, 2.3).
    """

    content_commitment: bool
    purposes: frozenset[ObjectIdentifier]
    policy: ObjectIdentifier | None = None
    alone: bool = False

    def allowed_by(self, purposes: Purposes) -> bool:
        """Return whether a certificate of these purposes is for this use."""
        if self.alone and (set(purposes.extended) != self.purposes or not purposes.extended_critical):
            return False
        return (
            bool(purposes.usage & _DIGITAL_SIGNATURE)
            and bool(purposes.usage & _CONTENT_COMMITMENT) == self.content_commitment
            and self.purposes <= set(purposes.extended)
            and (self.policy is None or self.policy in purposes.policies)
        )


PERSON_SIGN: Final = CertificateUse(
    content_commitment=True,
    purposes=frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, oids.PERSON}),
    policy=oids.POLICY_PERSON_SIGN,
)
"""A person signs a document."""

PERSON_AUTH: Final = CertificateUse(
    content_commitment=False,
    purposes=frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, oids.PERSON}),
    policy=oids.POLICY_PERSON_AUTH,
)
"""A person proves who is there."""

LEGAL_ENTITY_SIGN: Final = CertificateUse(
    content_commitment=True,
    purposes=frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, oids.LEGAL_ENTITY}),
    policy=oids.POLICY_LEGAL_ENTITY_SIGN,
)
"""A legal entity signs a document, through its head, an employee, or a seal."""

TIME_STAMPING: Final = CertificateUse(
    content_commitment=False, purposes=frozenset({ExtendedKeyUsageOID.TIME_STAMPING}), alone=True
)
"""A time-stamp authority signs the time."""

SIGNING: Final = (PERSON_SIGN, LEGAL_ENTITY_SIGN)
"""Whoever may sign documents."""


def purposes_of(extensions: list[Extension]) -> Purposes | None:
    """Read what a holder's certificate is for.

    None if it says too little (no critical key usage, no purposes), too much (a critical extension nobody here
    understands), or is an authority's. ValueError if it does not read as DER.
    """
    found = {extension.oid: extension for extension in extensions}
    usage, extended = found.get(ExtensionOID.KEY_USAGE), found.get(ExtensionOID.EXTENDED_KEY_USAGE)
    constraints, policies = found.get(ExtensionOID.BASIC_CONSTRAINTS), found.get(ExtensionOID.CERTIFICATE_POLICIES)
    if (
        len(found) != len(extensions)
        or any(each.critical and each.oid not in _UNDERSTOOD for each in extensions)
        or (constraints is not None and constraints.value != _NOT_AN_AUTHORITY)
        or usage is None
        or not usage.critical
        or extended is None
    ):
        return None
    return _purposes(usage.value, extended.value, extended.critical, policies.value if policies else None)


def authority_key_identifier(extensions: list[Extension]) -> bytes | None:
    """Return the identifier of the key that is said to have signed the certificate. ValueError as above."""
    for extension in extensions:
        if extension.oid == ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
            identifier: bytes | None = asn1.decode_der(_AuthorityKeyIdentifier, extension.value).key_identifier
            return identifier
    return None


def subject_key_identifier(extensions: list[Extension]) -> bytes | None:
    """Return the identifier of the certificate's own key, if it states one. ValueError as above."""
    for extension in extensions:
        if extension.oid == ExtensionOID.SUBJECT_KEY_IDENTIFIER:
            identifier: bytes = asn1.decode_der(bytes, extension.value)
            return identifier
    return None


@lru_cache(maxsize=256)
def _purposes(usage: bytes, extended: bytes, extended_critical: bool, policies: bytes | None) -> Purposes:
    """Read the three values. All certificates of a profile share them, so they are read once."""
    bits = asn1.decode_der(asn1.BitString, usage).as_bytes()
    named = asn1.decode_der(_Policies, boxed(policies)).policies if policies else []
    return Purposes(
        usage=bits[0] if bits else 0,
        extended=tuple(asn1.decode_der(_Purposes, boxed(extended)).purposes),
        extended_critical=extended_critical,
        policies=frozenset(each.policy for each in named),
    )
