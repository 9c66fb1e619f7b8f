"""CMS signatures, CAdES-BES and CAdES-T (RFC 5652, ETSI EN 319 122-1)."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # asn1crypto ships no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, Signer
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from libs.citizen.errors import KeystoreError
from libs.citizen.keys.keystore import KeyEntry, certificate_of, purpose_of
from libs.citizen.keys.private_keys import PrivateKey
from libs.common.core.values import Clock, utc_now

DetachedSigner = Callable[[bytes], Awaitable[bytes]]
"""Returns a detached CMS signature in DER over a document, after showing it to the person who signs."""


def signer(entry: KeyEntry, clock: Clock = utc_now) -> DetachedSigner:
    """Make what signs with a key that lies here."""

    async def sign(document: bytes) -> bytes:
        return await sign_detached(document, entry, clock())

    return sign


_DIGEST: Final = "sha256"


async def sign_detached(document: bytes, entry: KeyEntry, now: datetime) -> bytes:
    """Sign `document` with a certificate for signing, and return the signature alone, as DER.

    Raises:
        KeystoreError: ``keystore.no_certificate`` or ``keystore.not_for_signing``.
    """
    if purpose_of(certificate_of(entry)) != "SIGN":
        raise KeystoreError("keystore.not_for_signing")
    return await sign_cms(document, entry, now)


async def sign_cms(
    document: bytes, entry: KeyEntry, now: datetime, *, attached: bool = False, stamper: TimeStamper | None = None
) -> bytes:
    """Sign `document` with whatever certificate is held; return DER, with the document inside if ``attached``.

    The signed attributes are content type, message digest (SHA-256), signing time and signing-certificate-v2
    (RFC 5035), which binds the certificate itself so that none other can be put in its place. The signer's
    certificate and the issuers below the root travel inside; with a ``stamper`` a time-stamp too (CAdES-T).

    Raises:
        KeystoreError: ``keystore.no_certificate``.
        OSError: the time-stamp authority gave no answer.
        TimestampRequestError: it refused.
    """
    signature = await _signer(entry).async_sign_general_data(
        document,
        digest_algorithm=_DIGEST,
        detached=not attached,
        use_cades=True,
        timestamper=stamper,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=now),
    )
    der: bytes = signature.dump()
    return der


async def sign_digest(digest: bytes, entry: KeyEntry, now: datetime, *, stamper: TimeStamper | None = None) -> bytes:
    """Sign a document of which only the SHA-256 digest (32 bytes) is known, as `sign_cms` does otherwise."""
    signature = await _signer(entry).async_sign(
        digest,
        digest_algorithm=_DIGEST,
        use_pades=True,  # the library's name for CAdES attributes
        timestamper=stamper,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=now),
        is_pdf_sig=False,
    )
    der: bytes = signature.dump()
    return der


def sign_raw(data: bytes, key: PrivateKey) -> bytes:
    """Sign bytes by the key alone: ECDSA (DER) or RSA PKCS#1 v1.5, with SHA-256."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _signer(entry: KeyEntry) -> "_KeySigner":
    return _KeySigner(entry.key, certificate_of(entry), entry.chain)


class _KeySigner(Signer):
    """Signs with the key object itself: pyHanko's own signer would need the private key's bytes."""

    def __init__(self, key: PrivateKey, certificate: x509.Certificate, chain: Iterable[x509.Certificate]) -> None:
        issuers = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # typed but for its constructor
        for issuer in chain:
            issuers.register(_parsed(issuer))
        super().__init__(signing_cert=_parsed(certificate), cert_registry=issuers, embed_roots=False)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002 - pyHanko's signature
        if digest_algorithm != _DIGEST:
            raise ValueError(f"only SHA-256 is signed here, not {digest_algorithm}")
        return sign_raw(data, self._key)


def _parsed(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
