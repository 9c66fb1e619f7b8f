"""Take certificate requests: what is asked for is accepted here, and issued by `services.ca.enrolment.issue`."""

import hashlib
from asyncio import gather
from collections.abc import Mapping, Sequence

from libs.common.contracts.ca import Profile
from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.renewal_statement import renewal_statement
from libs.common.storage.reservations import Reservations, Taken
from services.ca.enrolment import domain
from services.ca.enrolment.blocklists import Blocklist
from services.ca.enrolment.csr import CsrRefused, parse, require_distinct
from services.ca.enrolment.renewal import RenewalSignatures
from services.ca.enrolment.states import EnrolmentState, Issued, Issuing, Open
from services.ca.model.certificate import RequestedKey
from services.ca.refusals import CaRefusal


class CsrIntake:
    """Takes requests for enrolments that wait for them.

    Args:
        reservations: where keys are reserved, so that each is certified in one place only.
        renewals: checks what is signed with present certificates.
        blocked_keys: known to be compromised.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        *,
        reservations: Reservations,
        renewals: RenewalSignatures,
        blocked_keys: Blocklist,
        clock: Clock,
    ) -> None:
        self._enrolments = enrolments
        self._reservations = reservations
        self._renewals = renewals
        self._blocked_keys = blocked_keys
        self._clock = clock

    async def take(self, journey_id: str, csrs: Mapping[Profile, str], signature: bytes | None = None) -> None:
        """Take the requests (PKCS#10, PEM) of one enrolment, one for each profile.

        Args:
            signature: the present key's over the requests, needed where no face was seen.

        Raises:
            Refused: a request cannot be honoured (``csr.…``), it is not the time for it (``enrolment.…``), or the
                signature does not count (``vouching.…``, ``signature.…``).
        """
        try:
            state = await self._open(journey_id)
            requests = _parsed(csrs)
            # Decided before keys are reserved, which makes them useless to other enrolments.
            if domain.accept(state, requests, self._clock()) is None:
                return
            if state.facts.renewal:
                await self._renewals.require(signature, renewal_statement(journey_id, csrs), state.facts.citizen_id)
            await self._reserve_keys(requests, journey_id)
        except CsrRefused as refusal:
            reason = refusal.key
            await self._enrolments.apply(journey_id, lambda state: domain.refuse(state, reason))
            raise
        await self._enrolments.apply(journey_id, lambda state: domain.accept(state, requests, self._clock()))

    async def _open(self, journey_id: str) -> Open | Issuing | Issued:
        """Return an enrolment that takes requests. What this process remembers may say so, but not that it does not."""
        try:
            return domain.require_open(await self._enrolments.get(journey_id, fresh=False))
        except Refused:
            return domain.require_open(await self._enrolments.get(journey_id))

    async def _reserve_keys(self, requests: Sequence[RequestedKey], owner: str) -> None:
        keys = [bytes.fromhex(each.spki) for each in requests]
        if any(self._blocked_keys.holds(spki) for spki in keys):
            raise CsrRefused(CaRefusal.CSR_KEY_COMPROMISED)
        try:
            await gather(*(self._reservations.take("key", hashlib.sha256(spki).hexdigest(), owner) for spki in keys))
        except Taken:
            raise CsrRefused(CaRefusal.CSR_KEY_IN_USE) from None


def _parsed(csrs: Mapping[Profile, str]) -> tuple[RequestedKey, ...]:
    """Take the keys. CsrRefused if one of them cannot be certified, or two are the same."""
    parsed = {profile: parse(csr.encode()) for profile, csr in csrs.items()}
    require_distinct(*parsed.values())
    return tuple(RequestedKey(profile=profile, spki=each.spki.hex()) for profile, each in parsed.items())
