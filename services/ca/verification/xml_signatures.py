"""Enveloped signatures of XML documents (XML Signature 1.1), as NCALayer and its like make them.

A document may bear several: each covers the document with the signatures before it, so the last is verified first, and
what it covers is what the next one is searched in. Nothing else of a document is used again: a signature
over some part of it, with the part that counts beside it ("wrapping"), is refused by form, before any signature
is computed.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from lxml import etree  # type: ignore[import-untyped]  # it ships no types
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature, SignXMLException
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from libs.common.pki.certificate_use import SIGNING
from libs.common.pki.trust import CertificateRefused, TrustAnchors

MAX_OCTETS: Final = 1024 * 1024
_MAX_NODES: Final = 50_000
_MAX_NAMES: Final = 256
"""Attributes of an element, or namespaces in force at one place: the canonical form sorts them in quadratic time."""
_MAX_SIGNATURES: Final = 8
_MAX_TRANSFORMS: Final = 2
"""The signature left out, and the canonical form."""

_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_PARTS: Final = [f"{_DS}SignedInfo", f"{_DS}SignatureValue", f"{_DS}KeyInfo"]
_SIGNED_PARTS: Final = [f"{_DS}CanonicalizationMethod", f"{_DS}SignatureMethod", f"{_DS}Reference"]
_REFERENCE_PARTS: Final = [f"{_DS}Transforms", f"{_DS}DigestMethod", f"{_DS}DigestValue"]
_DOCTYPE: Final = b"<!DOCTYPE"

_CANONICAL: Final = frozenset(
    method.value
    for method in (
        CanonicalizationMethod.CANONICAL_XML_1_0,
        CanonicalizationMethod.CANONICAL_XML_1_0_WITH_COMMENTS,
        CanonicalizationMethod.CANONICAL_XML_1_1,
        CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
)
"""With comments or without is the same here: documents with comments are refused. NCALayer writes "with"."""
_ENVELOPED: Final = SignatureConstructionMethod.enveloped.value
_DIGESTS: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_ALLOWED_METHODS: Final = frozenset(method.value for method in _METHODS)
_ALLOWED_DIGESTS: Final = frozenset(digest.value for digest in _DIGESTS)


class XmlRefused(Exception):
    """A document or signature that is not examined further, or does not count. ``reason`` is a text key.

    ``certificate`` is the signer's, if it is a genuine one of ours that does not count here.
    """

    def __init__(self, reason: str, certificate: x509.Certificate | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.certificate = certificate


@dataclass(frozen=True, slots=True)
class XmlSignature:
    """One signature: None as ``reason`` if it counts, unless its certificate was revoked."""

    reason: str | None
    certificate: x509.Certificate | None


def read_xml(document: bytes, trust: TrustAnchors, at: datetime) -> tuple[tuple[XmlSignature, ...], bytes | None]:
    """Verify the signatures of a document, from the last to the first; a bad one is the end.

    Args:
        document: XML in UTF-8, whatever it says of itself: it came as text.
        at: when all of them have to count.

    Returns:
        The signatures in the order in which they were made, and what all of them cover, canonical; None for that if
        one of them does not count.

    Raises:
        XmlRefused: ``too_large``, ``malformed``, ``document_type``, ``comments`` (or processing instructions),
            ``unsigned``, ``not_enveloped``, ``wrapping``.
    """
    root = _parsed(document)
    found: list[XmlSignature] = []
    covered = b""
    while signatures := _signatures(root, required=not found):
        try:
            certificate = _signer(signatures[-1], trust, at)
            result = _verified(root, certificate, at)
        except XmlRefused as refusal:
            return (XmlSignature(refusal.reason, refusal.certificate), *found), None
        found.insert(0, XmlSignature(None, certificate))
        root, covered = _covered(result), result.signed_data
    return tuple(found), covered


class _LastFirst(XMLVerifier):
    """Verifies the last of the signatures under the root. Elements may have names in any script."""

    def _get_signature(self, root: etree._Element) -> etree._Element:
        return root.findall(f"{_DS}Signature")[-1]

    def _tostring(self, xml_node: etree._Element, **kwargs: Any) -> bytes:
        """Write UTF-8: the library's own writes ASCII, which has no way to spell a Cyrillic name."""
        octets: bytes = etree.tostring(xml_node, encoding="utf-8", **kwargs)
        return octets


def _parsed(document: bytes) -> etree._Element:
    if len(document) > MAX_OCTETS:
        raise XmlRefused("too_large")
    if _DOCTYPE in document:  # before the parser reads what it declares
        raise XmlRefused("document_type")
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, collect_ids=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlRefused("malformed") from error
    around = (*root.itersiblings(preceding=True), *root.itersiblings())
    if around or next(root.iter(etree.Comment, etree.ProcessingInstruction), None) is not None:
        raise XmlRefused("comments")
    if not _is_modest(root):
        raise XmlRefused("too_large")
    return root


def _is_modest(root: etree._Element) -> bool:
    nodes = in_force = 0
    for event, element in etree.iterwalk(root, events=("start", "start-ns", "end-ns")):
        if event == "start":
            nodes += 1
            if nodes > _MAX_NODES or len(element.attrib) > _MAX_NAMES:
                return False
        else:
            in_force += 1 if event == "start-ns" else -1
            if in_force > _MAX_NAMES:
                return False
    return True


def _signatures(root: etree._Element, *, required: bool) -> list[etree._Element]:
    """Find the signatures, all of them right under the root, and none anywhere else."""
    if root.tag == f"{_DS}Signature":
        raise XmlRefused("not_enveloped")
    signatures: list[etree._Element] = root.findall(f"{_DS}Signature")
    if len(list(root.iter(f"{_DS}Signature"))) != len(signatures):
        raise XmlRefused("wrapping")
    if not signatures and required:
        raise XmlRefused("unsigned")
    if len(signatures) > _MAX_SIGNATURES:
        raise XmlRefused("too_large")
    return signatures


def _signer(signature: etree._Element, trust: TrustAnchors, at: datetime) -> x509.Certificate:
    """Insist on the one form that is taken, and believe the certificate, or not."""
    if _tags(signature) != _PARTS:
        raise XmlRefused("not_enveloped")
    signed_info, value, key_info = signature
    if _tags(signed_info) != _SIGNED_PARTS:  # more than one reference, or none
        raise XmlRefused("wrapping")
    canonical, method, reference = signed_info
    _require_whole_document(reference)
    if (
        canonical.get("Algorithm") not in _CANONICAL
        or method.get("Algorithm") not in _ALLOWED_METHODS
        or reference[1].get("Algorithm") not in _ALLOWED_DIGESTS
    ):
        raise XmlRefused("unsupported_algorithm")
    if not (value.text or "").strip():
        raise XmlRefused("malformed")
    try:
        return trust.verify(_certificate(key_info), at, *SIGNING)
    except CertificateRefused as refusal:
        raise XmlRefused(refusal.doubt.value, refusal.certificate) from refusal


def _require_whole_document(reference: etree._Element) -> None:
    if _tags(reference) != _REFERENCE_PARTS or dict(reference.attrib) != {"URI": ""}:
        raise XmlRefused("wrapping")
    transforms = [transform.get("Algorithm") for transform in reference[0]]
    if transforms[:1] != [_ENVELOPED] or len(transforms) > _MAX_TRANSFORMS:
        raise XmlRefused("wrapping")
    if not _CANONICAL.issuperset(transforms[1:]):
        raise XmlRefused("wrapping")
    if any(len(transform) for transform in reference[0]):  # parameters, such as an XPath
        raise XmlRefused("wrapping")


def _certificate(key_info: etree._Element) -> bytes:
    embedded = key_info.find(f"{_DS}X509Data/{_DS}X509Certificate")
    if embedded is None:
        raise XmlRefused("incomplete")
    try:
        return base64.b64decode("".join((embedded.text or "").split()), validate=True)
    except ValueError as error:
        raise XmlRefused("malformed") from error


def _verified(root: etree._Element, certificate: x509.Certificate, at: datetime) -> VerifyResult:
    rules = SignatureConfiguration(
        location="./", expect_references=1, signature_methods=_METHODS, digest_algorithms=_DIGESTS, verification_time=at
    )
    try:
        result = _LastFirst().verify(root, x509_cert=certificate, expect_config=rules)
    except InvalidDigest as error:
        raise XmlRefused("wrong_document") from error
    except InvalidSignature as error:
        raise XmlRefused("forged") from error
    except (SignXMLException, etree.LxmlError, ValueError, KeyError) as error:
        raise XmlRefused("malformed") from error
    if isinstance(result, list):
        raise XmlRefused("wrapping")
    return result


def _covered(result: VerifyResult) -> etree._Element:
    if result.signed_xml is None:
        raise XmlRefused("malformed")
    return result.signed_xml


def _tags(element: etree._Element) -> Sequence[object]:
    return [child.tag for child in element]
