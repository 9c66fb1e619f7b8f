"""Requests and answers of ca that citizens and clerks use. Members of `/v1/verify` are those of NCANode."""

from typing import Literal, get_args

from pydantic import Base64Bytes

from libs.common.contracts.ca import Profile
from libs.common.contracts.http.octets import Octets
from libs.common.contracts.http.shapes import Answer, Form

RevocationReason = Literal[
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"
]
"""CRL reasons that apply to holders (RFC 5280, 5.3.1)."""
REVOCATION_REASONS: tuple[RevocationReason, ...] = get_args(RevocationReason)


class CertificateRequestForm(Form):
    """Two certificate requests (PKCS#10, PEM), for a key each.

    ``signature`` comes with a renewal: detached CMS (DER, base64) by the present SIGN key, over the text of
    `libs.common.pki.renewal_statement.renewal_statement`.
    """

    sign_csr: str
    auth_csr: str
    signature: Base64Bytes | None = None


class CertificatesPending(Answer):
    """Certificates will be made; follow the progress."""

    pending: Literal[True] = True


class IssuedCertificate(Answer):
    """A certificate, as its holder sees it."""

    serial: str
    profile: Profile
    pem: str
    revoked: bool


class CertificatesView(Answer):
    """How far the authority is with the certificates of a journey, and for what it waits."""

    state: str
    waits_for: str | None = None
    certificates: tuple[IssuedCertificate, ...] = ()


class ClerksRevocationForm(Form):
    """Why a clerk revokes a certificate."""

    reason: RevocationReason = "unspecified"


class RevocationOrder(Form):
    """What a holder signs, as JSON. It may be signed long before it is sent: a key that is lost can sign no more."""

    action: Literal["revoke-certificate"]
    serial: str
    reason: RevocationReason = "unspecified"


class SignedRevocationForm(Form):
    """A `RevocationOrder` exactly as it was signed, and its detached CMS (DER), both in base64."""

    request: Octets
    cms: Octets
