"""Signatures in XML documents: enveloped XMLDSig over the whole document, as NCALayer makes them."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree  # type: ignore[import-untyped] # lxml ships no types
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.signer import SignatureReference, XMLSigner

from libs.citizen.errors import CitizenError
from libs.citizen.keys.keystore import KeyEntry, certificate_of

_SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}Signature"
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
    elliptic = isinstance(entry.key, ec.EllipticCurvePrivateKey)
    signer = _WholeDocument(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.ECDSA_SHA256 if elliptic else SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    signed = signer.sign(root, key=entry.key, cert=[certificate_of(entry)])
    return _DECLARATION + str(etree.tostring(signed, encoding="unicode"))


class _WholeDocument(XMLSigner):
    """Signs the document as it stands, with whatever names and signatures are in it."""

    def _unpack(
        self, data: "etree._Element", references: Sequence[SignatureReference]
    ) -> "tuple[etree._Element, etree._Element, list[etree._Element], list[SignatureReference]]":
        """Put the signature last, over the document without name.

        The library names the root by its Id, if it has one, and looks for a place that the document keeps for the
        signature: verifiers that insist on the whole document refuse both.
        """
        del references
        root, content = (self._fromstring(self._tostring(data)) for _ in range(2))  # type: ignore[no-untyped-call]  # of an untyped library
        signature = etree.SubElement(root, _SIGNATURE, nsmap=self.namespaces)
        return signature, root, [content], [SignatureReference(URI="")]

    def _tostring(self, xml_node: "etree._Element", **kwargs: Any) -> bytes:
        """Write UTF-8: the library's own writes ASCII, which has no way to spell a Cyrillic name."""
        octets: bytes = etree.tostring(xml_node, encoding="utf-8", **kwargs)
        return octets


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
        raise DocumentRefused("xml.malformed", "The page sent something that is not an XML document.") from error
    around = chain(root.itersiblings(preceding=True), root.iter(), root.itersiblings())
    if root.getroottree().docinfo.doctype or any(not isinstance(each.tag, str) for each in around):
        raise DocumentRefused(
            "xml.ambiguous",
            "The XML document holds a document type, a comment or an instruction. Programs read such documents "
            "differently, so what you see would not be what everybody else sees. It was not signed.",
        )
    return root
