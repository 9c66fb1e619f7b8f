"""Metrics of when everything ends that the authority rests on, for whoever has to renew it in time.

Most of it ends years after it was made, by people who have left meanwhile, and takes a ceremony to renew.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from libs.common.core.background import Repeating
from libs.common.core.values import Clock
from services.ca.authority.hierarchy import ROOT, ROOT_LIST, Hierarchy
from services.ca.crl.publishing import RevocationLists, every_list
from services.ca.issuance.authority import IssuingAuthority
from services.ca.metrics import AuthorityMetrics
from services.ca.ocsp.questions import OcspRefused
from services.ca.ocsp.responders import Responders

_EVERY_S: Final = 60.0
_NOT_THERE: Final = datetime.fromtimestamp(0, UTC)

ExpiresAt = Callable[[], Awaitable[datetime]]
"""Returns when something ends that the running service renews by itself."""

log = structlog.get_logger()


class ExpiryMetrics:
    """Sets the metrics ``valid_until_seconds`` (what ends when) and ``clock_doubtful`` (whether times are signed).

    Args:
        folder: where the ceremony put the root's revocation list.
        renewed: what the service renews itself, by what it is called in the metric.
        doubtful: whether the clock is in doubt; read also while nobody wants a time-stamp.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        folder: Path,
        *,
        renewed: dict[str, ExpiresAt],
        doubtful: Callable[[], bool],
        metrics: AuthorityMetrics,
    ) -> None:
        self._fixed = _certificates(hierarchy)
        self._root_list = folder / ROOT_LIST
        self._renewed = renewed
        self._doubtful = doubtful
        self._metrics = metrics
        self._repeating = Repeating("authority.expiry", _EVERY_S, self.update)

    async def start(self) -> None:
        """Set the metrics now, and once a minute."""
        await self.update()
        await self._repeating.start()

    async def stop(self) -> None:
        """Stop."""
        await self._repeating.stop()

    async def update(self) -> None:
        """Set the metrics once. Unavailable if the store does not answer."""
        self._metrics.clock_doubtful.set(self._doubtful())
        for what, end in {**self._fixed, "root_list": self._root_list_end()}.items():
            self._set(what, end)
        for what, lasts in self._renewed.items():
            self._set(what, await lasts())

    def _set(self, what: str, end: datetime) -> None:
        self._metrics.valid_until_seconds.labels(what).set(end.timestamp())

    def _root_list_end(self) -> datetime:
        """Read it anew: a ceremony replaces the file beside the running service."""
        try:
            return x509.load_pem_x509_crl(self._root_list.read_bytes()).next_update_utc or _NOT_THERE
        except (OSError, ValueError) as error:
            log.warning("root_list.unreadable", reason=type(error).__name__)
            return _NOT_THERE


def _certificates(hierarchy: Hierarchy) -> dict[str, datetime]:
    """Return when certificates end. Of several issuing authorities for one kind of key the latest good one counts."""
    ends = {label: each.not_valid_after_utc for label, each in {ROOT: hierarchy.root, **hierarchy.own}.items()}
    for each in (each for each in hierarchy.generations if each.revoked is None):
        what = "issuing_rsa" if each.certifies_rsa else "issuing_ec"
        ends[what] = max(ends.get(what, _NOT_THERE), each.certificate.not_valid_after_utc)
    return ends


def of_lists(lists: RevocationLists, authority: IssuingAuthority, clock: Clock) -> ExpiresAt:
    """Return when the first revocation list ends."""

    async def end() -> datetime:
        issues = [await lists.current(place) for place in every_list(authority, clock())]
        return _earliest(None if each is None else each.next_update for each in issues)

    return end


def of_responders(responders: Responders, authority: IssuingAuthority, clock: Clock) -> ExpiresAt:
    """Return when the first responder's certificate ends."""

    async def one(key_identifier: bytes) -> datetime | None:
        try:
            return (await responders.for_issuer(key_identifier)).ends
        except OcspRefused:
            return None

    async def end() -> datetime:
        live = authority.hierarchy.live(clock())
        return _earliest([await one(each.issuer.key_identifier) for each in live])

    return end


def _earliest(ends: Iterable[datetime | None]) -> datetime:
    """Return the first end; what is not there at all has ended long ago."""
    return min((end or _NOT_THERE for end in ends), default=_NOT_THERE)
