"""What each kind of certificate contains, as data (RFC 5280, and the national authority's profiles)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography.x509 import KeyUsage, ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

from libs.common.contracts.ca import EntityRole
from libs.common.pki import oids
from services.ca.model.subject import Authority, NaturalPerson, Organisation, Representative

ANY_POLICY: Final = ObjectIdentifier("2.5.29.32.0")
DOCUMENT_SIGNING: Final = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""id-kp-documentSigning, RFC 9336."""

Usage = Literal["digital_signature", "content_commitment", "key_encipherment", "key_cert_sign", "crl_sign"]
_NO_USAGE: Final = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One kind of certificate.

    Attributes:
        name: stands in records and events.
        holder: what a certificate of this kind names.
        validity: first to last second, both included.
        backdated: how long before its issue a certificate begins, for relying parties whose clocks are behind. An
            authority's begins before any that it issues.
        key_usage: always; ``rsa_key_usage`` is added where the key is RSA.
        extended_key_usage: in this order; empty means no such extension.
        policies: in this order; empty means no such extension.
        authority: may issue certificates; then ``path_length`` counts the authorities allowed below.
        self_signed: no issuer above, so nowhere to look for its revocation.
        online_status: names the OCSP responder, where there is one.
        purpose_critical: the extended key usage is critical, so that nobody takes the key for anything else.
        no_check: relying parties need not ask whether it was revoked (id-pkix-ocsp-nocheck, RFC 6960, 4.2.2.2.1).
    """

    name: str
    holder: type[NaturalPerson | Representative | Organisation | Authority]
    validity: timedelta
    backdated: timedelta = timedelta(hours=1)
    key_usage: frozenset[Usage]
    rsa_key_usage: frozenset[Usage] = frozenset()
    extended_key_usage: tuple[ObjectIdentifier, ...] = ()
    policies: tuple[ObjectIdentifier, ...] = ()
    authority: bool = False
    path_length: int | None = None
    self_signed: bool = False
    online_status: bool = True
    purpose_critical: bool = False
    no_check: bool = False

    def not_before(self, issued_at: datetime) -> datetime:
        """Return the first second of validity of what is issued at a moment."""
        return (issued_at - self.backdated).replace(microsecond=0)

    def not_after(self, not_before: datetime) -> datetime:
        """Return the last second of validity, which counts (RFC 5280, 4.1.2.5)."""
        return not_before + self.validity - timedelta(seconds=1)

    def usages(self, *, rsa: bool) -> frozenset[Usage]:
        """Return the key usages for a key of the one or the other kind."""
        return self.key_usage | self.rsa_key_usage if rsa else self.key_usage

    def key_usage_extension(self, *, rsa: bool) -> KeyUsage:
        """Return the key usages as the extension's value."""
        return KeyUsage(**(_NO_USAGE | dict.fromkeys(self.usages(rsa=rsa), True)))


_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(days=365)
_SIGNATURE: Final[frozenset[Usage]] = frozenset({"digital_signature", "content_commitment"})

ROOT: Final = Profile(
    name="ROOT",
    holder=Authority,
    validity=20 * _YEAR,
    backdated=_DAY,
    key_usage=frozenset({"key_cert_sign", "crl_sign"}),
    authority=True,
    self_signed=True,
    online_status=False,
)

ISSUING: Final = Profile(
    name="ISSUING",
    holder=Authority,
    validity=10 * _YEAR,
    backdated=_DAY,
    key_usage=frozenset({"key_cert_sign", "crl_sign"}),
    policies=(ANY_POLICY,),
    authority=True,
    path_length=0,
    online_status=False,
)

SIGN: Final = Profile(
    name="SIGN",
    holder=NaturalPerson,
    validity=_YEAR,
    key_usage=_SIGNATURE,
    extended_key_usage=(
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        oids.PERSON,
        oids.IDENTIFIED_BY_DIGITAL_ID,
    ),
    policies=(oids.POLICY_PERSON_SIGN,),
)

AUTH: Final = Profile(
    name="AUTH",
    holder=NaturalPerson,
    validity=_YEAR,
    key_usage=frozenset({"digital_signature"}),
    rsa_key_usage=frozenset({"key_encipherment"}),
    extended_key_usage=(
        ExtendedKeyUsageOID.CLIENT_AUTH,
        oids.PERSON,
        oids.IDENTIFIED_BY_DIGITAL_ID,
    ),
    policies=(oids.POLICY_PERSON_AUTH,),
)


def _entity(name: str, role: ObjectIdentifier) -> Profile:
    return Profile(
        name=name,
        holder=Representative,
        validity=_YEAR,
        key_usage=_SIGNATURE,
        extended_key_usage=(ExtendedKeyUsageOID.EMAIL_PROTECTION, oids.LEGAL_ENTITY, role),
        policies=(oids.POLICY_LEGAL_ENTITY_SIGN,),
    )


ENTITIES: Final[dict[EntityRole, Profile]] = {
    "head": _entity("ENTITY_HEAD", oids.HEAD),
    "signer": _entity("ENTITY_SIGNER", oids.SIGNER),
    "finance": _entity("ENTITY_FINANCE", oids.FINANCE_SIGNER),
    "personnel": _entity("ENTITY_PERSONNEL", oids.PERSONNEL),
    "employee": _entity("ENTITY_EMPLOYEE", oids.EMPLOYEE),
}
"""Who signs for a legal entity, one kind for each role."""

ORGANISATION_SEAL: Final = Profile(
    name="ORGANISATION_SEAL",
    holder=Organisation,
    validity=3 * _YEAR,
    key_usage=_SIGNATURE,
    extended_key_usage=(
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        DOCUMENT_SIGNING,
        oids.LEGAL_ENTITY,
        oids.INFORMATION_SYSTEM,
    ),
    policies=(oids.POLICY_LEGAL_ENTITY_SIGN,),
)

OCSP_RESPONDER: Final = Profile(
    name="OCSP_RESPONDER",
    holder=Authority,
    validity=timedelta(days=30),
    key_usage=frozenset({"digital_signature"}),
    extended_key_usage=(ExtendedKeyUsageOID.OCSP_SIGNING,),
    online_status=False,
    no_check=True,
)

TSA: Final = Profile(
    name="TSA",
    holder=Authority,
    validity=3 * _YEAR,
    key_usage=frozenset({"digital_signature"}),
    extended_key_usage=(ExtendedKeyUsageOID.TIME_STAMPING,),
    purpose_critical=True,
)

PROFILES: Final = {
    profile.name: profile
    for profile in (ROOT, ISSUING, SIGN, AUTH, *ENTITIES.values(), ORGANISATION_SEAL, OCSP_RESPONDER, TSA)
}
"""Every profile by its name, for reading records back."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Where relying parties find what a certificate points to, under one public address.

    Plain http on purpose: what is fetched is signed, and https could not be checked without it
    (RFC 5280, 8). ``ocsp`` says whether certificates name the responder; those of before there was one do not.
    """

    base_url: str
    ocsp: bool = True

    def crl(self, authority: str, shard: int) -> str:
        """Return the address of one shard of an authority's revocation list."""
        return f"{self.base_url}/{authority}/crl/{shard}.crl"

    def certificate(self, authority: str) -> str:
        """Return the address of an authority's own certificate."""
        return f"{self.base_url}/{authority}.cer"

    def responder(self, authority: str) -> str:
        """Return the address of an authority's OCSP responder."""
        return f"{self.base_url}/{authority}/ocsp"

    def practice_statement(self) -> str:
        """Return the address of the certification practice statement."""
        return f"{self.base_url}/cps"
