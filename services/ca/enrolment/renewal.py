"""The key a citizen has signs for the keys that are to come, in place of the face: renewals."""

import structlog

from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors
from libs.common.storage.reservations import Reservations
from services.ca.enrolment.states import EnrolmentState, Issued
from services.ca.refusals import CaRefusal

log = structlog.get_logger()


class RenewalSignatures:
    """Checks a citizen's signature with a SIGN certificate of this authority that is good this moment.

    Args:
        enrolments: the authority's own record: whose a certificate is, and whether it was revoked.
        trust: whose certificates count.
    """

    def __init__(
        self, enrolments: Aggregates[EnrolmentState], *, reservations: Reservations, trust: TrustAnchors, clock: Clock
    ) -> None:
        self._enrolments = enrolments
        self._reservations = reservations
        self._trust = trust
        self._clock = clock

    async def require(self, signature: bytes | None, document: bytes, citizen_id: str | None) -> None:
        """Insist that the citizen signed these bytes (detached CMS, DER).

        Raises:
            Refused: ``vouching.signature_missing``, ``vouching.other_holder``, ``vouching.certificate_revoked``, or
                a ``signature.…`` of `libs.common.pki.cms`.
        """
        if signature is None:
            raise Refused(CaRefusal.RENEWAL_SIGNATURE_MISSING)
        verified = verify_detached(signature, document, self._trust, self._clock())
        owner = await self._reservations.owner("serial", verified.serial_number)
        state = None if owner is None else await self._enrolments.get(owner)
        if not isinstance(state, Issued) or state.facts.citizen_id != citizen_id or citizen_id is None:
            raise Refused(CaRefusal.RENEWAL_OTHER_HOLDER)
        if any(each.serial == verified.serial_number and each.revoked_at is not None for each in state.certificates):
            raise Refused(CaRefusal.RENEWAL_CERTIFICATE_REVOKED)
        log.info("vouching.proven", subject=owner, serial=verified.serial_number, digest=verified.digest)
