"""The status of certificates: from memory while that is surely fresh, else from the authority's own record."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from libs.common.core.values import Clock
from libs.common.storage.reservations import Reservations
from services.ca.authority.issuers import Issuer
from services.ca.model.certificate import RecordedCertificate
from services.ca.model.ids import OWN, SERIAL_OCTETS, CertificateId, own
from services.ca.model.status import GoodStatus, Known, Status, UnknownStatus
from services.ca.status.records import Statuses

FRESH_S: Final = 0.5
"""How long memory may answer after the latest revocations were read: no replica is further behind the store."""
_OVERLAP: Final = timedelta(seconds=30)
"""How far back each reading goes: replicas' clocks may differ by less, and a write or a read takes less."""
_REMEMBERED: Final = 100_000


CertificatesOf = Callable[[str], Awaitable[Sequence[RecordedCertificate]]]
"""Return the certificates of an enrolment; none where there is no such enrolment, or it has none."""


class StatusLookup:
    """Answers what is known about serial numbers.

    What was read is remembered. Before memory answers, the store is asked which revocations were recorded lately,
    unless it was asked less than `FRESH_S` ago: so a revocation shows on every replica within that time, whoever took
    it in, and a replica whose store is silent answers nothing.

    Args:
        decided: certificates of an enrolment, read where they were decided: for one whose record is missing. The
            record is made good then.
        monotonic: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        statuses: Statuses,
        decided: CertificatesOf,
        book: Reservations,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._statuses = statuses
        self._decided = decided
        self._book = book
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[CertificateId, Known] = OrderedDict()
        self._changed: dict[CertificateId, Known] = {}
        self._refreshed_at: float | None = None
        self._refreshing: asyncio.Future[None] | None = None
        self._wanted: dict[CertificateId, asyncio.Future[Known | None]] = {}

    @property
    def fresh(self) -> bool:
        """Whether memory may answer now."""
        return self._refreshed_at is not None and self._monotonic() - self._refreshed_at <= FRESH_S

    def remembered(self, certificate: CertificateId) -> Known | None:
        """Return what memory holds, which counts only while it is `fresh`: the same object until it changes."""
        return self._known.get(certificate)

    def at_hand(self, number: int, issuer: Issuer) -> Status | None:
        """Return the status if memory may answer now. None: it has to be read, as `status` does."""
        if not _ours(number):
            return UnknownStatus()
        return self._remembered(CertificateId.of(issuer.label, number)) if self.fresh else None

    async def status(self, number: int, issuer: Issuer) -> Status:
        """Return the status; unknown unless this authority issued it. Unavailable if the store does not answer."""
        if not _ours(number):
            return UnknownStatus()
        await self.refresh()
        certificate = CertificateId.of(issuer.label, number)
        known = self._remembered(certificate)
        if known is not None:
            return known
        found = await self._read(certificate) or await self._found_in_enrolment(certificate)
        return UnknownStatus() if found is None else self._remember(certificate, found)

    async def refresh_now(self) -> None:
        """Read the latest revocations now, however fresh memory is: for callers who must not miss one."""
        if self._refreshing is not None:  # it began before we came, and may have missed what was recorded since
            await asyncio.wait([self._refreshing])
        self._refreshed_at = None
        await self.refresh()

    async def refresh(self) -> None:
        """Read the latest revocations, unless that was done a moment ago. Many callers may wait for one reading."""
        for _ in range(2):  # one that was under way may have begun too long ago; the next begins after we came
            if self.fresh:
                return
            if self._refreshing is None:
                self._refreshing = asyncio.ensure_future(self._read_changes())
                self._refreshing.add_done_callback(self._refreshed)
            await asyncio.shield(self._refreshing)

    async def _read_changes(self) -> None:
        began = self._monotonic()
        changed = await self._statuses.changed_since(self._clock() - _OVERLAP)
        self._changed = dict(changed)
        for certificate, status in changed:
            if certificate in self._known and self._known[certificate] != status:
                self._known[certificate] = status
        self._refreshed_at = began

    def _refreshed(self, refresh: "asyncio.Future[None]") -> None:
        self._refreshing = None
        if not refresh.cancelled():
            refresh.exception()  # whoever waits has it; if nobody does any more, it is not worth a warning

    def _remembered(self, certificate: CertificateId) -> Known | None:
        known = self._known.get(certificate)
        if known is not None:
            self._known.move_to_end(certificate)
        return known

    def _remember(self, certificate: CertificateId, found: Known) -> Known:
        """Keep what was read, unless a revocation was seen while it was being read."""
        known = self._changed.get(certificate, found)
        known = self._known.setdefault(certificate, known)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    async def _read(self, certificate: CertificateId) -> Known | None:
        """Read a record. Those that are wanted at the same moment are read in one query."""
        wanted = self._wanted.get(certificate)
        if wanted is None:
            if not self._wanted:
                asyncio.get_running_loop().call_soon(self._read_wanted)
            wanted = self._wanted[certificate] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(wanted)

    def _read_wanted(self) -> None:
        wanted, self._wanted = self._wanted, {}
        query = asyncio.ensure_future(self._statuses.find(list(wanted)))
        query.add_done_callback(lambda done: _hand_out(done, wanted))

    async def _found_in_enrolment(self, certificate: CertificateId) -> Known | None:
        """Find the status where the certificate was decided: its record may be younger than it, or lost."""
        owner = await self._book.owner("serial", certificate.serial)
        if owner is None:
            return None
        if owner.startswith(OWN):
            return GoodStatus() if owner.startswith(own(certificate.issuer, "")) else None
        for each in await self._decided(owner):
            if (each.serial, each.issuer) == (certificate.serial, certificate.issuer):
                await self._statuses.note([each], self._clock())
                return (await self._statuses.find([certificate])).get(certificate)
        return None


def _ours(number: int) -> bool:
    """Return whether it has the form of our serial numbers."""
    return number >= 0 and number.bit_length() == 8 * SERIAL_OCTETS - 1


def _hand_out(
    query: "asyncio.Future[dict[CertificateId, Known]]",
    wanted: "dict[CertificateId, asyncio.Future[Known | None]]",
) -> None:
    error = asyncio.CancelledError() if query.cancelled() else query.exception()
    for certificate, waiting in wanted.items():
        if waiting.done():
            continue
        if error is None:
            waiting.set_result(query.result().get(certificate))
        else:
            waiting.set_exception(error)
