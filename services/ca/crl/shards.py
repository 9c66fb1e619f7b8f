"""The shards of the revocation list: what is published, and when it is signed anew. Pure.

A list's entries lie in pages, by the day on which the certificates end, so that a day that is over takes whole pages
with it, and an edition writes only the pages that changed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from libs.common.core.model import Model, evolve
from libs.common.core.values import to_millis
from libs.common.delivery.decisions import Decision

RENEW_AFTER: Final = timedelta(hours=8)
"""A third of a list's life: two renewals may fail before relying parties are left without one."""
PAGE_OCTETS: Final = 256 * 1024
"""From this size on a page takes no more entries: a revocation must not rewrite much more than itself."""
_PAUSE_PER_ENTRY: Final = timedelta(microseconds=100)
"""Between editions: signing and storing a long list for each revocation of a busy day would do nothing else."""


class CrlPage(Model):
    """Entries of certificates that end on one day, under the id of a record. ``octets``: how many there are."""

    id: str
    day: date
    octets: int
    entries: int

    def outlived_by(self, issue: "CrlEdition") -> bool:
        """Return whether all of it stood on a list issued after its end: only then it may go (RFC 5280, 3.3)."""
        return issue.this_update >= datetime.combine(self.day + timedelta(days=1), datetime.min.time(), UTC)


class CrlEdition(Model):
    """A signed list: what stands before and after its entries (hexadecimal), the pages in between, its digest."""

    number: int
    signed_at: datetime
    this_update: datetime
    next_update: datetime
    before: str
    after: str
    sha256: str
    pages: tuple[CrlPage, ...] = ()

    @property
    def entries(self) -> int:
        """How many certificates are on it."""
        return sum(page.entries for page in self.pages)

    @property
    def octets(self) -> int:
        """How long it is."""
        return (len(self.before) + len(self.after)) // 2 + sum(page.octets for page in self.pages)


class Shard(Model):
    """One list.

    Attributes:
        opened_at: when it was begun: the first edition is due then.
        issue: the edition that is served.
        asked: counts the revocations that it has to show; ``done`` of them are published.
        retired: ids of pages that were served before; they go with the next issue.
        ended: the authority has ended, and all its certificates before it: nothing is signed any more.
    """

    opened_at: datetime
    issue: CrlEdition | None = None
    asked: int = 0
    done: int = 0
    retired: tuple[str, ...] = ()
    ended: bool = False

    @property
    def stale(self) -> bool:
        """Whether there were revocations that it does not show."""
        return self.done < self.asked

    def next_number(self, now: datetime) -> int:
        """Return the next number: the time, so that numbers grow also after an older backup was restored."""
        last = 0 if self.issue is None else self.issue.number
        return max(last + 1, to_millis(now))


def open_list(state: Shard | None, now: datetime) -> Decision[Shard] | None:
    """Begin a list, to be signed at once; one that exists goes on, and one that ended begins again."""
    if state is None:
        return Decision(Shard(opened_at=now))
    return Decision(evolve(state, Shard, ended=False)) if state.ended else None


def mark(state: Shard | None, now: datetime) -> Decision[Shard]:
    """Note that a certificate of this list was revoked: it is to be signed anew, soon."""
    shard = state or Shard(opened_at=now)
    return Decision(evolve(shard, Shard, asked=shard.asked + 1))


def publish(state: Shard | None, signed_for: Shard, issue: CrlEdition, *, complete: bool) -> Decision[Shard] | None:
    """Serve what was signed, unless another replica was faster.

    Args:
        signed_for: the state that the edition was signed for.
        complete: whether it shows all revocations that were recorded when it was begun.
    """
    if state is None or state.issue != signed_for.issue:
        return None
    done = signed_for.asked if complete else state.done
    return Decision(evolve(state, Shard, issue=issue, done=done, retired=_gone(state.issue, issue)))


def kept_pages(issue: CrlEdition | None) -> tuple[CrlPage, ...]:
    """Return the pages that the next issue has to have, too."""
    return () if issue is None else tuple(page for page in issue.pages if not page.outlived_by(issue))


def by_day(ends: Mapping[bytes, datetime]) -> dict[date, list[bytes]]:
    """Sort entries (DER) by the day on which their certificates end, in an order that is always the same."""
    days: dict[date, list[bytes]] = {}
    for entry, moment in sorted(ends.items()):
        days.setdefault(moment.astimezone(UTC).date(), []).append(entry)
    return days


def in_order(pages: Sequence[CrlPage]) -> tuple[CrlPage, ...]:
    """Return pages in the order in which a list shows them."""
    return tuple(sorted(pages, key=lambda page: (page.day, page.id)))


def _gone(before: CrlEdition | None, after: CrlEdition) -> tuple[str, ...]:
    """Return the ids of pages that the later one no longer has."""
    kept = {page.id for page in after.pages}
    return () if before is None else tuple(page.id for page in before.pages if page.id not in kept)


def wake_at(shard: Shard) -> datetime | None:
    """Return when there is something to sign: a revocation to show, or an edition that grows old."""
    if shard.ended:
        return None
    if shard.issue is None:
        return shard.opened_at
    old = shard.issue.signed_at + RENEW_AFTER
    return min(old, shard.issue.signed_at + shard.issue.entries * _PAUSE_PER_ENTRY) if shard.stale else old


def end(state: Shard | None) -> Decision[Shard] | None:
    """Sign no more: the authority has ended, and all its certificates before it."""
    return None if state is None else Decision(evolve(state, Shard, ended=True))
