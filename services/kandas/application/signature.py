"""Is this the applicant's signature over this very application?"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors
from services.kandas.application.states import ApplicantSignature


@dataclass(frozen=True, slots=True)
class ProvenSignature:
    """A signature that verified against our authorities, and the IIN in its certificate."""

    signature: ApplicantSignature
    iin: str


def prove(cms: bytes, document: bytes, trust: TrustAnchors, now: datetime) -> ProvenSignature:
    """Verify a detached CMS over the document, received now.

    Whether its certificate was revoked, and whether the signer is the applicant, is for the domain to say: it knows.

    Raises:
        SignatureRefused: a ``signature.…`` key says what is wrong with it.
    """
    verified = verify_detached(cms, document, trust, now)
    signature = ApplicantSignature(
        serial=verified.serial_number,
        document_sha256=hashlib.sha256(document).hexdigest(),
        cms_sha256=hashlib.sha256(cms).hexdigest(),
        at=now,
    )
    return ProvenSignature(signature, verified.iin)
