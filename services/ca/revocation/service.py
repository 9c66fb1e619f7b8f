"""Who may end a certificate: its holder by one of the pair's keys or by PIN and code, and a clerk.

A citizen who lost keys, session or phone still has a way: either key of the pair is enough, and so is the PIN with a
code. A PIN alone is not: whoever looked over a shoulder could take a signature away.
"""

from datetime import datetime
from typing import Final

import structlog
from pydantic import ValidationError

from libs.common.contracts.events import Meta
from libs.common.contracts.http.ca import RevocationOrder
from libs.common.contracts.identity import RevocationRequested
from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.certificate_use import PERSON_AUTH, SIGNING
from libs.common.pki.cms import VerifiedSignature, verify_detached
from libs.common.pki.cms_refusals import SignatureRefusal, SignatureRefused
from libs.common.pki.trust import TrustAnchors
from libs.common.storage.reservations import Reservations
from services.ca.enrolment import revocation_cascade
from services.ca.enrolment.states import EnrolmentState, Issued
from services.ca.ledger.acts import Means, RevocationAsked
from services.ca.ledger.ports import Ledger
from services.ca.model.certificate import Reason, reason_of
from services.ca.refusals import CaRefusal
from services.ca.revocation import confirmations
from services.ca.revocation.confirmations import Confirmation, RevocationWish
from services.ca.status.records import Statuses

_USES: Final = (*SIGNING, PERSON_AUTH)

log = structlog.get_logger()


class Revocations:
    """Takes wishes for revocation, looks whose they are, and carries them out.

    Args:
        enrolments: per journey.
        requests: of citizens in the cabinet, per request.
        statuses: told at once, so that OCSP knows when whoever asked is answered; lists follow.
        reservations: whose a serial number is.
        trust: whose signatures count.
        ledger: where it is recorded who asked.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        requests: Aggregates[Confirmation],
        *,
        statuses: Statuses,
        reservations: Reservations,
        trust: TrustAnchors,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._enrolments = enrolments
        self._requests = requests
        self._statuses = statuses
        self._reservations = reservations
        self._trust = trust
        self._ledger = ledger
        self._clock = clock

    async def by_clerk(self, serial: str, reason: Reason, clerk: str) -> None:
        """Revoke for a clerk. Refused: ``certificate.unknown``."""
        journey_id, _ = await self._enrolment(serial)
        asked = RevocationAsked(serial=serial, reason=reason, role="clerk", by=clerk)
        await self._carry_out(journey_id, asked)

    async def by_signature(self, request: bytes, signature: bytes) -> None:
        """Revoke for whoever holds one of the two keys of a pair.

        Args:
            request: a `RevocationOrder` in JSON, exactly as it was signed.
            signature: detached CMS in DER, by the certificate itself or the other one of its pair.

        Raises:
            Refused: ``signature.…``; ``revocation.malformed``; ``certificate.unknown``, also for somebody else's;
                ``certificate.revoked``: the signing key itself counts no more.
        """
        try:
            order = RevocationOrder.model_validate_json(request)
        except ValidationError:
            raise Refused(CaRefusal.REVOCATION_MALFORMED) from None
        signer = self._signer(request, signature).serial_number
        journey_id, state = await self._enrolment(order.serial)
        revoked = {each.serial: each.revoked_at is not None for each in state.certificates}
        if signer not in revoked or state.facts.citizen_id is None:
            raise _unknown()
        if revoked[signer] and not revoked[order.serial]:
            raise Refused(CaRefusal.CERTIFICATE_REVOKED)
        await self._carry_out(journey_id, _asked(order.serial, order.reason, state.facts.citizen_id, "signature"))

    async def asked(self, request: RevocationRequested, meta: Meta) -> None:
        """A citizen who signed in asks; a code has to confirm it."""
        await self._requests.apply(meta.subject, lambda state: confirmations.ask(state, request), cause=meta)

    async def confirmed(self, meta: Meta) -> None:
        """A code came back."""
        await self._requests.apply(meta.subject, lambda state: confirmations.confirm(state, meta.time), cause=meta)

    async def wake(self, request_id: str, _now: datetime) -> None:
        """Carry out what a citizen asked for and confirmed."""
        state = await self._requests.get(request_id)
        if state is None or state.wish is None or not state.counts or state.done:
            return
        try:
            await self._by_code(state.wish)
        except Refused as refusal:
            log.warning("revocation.refused", subject=request_id, reason=refusal.key)
        await self._requests.apply(request_id, confirmations.finish)

    async def _by_code(self, wish: RevocationWish) -> None:
        journey_id, state = await self._enrolment(wish.serial)
        if state.facts.citizen_id != wish.citizen_id:
            raise _unknown()
        await self._carry_out(journey_id, _asked(wish.serial, reason_of(wish.reason), wish.citizen_id, "code"))

    async def _enrolment(self, serial: str) -> tuple[str, Issued]:
        """Find the pair that a certificate belongs to. Refused if there is none."""
        journey_id = await self._reservations.owner("serial", serial)
        state = None if journey_id is None else await self._enrolments.get(journey_id)
        if (
            journey_id is None
            or not isinstance(state, Issued)
            or all(each.serial != serial for each in state.certificates)
        ):
            raise _unknown()
        return journey_id, state

    async def _carry_out(self, journey_id: str, asked: RevocationAsked) -> None:
        await self._ledger.record(journey_id, asked)
        log.info("revocation.asked", subject=journey_id, serial=asked.serial, reason=asked.reason, by=asked.by)
        reason = reason_of(asked.reason)
        now = self._clock()
        after = await self._enrolments.apply(
            journey_id, lambda state: revocation_cascade.revoke(state, asked.serial, reason, asked.role, now)
        )
        if isinstance(after, Issued):
            await self._statuses.note([each for each in after.certificates if each.revoked_at is not None], now)

    def _signer(self, request: bytes, signature: bytes) -> VerifiedSignature:
        """Verify the signature, for whichever use the certificate is. SignatureRefused if for none."""
        refused = SignatureRefused(SignatureRefusal.WRONG_PROFILE)
        for use in _USES:
            try:
                return verify_detached(signature, request, self._trust, self._clock(), use)
            except SignatureRefused as refusal:
                if refusal.key != refused.key:
                    raise
        raise refused


def _asked(serial: str, reason: str, citizen_id: str, means: Means) -> RevocationAsked:
    return RevocationAsked(serial=serial, reason=reason, role="citizen", by=citizen_id, means=means)


def _unknown() -> Refused:
    """Make the one refusal for certificates that do not exist and for those of others: whose, is not told."""
    return Refused(CaRefusal.CERTIFICATE_UNKNOWN)
