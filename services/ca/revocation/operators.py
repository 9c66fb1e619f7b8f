"""The operator's own certificates that a ceremony revoked: on record, in the responder's answers, on the lists."""

from libs.common.core.values import Clock
from services.ca.authority.hierarchy import ROOT, Hierarchy
from services.ca.authority.revoked import RevokedCertificate
from services.ca.crl.publishing import RevocationLists
from services.ca.ledger import recording
from services.ca.ledger.ports import Ledger
from services.ca.model.ids import ShardId, own
from services.ca.status.records import Statuses


class OperatorsRevocations:
    """Takes in, at the start, what ceremonies stated. Again it changes nothing.

    Authorities stand on the root's list, which the ceremony signed; here they are recorded alone.
    """

    def __init__(
        self, hierarchy: Hierarchy, *, statuses: Statuses, lists: RevocationLists, ledger: Ledger, clock: Clock
    ) -> None:
        self._revoked = hierarchy.revoked
        self._statuses = statuses
        self._lists = lists
        self._ledger = ledger
        self._clock = clock

    async def start(self) -> None:
        """Take them in. Unavailable if the store does not answer."""
        for each in self._revoked:
            await self._ledger.record(own(each.issuer, "revoked"), recording.operators_revoked(each))
            if each.issuer != ROOT and self._clock() <= each.not_after:
                await self._publish(each)

    async def stop(self) -> None:
        """Nothing to do: the lists' timers are the engine's."""

    async def _publish(self, revoked: RevokedCertificate) -> None:
        """Have it answered and listed; a list is told only while there is something that it did not take in."""
        await self._statuses.note([revoked], self._clock())
        place = ShardId(revoked.issuer, revoked.crl_shard)
        if await self._statuses.unlisted(place, 1):
            await self._lists.mark(place)
