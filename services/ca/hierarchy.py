"""The authorities' certificates as they lie on disk: root, issuing authority, organisation seal, time-stamps."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.trust import TrustAnchors
from services.ca.issuers import Issuer

ROOT: Final = "root"
ROOT_LIST: Final = "root-crl.pem"
ISSUING: Final = "issuing"
SEAL: Final = "seal"
TSA: Final = "tsa"
OCSP: Final = "ocsp"
"""The responder has a key only: its certificate lasts thirty days, and the running service makes it."""


class HierarchyError(Exception):
    """The hierarchy on disk does not hold together: the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The four certificates. Their keys stay in the key store, under the labels of this module."""

    root: x509.Certificate
    issuing: x509.Certificate
    seal: x509.Certificate
    tsa: x509.Certificate

    @property
    def issuer(self) -> Issuer:
        """The authority that issues to citizens."""
        return Issuer.of(ISSUING, self.issuing)

    @property
    def own(self) -> dict[str, x509.Certificate]:
        """What the issuing authority issued to the operator itself, by label."""
        return {SEAL: self.seal, TSA: self.tsa}

    @property
    def trust(self) -> TrustAnchors:
        """Whose certificates count: ours."""
        return TrustAnchors([self.root], [self.issuing])

    @property
    def chain_pem(self) -> bytes:
        """The issuing authority's certificate, then the root's."""
        return self.issuing.public_bytes(Encoding.PEM) + self.root.public_bytes(Encoding.PEM)


def load(directory: Path, now: datetime) -> Hierarchy:
    """Read the four certificates and verify that they form one chain, valid now. HierarchyError otherwise."""
    root, issuing, seal, tsa = (read_certificate(directory, label) for label in (ROOT, ISSUING, SEAL, TSA))
    links = ((ROOT, root, root), (ISSUING, issuing, root), (SEAL, seal, issuing), (TSA, tsa, issuing))
    for label, certificate, issuer in links:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise HierarchyError(f"{label}.pem is not issued by the authority above it") from error
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise HierarchyError(
                f"{label}.pem is valid from {certificate.not_valid_before_utc} to "
                f"{certificate.not_valid_after_utc}, not now: check the clock, or renew it "
                f"(take {label}.pem and {label}.intent away and hold the ceremony again)"
            )
    return Hierarchy(root, issuing, seal, tsa)


def read_certificate(directory: Path, label: str) -> x509.Certificate:
    """Read one certificate. HierarchyError if it is missing or damaged."""
    path = directory / f"{label}.pem"
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise HierarchyError(f"there is no {path.name} in {directory}: hold the ceremony first") from None
    except ValueError as error:
        raise HierarchyError(f"{path.name} is no certificate: restore it from the backup") from error
