"""Which certificate a signer meant: the ESS signing-certificate attribute, version 2 (RFC 5035, 4)."""

from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes

from libs.common.pki.certificate_use import subject_key_identifier
from libs.common.pki.cms_algorithms import SHA2, digest_of
from libs.common.pki.cms_refusals import SignatureRefusal, SignatureRefused
from libs.common.pki.cms_structures import EssCertIdV2, SignedAttributes, SignerInfo, SigningCertificateV2
from libs.common.pki.der import TbsCertificate, tbs_fields

SIGNING_CERTIFICATE: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.12")
"""Version 1 (RFC 2634, 5.4): by SHA-1, which is not taken."""
SIGNING_CERTIFICATE_V2: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
_DIRECTORY_NAME: Final = b"\xa4"


def signer_certificate(
    certificates: tuple[bytes, ...], signer: SignerInfo, attributes: SignedAttributes
) -> tuple[bytes, TbsCertificate]:
    """Find the certificate whose digest was signed: another of the same name can't take its place.

    SignatureRefused if it is not among these, or is not the one that the signer is named by.
    """
    try:
        meant = attributes.single(SIGNING_CERTIFICATE_V2).parse(SigningCertificateV2).certificates[0]
    except (ValueError, IndexError) as error:
        raise SignatureRefused(SignatureRefusal.MALFORMED) from error
    algorithm = _essdigest_of(meant)
    for certificate in certificates:
        if digest_of(algorithm, certificate) == meant.certificate_hash:
            return certificate, _fields(certificate, signer, meant)
    raise SignatureRefused(SignatureRefusal.INCOMPLETE)


def _essdigest_of(meant: EssCertIdV2) -> hashes.HashAlgorithm:
    if meant.hash_algorithm is None:
        return hashes.SHA256()
    algorithm = SHA2.get(meant.hash_algorithm.algorithm)
    if algorithm is None:
        raise SignatureRefused(SignatureRefusal.UNSUPPORTED_ALGORITHM)
    return algorithm


def _fields(certificate: bytes, signer: SignerInfo, meant: EssCertIdV2) -> TbsCertificate:
    """Read the signer's certificate. All three places that name it have to name the same one."""
    try:
        fields = tbs_fields(certificate)
        same = _is_named_by(fields, signer)
    except ValueError as error:
        raise SignatureRefused(SignatureRefusal.MALFORMED) from error
    issuer, serial_number = asn1.encode_der(fields.issuer), fields.serial_number
    if meant.issuer_serial is not None:
        names = [(name.tag_bytes, bytes(name.data)) for name in meant.issuer_serial.issuer]
        same &= names == [(_DIRECTORY_NAME, issuer)] and meant.issuer_serial.serial_number == serial_number
    if not same:
        raise SignatureRefused(SignatureRefusal.MALFORMED)
    return fields


def _is_named_by(fields: TbsCertificate, signer: SignerInfo) -> bool:
    """Return whether the signer's identifier names this certificate (RFC 5652, 5.3)."""
    if isinstance(signer.sid, bytes):
        return subject_key_identifier(fields.extensions) == signer.sid
    issuer, serial_number = asn1.encode_der(signer.sid.issuer), signer.sid.serial_number
    return (issuer, serial_number) == (asn1.encode_der(fields.issuer), fields.serial_number)
