"""Signatures in XML documents: enveloped XMLDSig over the whole document, as NCALayer makes them."""

from itertools import chain
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree  # type: ignore[import-untyped] # lxml ships no types
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.signer import XMLSigner

from libs.citizen.errors import CitizenError
from libs.citizen.folder import certificate_of
from libs.citizen.keystore import Holding

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'


class DocumentRefused(CitizenError):
    """A document that cannot be signed so that everybody reads the same under the signature."""


def sign_xml(document: str, holding: Holding) -> str:
    """Sign an XML document; give it with its signature as the root's last child.

    The reference is to the whole document (``URI=""``), canonical by C14N 1.0; key info holds the certificate.

    Raises:
        DocumentRefused: ``xml.malformed``, or ``xml.ambiguous`` for a document type, comments or instructions.
        KeystoreError: ``keystore.no_certificate``.
    """
    root = parse_xml(document)
    elliptic = isinstance(holding.key, ec.EllipticCurvePrivateKey)
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.ECDSA_SHA256 if elliptic else SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    signed = signer.sign(root, key=holding.key, cert=[certificate_of(holding)])
    return _DECLARATION + str(etree.tostring(signed, encoding="unicode"))


def parse_xml(document: str) -> "etree._Element":
    """Parse what is to be signed, without entities, network or document types.

    Raises:
        DocumentRefused: see `sign_xml`.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused("xml.malformed", "The page sent something that is not an XML document.") from error
    around = chain(root.itersiblings(preceding=True), root.iter(), root.itersiblings())
    if root.getroottree().docinfo.doctype or any(not isinstance(each.tag, str) for each in around):
        raise DocumentRefused(
            "xml.ambiguous",
            "The XML document holds a document type, a comment or an instruction. Programs read such documents "
            "differently, so what you see would not be what everybody else sees. It was not signed.",
        )
    return root
