"""Check a to-be-signed certificate before the key is used.

The bytes are read back by another parser than wrote them (`cryptography`'s, where the writer is
services/ca/issuance/steps.py) and held against the order and the profile, rule by rule. Only a ``LintedTbs``
can be signed, and only once.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from libs.common.pki.der import TbsCertificate, name_attributes, signed
from services.ca.authority.issuers import Issuer
from services.ca.issuance.orders import Order
from services.ca.model.ids import SERIAL_OCTETS
from services.ca.model.key_rules import SENTENCES, key_size_weakness
from services.ca.model.profiles import Publication
from services.ca.model.subject import COMMON_NAME_LENGTH, is_printing

_CRITICAL: Final = frozenset({x509.BasicConstraints.oid, x509.KeyUsage.oid})


class LintError(Exception):
    """The certificate must not be signed. ``findings`` says why, one sentence each, without personal data."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


class TokenSpentError(Exception):
    """A second signature over the same linted bytes was asked for."""


class LintedTbs:
    """Bytes that passed, for one signature by one issuer. Made by ``lint`` alone."""

    __slots__ = ("_unspent", "issuer", "tbs")

    def __init__(self, tbs: bytes, issuer: Issuer) -> None:
        self.tbs: Final = tbs
        self.issuer: Final = issuer
        self._unspent = [tbs]

    def redeem(self) -> bytes:
        """Return the bytes, once. TokenSpentError afterwards. Safe between threads (``list.pop`` is atomic)."""
        try:
            return self._unspent.pop()
        except IndexError:
            raise TokenSpentError("these bytes were signed already: lint again to sign again") from None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The bytes as read, beside what they should say."""

    read: x509.Certificate
    fields: TbsCertificate
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]
    order: Order
    issuer: Issuer
    publication: Publication

    @property
    def rsa(self) -> bool:
        """Whether the holder's key is an RSA one."""
        return isinstance(self.order.public_key, rsa.RSAPublicKey)

    def extension(self, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
        found = self.extensions.get(kind.oid)
        return found.value if found else None


def lint(tbs: bytes, order: Order, issuer: Issuer, publication: Publication) -> LintedTbs:
    """Check the bytes against the order and every rule. LintError with all findings, not just the first."""
    try:
        fields = asn1.decode_der(TbsCertificate, tbs)
        if fields.serial_number <= 0:  # first, as the other parser only warns of it
            raise LintError(("the serial number is not positive",))
        unsigned = x509.load_der_x509_certificate(signed(tbs, issuer.signature_algorithm, b""))
        extensions = {extension.oid: extension for extension in unsigned.extensions}
        candidate = _Candidate(unsigned, fields, extensions, order, issuer, publication)
        findings = tuple(finding for rule in _RULES for finding in rule(candidate))
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise LintError((f"the bytes do not read as a certificate: {type(error).__name__}",)) from error
    if findings:
        raise LintError(findings)
    return LintedTbs(tbs, issuer)


def _key_identifier(it: _Candidate) -> Iterator[str]:
    """RFC 5280, 4.2.1.2, method 1: SHA-1 of the key bits, an index and no protection."""
    key = it.order.public_key
    bits = (
        key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        if isinstance(key, rsa.RSAPublicKey)
        else key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    digest = asn1.encode_der(hashlib.sha1(bits, usedforsecurity=False).digest())
    present = [each for each in it.fields.extensions if each.oid == x509.SubjectKeyIdentifier.oid]
    if [(each.critical, each.value) for each in present] != [(False, digest)]:
        yield "the subject key identifier is not that of the key"


def _version_and_algorithm(it: _Candidate) -> Iterator[str]:
    if it.read.version is not x509.Version.v3:
        yield "the version is not 3"
    if asn1.encode_der(it.fields.signature) != it.issuer.signature_algorithm:
        yield "the signature algorithm is not the issuer's"


def _serial(it: _Candidate) -> Iterator[str]:
    if it.read.serial_number != it.order.serial_number:
        yield "the serial number is not the ordered one"
    if it.read.serial_number.bit_length() != 8 * SERIAL_OCTETS - 1:
        yield f"the serial number is not a positive number of {SERIAL_OCTETS} octets"


def _validity(it: _Candidate) -> Iterator[str]:
    first, last = it.read.not_valid_before_utc, it.read.not_valid_after_utc
    if first != it.order.not_before:
        yield "the validity does not begin when ordered"
    if (last - first).total_seconds() + 1 != it.order.profile.validity.total_seconds():
        yield "the validity is not as long as the profile says"


def _names(it: _Candidate) -> Iterator[str]:
    if asn1.encode_der(it.fields.issuer) != it.issuer.name:
        yield "the issuer's name is not the name in the issuer's certificate"
    attributes = name_attributes(it.fields.subject)
    kinds = [kind for kind, _ in attributes]
    if attributes != it.order.holder.attributes():
        yield "the subject is not the ordered holder"
    if len(set(kinds)) != len(kinds) or NameOID.COMMON_NAME not in kinds:
        yield "the subject repeats an attribute, or lacks the common name"
    if dict(attributes).get(NameOID.COUNTRY_NAME) != "KZ":
        yield "the country is not KZ"
    if not all(value and is_printing(value) for _, value in attributes):
        yield "the subject has an empty attribute, or a character that does not print"
    if len(dict(attributes).get(NameOID.COMMON_NAME, "")) > COMMON_NAME_LENGTH:
        yield f"the common name is longer than {COMMON_NAME_LENGTH} characters"


def _public_key(it: _Candidate) -> Iterator[str]:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ordered = it.order.public_key.public_bytes(*form)
    if asn1.encode_der(it.fields.public_key) != ordered:
        yield "the public key is not the requested one"
    if (weakness := key_size_weakness(it.order.public_key)) is not None:
        yield SENTENCES[weakness]
    if it.order.profile.self_signed != (it.order.public_key == it.issuer.public_key):
        yield "a certificate carries its issuer's own key exactly if it is self-signed"


def _authority_key_identifier(it: _Candidate) -> Iterator[str]:
    own = it.order.profile.self_signed
    named = None if own else x509.AuthorityKeyIdentifier(it.issuer.key_identifier, None, None)
    if it.extension(x509.AuthorityKeyIdentifier) != named:
        yield "the authority key identifier is not the issuer's"


def _usage(it: _Candidate) -> Iterator[str]:
    profile = it.order.profile
    if it.extension(x509.KeyUsage) != profile.key_usage_extension(rsa=it.rsa):
        yield "the key usage is not exactly the profile's"
    extended = it.extension(x509.ExtendedKeyUsage)
    purposes = tuple(extended) if isinstance(extended, x509.ExtendedKeyUsage) else ()
    if purposes != profile.extended_key_usage:
        yield "the extended key usage is not exactly the profile's"
    if it.extension(x509.BasicConstraints) != x509.BasicConstraints(profile.authority, profile.path_length):
        yield "the basic constraints are not the profile's"


def _policies(it: _Candidate) -> Iterator[str]:
    present = it.extension(x509.CertificatePolicies)
    policies = tuple(present) if isinstance(present, x509.CertificatePolicies) else ()
    if tuple(policy.policy_identifier for policy in policies) != it.order.profile.policies:
        yield "the certificate policies are not exactly the profile's"
    statement = [] if it.order.profile.authority else [it.publication.practice_statement()]
    if any((policy.policy_qualifiers or []) != statement for policy in policies):
        yield "the address of the practice statement is not the published one"


def _addresses(it: _Candidate) -> Iterator[str]:
    profile, place, label = it.order.profile, it.publication, it.issuer.label
    above = not profile.self_signed
    if it.extension(x509.CRLDistributionPoints) != (_crl(place.crl(label, it.order.crl_shard)) if above else None):
        yield "the revocation list's address is not the ordered shard's"
    access = {_access(AuthorityInformationAccessOID.CA_ISSUERS, place.certificate(label))} if above else set()
    if above and profile.online_status and place.ocsp:
        access.add(_access(AuthorityInformationAccessOID.OCSP, place.responder(label)))
    present = it.extension(x509.AuthorityInformationAccess)
    read = list(present) if isinstance(present, x509.AuthorityInformationAccess) else []
    if len(read) != len(access) or set(read) != access:
        yield "the addresses of the issuer's certificate and responder are not the published ones"


def _nothing_else(it: _Candidate) -> Iterator[str]:
    profile = it.order.profile
    expected = {x509.SubjectKeyIdentifier.oid, *_CRITICAL}
    critical = _CRITICAL | ({x509.ExtendedKeyUsage.oid} if profile.purpose_critical else frozenset())
    if profile.extended_key_usage:
        expected.add(x509.ExtendedKeyUsage.oid)
    if profile.no_check:
        expected.add(x509.OCSPNoCheck.oid)
    if profile.policies:
        expected.add(x509.CertificatePolicies.oid)
    if not profile.self_signed:
        expected |= {
            x509.AuthorityKeyIdentifier.oid,
            x509.AuthorityInformationAccess.oid,
            x509.CRLDistributionPoints.oid,
        }
    if it.extensions.keys() != expected:
        yield "there is an unexpected extension, or an expected one is missing"
    if any(extension.critical != (extension.oid in critical) for extension in it.extensions.values()):
        yield "an extension is critical where it should not be, or the other way round"


def _canonical(it: _Candidate) -> Iterator[str]:
    """DER has one encoding of each value (X.690, 11); parsers are more lenient, such as with named bits."""
    read = [(extension.oid, extension.value.public_bytes()) for extension in it.extensions.values()]
    if read != [(extension.oid, extension.value) for extension in it.fields.extensions]:
        yield "an extension's value is not in its one canonical encoding"


def _crl(url: str) -> x509.CRLDistributionPoints:
    """One place, for all reasons, of the authority's own list. A name of another kind is another place."""
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])


def _access(method: x509.ObjectIdentifier, url: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(url))


_RULES: Final[tuple[Callable[[_Candidate], Iterator[str]], ...]] = (
    _version_and_algorithm,
    _serial,
    _validity,
    _names,
    _public_key,
    _key_identifier,
    _authority_key_identifier,
    _usage,
    _policies,
    _addresses,
    _nothing_else,
    _canonical,
)
