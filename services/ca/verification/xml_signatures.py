"""Enveloped signatures of XML documents (XML Signature 1.1), as NCALayer, Java, .NET and xmlsec make them.

A document may bear several: each covers the document with the signatures before it, so the last is verified first, and
the next one is searched in what it covers. Nothing else of a document is used again: a signature over some part of it,
with the part that counts beside it ("wrapping"), is refused by form, before any signature is computed.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from lxml import etree  # type: ignore[import-untyped]  # it ships no types

from libs.common.pki.certificate_use import SIGNING
from libs.common.pki.trust import CertificateRefused, Doubt, TrustAnchors
from libs.common.pki.xml_canonical import CANONICAL_XML, CanonicalForm, UnsupportedForm
from services.ca.verification.xml_keys import DIGESTS, METHODS, OtherKey, require_same_key, verify_value

MAX_OCTETS: Final = 1024 * 1024
_MAX_NODES: Final = 50_000
_MAX_NAMES: Final = 256
"""Attributes of an element, or namespaces in force at one place: the canonical form sorts them in quadratic time."""
_MAX_SIGNATURES: Final = 8
_MAX_CERTIFICATES: Final = 8
_MAX_TRANSFORMS: Final = 2
"""The signature left out, and the canonical form."""

_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_PARTS: Final = [f"{_DS}SignedInfo", f"{_DS}SignatureValue", f"{_DS}KeyInfo"]
_SIGNED_PARTS: Final = [f"{_DS}CanonicalizationMethod", f"{_DS}SignatureMethod", f"{_DS}Reference"]
_REFERENCE_PARTS: Final = [f"{_DS}Transforms", f"{_DS}DigestMethod", f"{_DS}DigestValue"]
_DOCTYPE: Final = b"<!DOCTYPE"
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"


class XmlRefusal(StrEnum):
    """Why a document or signature in XML does not count."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    DOCUMENT_TYPE = "document_type"
    COMMENTS = "comments"
    UNSIGNED = "unsigned"
    NOT_ENVELOPED = "not_enveloped"
    WRAPPING = "wrapping"
    UNSUPPORTED_FORM = "unsupported_form"
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    INCOMPLETE = "incomplete"
    WRONG_DOCUMENT = "wrong_document"
    FORGED = "forged"


class XmlRefused(Exception):
    """A document or signature that is not examined further, or does not count.

    ``certificate`` is the signer's, if it is a genuine one of ours that does not count here.
    """

    def __init__(self, reason: XmlRefusal | Doubt, certificate: x509.Certificate | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.certificate = certificate


@dataclass(frozen=True, slots=True)
class XmlSignature:
    """One signature: None as ``reason`` if it counts, unless its certificate was revoked."""

    reason: XmlRefusal | Doubt | None
    certificate: x509.Certificate | None


@dataclass(frozen=True, slots=True)
class _Form:
    """A signature of the one form that is taken, in its parts: `signed` is the canonical form of its document."""

    element: etree._Element
    signed_info: CanonicalForm
    signed: CanonicalForm
    method: str
    digest: str


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
            form = _form(signatures[-1])
            certificate = _signer(form, trust, at)
            covered = _verified(root, form, certificate)
        except XmlRefused as refusal:
            return (XmlSignature(refusal.reason, refusal.certificate), *found), None
        found.insert(0, XmlSignature(None, certificate))
    return tuple(found), covered


def _parsed(document: bytes) -> etree._Element:
    if len(document) > MAX_OCTETS:
        raise XmlRefused(XmlRefusal.TOO_LARGE)
    if _DOCTYPE in document:  # before the parser reads what it declares
        raise XmlRefused(XmlRefusal.DOCUMENT_TYPE)
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, collect_ids=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlRefused(XmlRefusal.MALFORMED) from error
    around = (*root.itersiblings(preceding=True), *root.itersiblings())
    if around or next(root.iter(etree.Comment, etree.ProcessingInstruction), None) is not None:
        raise XmlRefused(XmlRefusal.COMMENTS)
    if not _is_modest(root):
        raise XmlRefused(XmlRefusal.TOO_LARGE)
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
        raise XmlRefused(XmlRefusal.NOT_ENVELOPED)
    signatures: list[etree._Element] = root.findall(f"{_DS}Signature")
    if len(list(root.iter(f"{_DS}Signature"))) != len(signatures):
        raise XmlRefused(XmlRefusal.WRAPPING)
    if not signatures and required:
        raise XmlRefused(XmlRefusal.UNSIGNED)
    if len(signatures) > _MAX_SIGNATURES:
        raise XmlRefused(XmlRefusal.TOO_LARGE)
    return signatures


def _form(signature: etree._Element) -> _Form:
    """Read a signature of the one form that is taken: one reference, to the whole document without the signature."""
    if _tags(signature)[:2] != _PARTS[:2]:
        raise XmlRefused(XmlRefusal.MALFORMED)
    if _tags(signature) == _PARTS[:2]:  # whose it is, is not said
        raise XmlRefused(XmlRefusal.INCOMPLETE)
    if _tags(signature) != _PARTS or _tags(signature[0]) != _SIGNED_PARTS:  # objects inside, several references
        raise XmlRefused(XmlRefusal.UNSUPPORTED_FORM)
    canonical, method, reference = signature[0]
    if _tags(reference) != _REFERENCE_PARTS or dict(reference.attrib) != {"URI": ""}:
        raise XmlRefused(XmlRefusal.UNSUPPORTED_FORM)
    names = method.get("Algorithm", ""), reference[1].get("Algorithm", "")
    if names[0] not in METHODS or names[1] not in DIGESTS or len(method) or len(reference[1]):
        raise XmlRefused(XmlRefusal.UNSUPPORTED_ALGORITHM)
    try:
        return _Form(signature, CanonicalForm.of(canonical), _transforms(reference[0]), *names)
    except UnsupportedForm as error:
        raise XmlRefused(XmlRefusal.UNSUPPORTED_FORM) from error


def _transforms(transforms: etree._Element) -> CanonicalForm:
    """Read how the document becomes octets. UnsupportedForm where it is not just that the signature is left out."""
    named = [transform.get("Algorithm") for transform in transforms]
    if named[:1] != [_ENVELOPED] or len(named) > _MAX_TRANSFORMS or len(transforms[0]):
        raise UnsupportedForm(*named)
    return CanonicalForm.of(transforms[1]) if len(named) == _MAX_TRANSFORMS else CANONICAL_XML


def _signer(form: _Form, trust: TrustAnchors, at: datetime) -> x509.Certificate:
    """Believe the signer's certificate, or not: of several that come along, the first that is believed."""
    embedded = form.element[2].findall(f"{_DS}X509Data/{_DS}X509Certificate")
    if not embedded:
        raise XmlRefused(XmlRefusal.INCOMPLETE)
    if len(embedded) > _MAX_CERTIFICATES:
        raise XmlRefused(XmlRefusal.TOO_LARGE)
    refusals: list[CertificateRefused] = []
    for each in embedded:
        try:
            return trust.verify(_decoded(each), at, *SIGNING)
        except CertificateRefused as refusal:
            refusals.append(refusal)
    raise XmlRefused(refusals[0].doubt, refusals[0].certificate) from refusals[0]


def _verified(root: etree._Element, form: _Form, certificate: x509.Certificate) -> bytes:
    """Verify a signature, and take it out of the document. Return what it covers, canonical."""
    signed_info, value, key_info = form.element
    signature, stated = _decoded(value), _decoded(signed_info[2][2])
    if not signature or not stated:
        raise XmlRefused(XmlRefusal.MALFORMED)
    try:
        require_same_key(key_info, certificate)
        verify_value(certificate, form.method, signature, form.signed_info.part(signed_info))
        _remove(form.element)
        covered = form.signed.whole(root)
    except InvalidSignature as error:
        raise XmlRefused(XmlRefusal.FORGED) from error
    except UnsupportedForm as error:
        raise XmlRefused(XmlRefusal.UNSUPPORTED_FORM) from error
    except (OtherKey, etree.C14NError) as error:
        raise XmlRefused(XmlRefusal.MALFORMED) from error
    if hashlib.new(DIGESTS[form.digest], covered).digest() != stated:
        raise XmlRefused(XmlRefusal.WRONG_DOCUMENT)
    return covered


def _remove(element: etree._Element) -> None:
    """Take an element out of its document, and leave the text behind it there."""
    before, around = element.getprevious(), element.getparent()
    if before is None:
        around.text = (around.text or "") + (element.tail or "")
    else:
        before.tail = (before.tail or "") + (element.tail or "")
    around.remove(element)


def _decoded(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except ValueError as error:
        raise XmlRefused(XmlRefusal.MALFORMED) from error


def _tags(element: etree._Element) -> list[object]:
    return [child.tag for child in element]
