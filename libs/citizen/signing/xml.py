"""Signatures in XML documents: enveloped XMLDSig over the whole document, as NCALayer makes them."""

import base64
import hashlib
from itertools import chain
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree  # type: ignore[import-untyped] # lxml ships no types

from libs.citizen.errors import CitizenError
from libs.citizen.keys.keystore import KeyEntry, certificate_of
from libs.common.pki.xml_canonical import CANONICAL_XML

_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'


class DocumentRefused(CitizenError):
    """A document that cannot be signed so that everybody reads the same under the signature."""


def sign_xml(document: str, entry: KeyEntry) -> str:
    """Sign an XML document; return it with its signature as the root's last child.

    The reference is to the whole document (``URI=""``), canonical by C14N 1.0; key info holds the certificate.

    Raises:
        DocumentRefused: ``xml.malformed``, also for what has no canonical form, or ``xml.ambiguous`` for a document
            type, comments or instructions.
        KeystoreError: ``keystore.no_certificate``.
    """
    root = parse_xml(document)
    certificate = certificate_of(entry).public_bytes(Encoding.DER)
    digest = hashlib.sha256(CANONICAL_XML.whole(root)).digest()
    signature = etree.SubElement(root, f"{{{_DS}}}Signature", nsmap={"ds": _DS})
    signed_info = _signed_info(
        signature, digest, "ecdsa" if isinstance(entry.key, ec.EllipticCurvePrivateKey) else "rsa"
    )
    value = _add(signature, "SignatureValue")
    _add(_add(_add(signature, "KeyInfo"), "X509Data"), "X509Certificate").text = _text(certificate)
    value.text = _text(_signed(entry.key, CANONICAL_XML.part(signed_info)))
    return _DECLARATION + str(etree.tostring(root, encoding="unicode"))


def _signed_info(signature: "etree._Element", digest: bytes, kind: str) -> "etree._Element":
    """Write what the signature is made over: the digest of the whole document without it (XML Signature 1.1, 4.4)."""
    signed_info = _add(signature, "SignedInfo")
    _add(signed_info, "CanonicalizationMethod", CANONICAL_XML.method)
    _add(signed_info, "SignatureMethod", f"{_MORE}{kind}-sha256")
    reference = _add(signed_info, "Reference")
    reference.set("URI", "")
    transforms = _add(reference, "Transforms")
    _add(transforms, "Transform", f"{_DS}enveloped-signature")
    _add(transforms, "Transform", CANONICAL_XML.method)
    _add(reference, "DigestMethod", _SHA256)
    _add(reference, "DigestValue").text = _text(digest)
    return signed_info


def _add(parent: "etree._Element", name: str, algorithm: str | None = None) -> "etree._Element":
    child = etree.SubElement(parent, f"{{{_DS}}}{name}")
    if algorithm is not None:
        child.set("Algorithm", algorithm)
    return child


def _signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, octets: bytes) -> bytes:
    """Sign with SHA-256; an ECDSA signature is r and s, each as long as the key (6.4.3)."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    size = (key.key_size + 7) // 8
    return b"".join(
        part.to_bytes(size, "big") for part in decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256())))
    )


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def parse_xml(document: str) -> "etree._Element":
    """Parse what is to be signed, without entities, network or document types; it came as text, whatever it declares.

    Raises:
        DocumentRefused: see `sign_xml`.
    """
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document.encode("utf-8"), parser)
        etree.tostring(root, method="c14n")
    except (etree.LxmlError, ValueError) as error:
        raise DocumentRefused("xml.malformed") from error
    around = chain(root.itersiblings(preceding=True), root.iter(), root.itersiblings())
    if root.getroottree().docinfo.doctype or any(not isinstance(each.tag, str) for each in around):
        raise DocumentRefused("xml.ambiguous")
    return root
