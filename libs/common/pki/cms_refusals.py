"""Why an electronic signature does not count, in words for whoever sent it."""

from typing import Final

from cryptography import x509

from libs.common.core.errors import Refused

_REFUSALS: Final = {
    "too_large": "This is more than is taken: in octets, certificates or signers. Please send the signature alone.",
    "malformed": "This is not a detached electronic signature (CAdES-BES). Please sign the document again.",
    "not_detached": "The signature holds a document of its own. Please make a detached signature.",
    "unsigned": "There is no signature in this file. Please sign the document and send the signature.",
    "no_document": "The document is neither inside the signature nor beside it. Please send both.",
    "one_signer": "The document must bear exactly one signature. Please sign it once, with your own key.",
    "unsupported_algorithm": "This signature algorithm is not supported. Please use an EC or RSA key and SHA-256.",
    "incomplete": "The signature does not say which certificate it belongs to. Please sign as CAdES-BES.",
    "wrong_document": "The signature belongs to another document, or the document was changed after signing.",
    "forged": "The signature was not made with the key of the certificate it names.",
    "untrusted_issuer": "The certificate was not issued by this authority. Please sign with the one issued here.",
    "look_alike": "The certificate bears this authority's name, but another key signed it. Ask where it is from.",
    "expired_certificate": "The certificate is not valid at this time. Please get a new one and sign again.",
    "wrong_profile": "This certificate is not for signing documents. Please sign with the SIGN certificate.",
}


class SignatureRefused(Refused):
    """A signature that does not count.

    ``key`` is ``signature.`` and one of the reasons this module knows; ``certificate`` is the signer's, if it is a
    genuine one of ours that does not count here.
    """

    def __init__(self, reason: str, certificate: x509.Certificate | None = None) -> None:
        super().__init__(f"signature.{reason}", _REFUSALS[reason], status=422)
        self.reason = reason
        self.certificate = certificate
