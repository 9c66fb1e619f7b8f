"""Why an electronic signature does not count."""

from enum import StrEnum

from cryptography import x509

from libs.common.core.errors import Refused


class SignatureRefusal(StrEnum):
    """The reason of a refusal; its value is the problem's key."""

    TOO_LARGE = "signature.too_large"
    MALFORMED = "signature.malformed"
    UNSUPPORTED_FORM = "signature.unsupported_form"
    NOT_DETACHED = "signature.not_detached"
    UNSIGNED = "signature.unsigned"
    NO_DOCUMENT = "signature.no_document"
    ONE_SIGNER = "signature.one_signer"
    UNSUPPORTED_ALGORITHM = "signature.unsupported_algorithm"
    INCOMPLETE = "signature.incomplete"
    WRONG_DOCUMENT = "signature.wrong_document"
    FORGED = "signature.forged"
    UNTRUSTED_ISSUER = "signature.untrusted_issuer"
    LOOK_ALIKE = "signature.look_alike"
    EXPIRED_CERTIFICATE = "signature.expired_certificate"
    WRONG_PROFILE = "signature.wrong_profile"

    @property
    def fault(self) -> str:
        """Return the name that reports of verification use, such as ``forged``."""
        return self.removeprefix("signature.")


class SignatureRefused(Refused):
    """A signature that does not count.

    ``certificate`` is the signer's, if it is a genuine one of ours that does not count here.
    """

    def __init__(self, reason: SignatureRefusal, certificate: x509.Certificate | None = None) -> None:
        super().__init__(reason)
        self.fault = reason.fault
        self.certificate = certificate
