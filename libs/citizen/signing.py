"""Detached CMS signatures, CAdES-BES (RFC 5652, ETSI EN 319 122-1)."""

from collections.abc import Iterable
from datetime import datetime

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # asn1crypto ships no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, Signer
from pyhanko_certvalidator.registry import SimpleCertificateStore

from libs.citizen.errors import KeystoreError
from libs.citizen.keys import PrivateKey
from libs.citizen.keystore import Holding, purpose_of


async def sign_detached(document: bytes, holding: Holding, now: datetime) -> bytes:
    """Sign `document` and give the signature alone, as DER.

    The signed attributes are content type, message digest (SHA-256), signing time and signing-certificate-v2
    (RFC 5035), which binds the certificate itself so that none other can be put in its place. The signer's
    certificate and the issuers below the root travel inside.

    Raises:
        KeystoreError: ``keystore.no_certificate`` or ``keystore.not_for_signing``.
    """
    if holding.certificate is None:
        raise KeystoreError(
            "keystore.no_certificate",
            "The key store holds a key without a certificate, so nobody could check the signature. "
            "Finish getting your certificates first.",
        )
    if purpose_of(holding.certificate) != "SIGN":
        raise KeystoreError(
            "keystore.not_for_signing",
            "This is the certificate for signing in; a document signed with it would be refused everywhere. "
            "Choose the other file, the one whose name does not begin with AUTH.",
        )
    signer = _KeySigner(holding.key, holding.certificate, holding.chain)
    signature = await signer.async_sign_general_data(
        document,
        digest_algorithm="sha256",
        use_cades=True,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=now),
    )
    der: bytes = signature.dump()
    return der


class _KeySigner(Signer):
    """Signs with the key object itself: pyHanko's own signer would need the private key's bytes."""

    def __init__(self, key: PrivateKey, certificate: x509.Certificate, chain: Iterable[x509.Certificate]) -> None:
        issuers = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # typed but for its constructor
        for issuer in chain:
            issuers.register(_parsed(issuer))
        super().__init__(signing_cert=_parsed(certificate), cert_registry=issuers, embed_roots=False)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002 - pyHanko's signature
        if digest_algorithm != "sha256":
            raise ValueError(f"only SHA-256 is signed here, not {digest_algorithm}")
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(data, ec.ECDSA(hashes.SHA256()))
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _parsed(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
