"""Take certificate requests: the first two steps of issuance. `services.ca.enrolment.service` does the others."""

import hashlib
from asyncio import gather
from collections.abc import Mapping, Sequence

from libs.common.contracts.ca import Profile
from libs.common.core.errors import Refused
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.pki.renewal_statement import vouching_document
from libs.common.storage.reservations import Reservations, Taken
from services.ca.enrolment import domain
from services.ca.enrolment.blocklists import Blocklist
from services.ca.enrolment.csr import RequestRefused, parse, require_distinct
from services.ca.enrolment.domain import EnrolmentState
from services.ca.enrolment.renewal import Vouching
from services.ca.model.facts import Request

Requests = Mapping[Profile, str]
"""A certificate request (PKCS#10, PEM) for each profile."""


class Intake:
    """Takes requests for enrolments that wait for them.

    Args:
        book: where keys are reserved, so that each is certified in one place only.
        vouching: checks what is signed with present certificates.
        blocked_keys: known to be compromised.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        book: Reservations,
        vouching: Vouching,
        clock: Clock,
        *,
        blocked_keys: Blocklist,
    ) -> None:
        self._enrolments = enrolments
        self._book = book
        self._vouching = vouching
        self._clock = clock
        self._blocked_keys = blocked_keys

    async def take(self, key: str, csrs: Requests, signature: bytes | None) -> None:
        """Take the requests of one enrolment; where no face was seen, with the present key's signature over them.

        Raises:
            Refused: a request cannot be honoured (``csr.…``), it is not the time for it (``enrolment.…``), or the
                signature does not count (``vouching.…``, ``signature.…``).
        """
        try:
            # 1. Facts complete.
            state = await self._open(key)
            # 2. Requests parsed, possession of all keys proven.
            requests = _parsed(csrs)
            # Looked at before keys are reserved, which makes them useless to other enrolments.
            if domain.accept(state, requests, self._clock()) is None:
                return
            if state.facts.renewal:
                await self._vouching.require(signature, vouching_document(key, csrs), state.facts.citizen_id)
            await self._reserve_keys(requests, key)
        except RequestRefused as refusal:
            reason = refusal.key
            await self._enrolments.apply(key, lambda state: domain.refuse(state, reason))
            raise
        await self._enrolments.apply(key, lambda state: domain.accept(state, requests, self._clock()))

    async def _open(self, key: str) -> domain.Open | domain.Issuing | domain.Issued:
        """Give an enrolment that takes requests. What this process remembers may say so, but not that it does not."""
        try:
            return domain.require_open(await self._enrolments.get(key, fresh=False))
        except Refused:
            return domain.require_open(await self._enrolments.get(key))

    async def _reserve_keys(self, requests: Sequence[Request], owner: str) -> None:
        keys = [bytes.fromhex(each.spki) for each in requests]
        if any(self._blocked_keys.holds(spki) for spki in keys):
            detail = "This key is known to be compromised: others have it too. Please make a new key."
            raise RequestRefused("csr.key_compromised", detail)
        try:
            await gather(*(self._book.take("key", hashlib.sha256(spki).hexdigest(), owner) for spki in keys))
        except Taken:
            detail = "A certificate for this key exists or was asked for in another journey. Please make a new key."
            raise RequestRefused("csr.key_in_use", detail) from None


def _parsed(csrs: Requests) -> tuple[Request, ...]:
    """Take the keys. RequestRefused if one of them cannot be certified, or two are the same."""
    parsed = {profile: parse(csr.encode()) for profile, csr in csrs.items()}
    require_distinct(*parsed.values())
    return tuple(Request(profile=profile, spki=each.spki.hex()) for profile, each in parsed.items())
