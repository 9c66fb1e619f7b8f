"""The revocation lists at work: marked by revocations, signed anew in time, served."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import structlog

from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.storage.records import Records
from services.ca.crl import acts, shards, signing
from services.ca.crl.shards import PAGE_OCTETS, CrlEdition, CrlPage, Shard
from services.ca.crl.signing import BACKDATED, RevokedEntries
from services.ca.issuance.authority import IssuingAuthority
from services.ca.ledger.ports import Ledger
from services.ca.model.ids import ShardId
from services.ca.status.records import Listing, Statuses

LEASE_S: Final = 120.0
"""Signing a million entries takes a second; reading their pages after a restart takes longer."""
_AT_ONCE: Final = 10_000
_LOADED_AT_ONCE: Final = 16


class PageMissing(Exception):
    """A page of a list is gone: the store lost it, or another replica published meanwhile. The timer tries again."""


class PageDamaged(Exception):
    """The store gives another page than was stored: nothing is published with it. Restore it from the backup."""


log = structlog.get_logger()


class RevocationLists:
    """All lists of all issuing authorities.

    Args:
        states: by `ShardId`.
        pages: the entries; see `services.ca.crl.shards`.
    """

    def __init__(
        self,
        states: Aggregates[Shard],
        pages: Records,
        statuses: Statuses,
        *,
        authority: IssuingAuthority,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._states = states
        self._pages = pages
        self._statuses = statuses
        self._authority = authority
        self._ledger = ledger
        self._clock = clock
        self._loaded: dict[str, dict[str, RevokedEntries]] = {}

    async def start(self) -> None:
        """Make sure that every list is published, be it empty."""
        for place in every_list(self._authority, self._clock()):
            await self._states.apply(str(place), lambda state: shards.open_list(state, self._clock()))

    async def stop(self) -> None:
        """Nothing to do: the lists' timers are the engine's."""

    async def mark(self, place: ShardId) -> None:
        """A revocation of this list's was recorded: it is to be shown."""
        await self._states.apply(str(place), lambda state: shards.mark(state, self._clock()))

    async def current(self, place: ShardId) -> CrlEdition | None:
        """Return the edition of a list that is to be served, or None where there is none."""
        state = await self._states.get(str(place))
        return None if state is None else state.issue

    async def pieces(self, place: ShardId, issue: CrlEdition) -> Sequence[bytes] | None:
        """Return an edition's octets, piece by piece. None: a later one took its place meanwhile; ask for that."""
        contents = await self._contents(str(place), issue.pages)
        if contents is None:
            return None
        return [bytes.fromhex(issue.before), *(each.octets for each in contents), bytes.fromhex(issue.after)]

    async def revocation_list(self, place: ShardId) -> bytes | None:
        """Return the present list of a shard in DER, or None."""
        issue = await self.current(place)
        pieces = None if issue is None else await self.pieces(place, issue)
        return None if pieces is None else b"".join(pieces)

    async def wake(self, key: str, now: datetime) -> None:
        """Sign a list anew, because something was revoked or its edition grows old."""
        state = await self._states.get(key)
        if state is None:
            return
        place = ShardId.parse(key)
        if place.issuer not in self._authority.keys:
            await self._states.apply(key, shards.end)
            return
        fresh = await self._statuses.unlisted(place, _AT_ONCE)
        issue = await self._signed(place, state, fresh, now)
        complete = len(fresh) < _AT_ONCE
        after = await self._states.apply(key, lambda present: shards.publish(present, state, issue, complete=complete))
        if after is not None and after.issue == issue:
            await self._statuses.listed([each.certificate for each in fresh])
            log.info("crl.signed", list=key, number=issue.number, entries=issue.entries, octets=issue.octets)
        await self._pages.delete(state.retired)

    async def _signed(self, place: ShardId, state: Shard, fresh: Sequence[Listing], now: datetime) -> CrlEdition:
        """Sign the next edition: on record before and afterwards, without what ended before the last one."""
        pages = shards.in_order(await self._with_entries(str(place), shards.kept_pages(state.issue), fresh))
        contents = await self._contents(str(place), pages)
        if contents is None:
            raise PageMissing(f"a page of the revocation list {place} is not in the store")
        url = self._authority.publication.crl(place.issuer, place.number)
        edition = signing.CrlFields(
            number=state.next_number(now), url=url, this_update=(now - BACKDATED).replace(microsecond=0)
        )
        about, entries = f"list/{place}", sum(page.entries for page in pages)
        intended = acts.list_intended(about, state.issue, edition.number, edition.this_update, entries)
        await self._ledger.record(about, intended)
        frame = await asyncio.to_thread(self._sign, place.issuer, edition, contents)
        issue = CrlEdition(
            number=edition.number,
            signed_at=now,
            this_update=edition.this_update,
            next_update=edition.next_update,
            before=frame.before.hex(),
            after=frame.after.hex(),
            sha256=await asyncio.to_thread(_digest, (frame.before, *(each.octets for each in contents), frame.after)),
            pages=pages,
        )
        await self._ledger.record(about, acts.list_signed(intended, issue))
        return issue

    def _sign(self, issuer: str, edition: signing.CrlFields, entries: Sequence[RevokedEntries]) -> signing.SignedFrame:
        generation = self._authority.hierarchy.generation(issuer)
        return signing.sign_list(entries, edition, generation.issuer, self._authority.keys[issuer])

    async def _with_entries(self, key: str, kept: tuple[CrlPage, ...], fresh: Sequence[Listing]) -> list[CrlPage]:
        """Add what is not there yet: an entry may be, if the process died before that was noted."""
        pages = list(kept)
        for day, entries in shards.by_day({_entry(each): each.ends for each in fresh}).items():
            here = [page for page in pages if page.day == day]
            contents = await self._contents(key, here, keep=False)
            if contents is None:
                raise PageMissing(f"a page of the revocation list {key} is not in the store")
            missing = [entry for entry in entries if not any(entry in content.octets for content in contents)]
            room = [(page, content) for page, content in zip(here, contents, strict=True) if page.octets < PAGE_OCTETS]
            page, content = room[0] if room else (None, RevokedEntries.read(b""))
            if page is not None:
                pages.remove(page)
            count = len(missing) + (0 if page is None else page.entries)
            pages.append(await self._page(f"{key}/{day}", day, b"".join((content.octets, *missing)), count))
        return pages

    async def _page(self, prefix: str, day: date, content: bytes, entries: int) -> CrlPage:
        """Store a page under the digest of what it holds: one that is there already is the same."""
        page = CrlPage(id=f"{prefix}/{_page_digest(content)}", day=day, octets=len(content), entries=entries)
        await self._pages.add({page.id: {"der": content}})
        return page

    async def _contents(self, key: str, pages: Sequence[CrlPage], *, keep: bool = True) -> list[RevokedEntries] | None:
        """Return pages, from memory or from the store. None: one of them is gone. PageDamaged: one is another.

        Remembered are those of the last edition of each list, whether it was signed or served: they never change.
        """
        known = self._loaded.get(key, {})
        found = {page.id: known[page.id] for page in pages if page.id in known}
        missing = [page for page in pages if page.id not in found]
        for start in range(0, len(missing), _LOADED_AT_ONCE):
            wanted = {page.id: page for page in missing[start : start + _LOADED_AT_ONCE]}
            loaded = await self._pages.get(list(wanted))
            given = [(wanted[page_id], fields["der"]) for page_id, fields in loaded.items()]
            found |= await asyncio.to_thread(_read, given)
        if len(found) < len({page.id for page in pages}):
            return None
        if keep:
            self._loaded[key] = found
        return [found[page.id] for page in pages]


def every_list(authority: IssuingAuthority, now: datetime) -> tuple[ShardId, ...]:
    """Return every revocation list there has to be: those of all authorities that have not ended."""
    labels = [each.label for each in authority.hierarchy.live(now)]
    return tuple(ShardId(label, number) for label in labels for number in range(authority.shards))


async def assembled(pages: Records, issue: CrlEdition) -> bytes | None:
    """Return an edition from the store in DER. None if a page is missing."""
    found = await pages.get([page.id for page in issue.pages]) if issue.pages else {}
    if any(page.id not in found for page in issue.pages):
        return None
    entries = (found[page.id]["der"] for page in issue.pages)
    return b"".join((bytes.fromhex(issue.before), *entries, bytes.fromhex(issue.after)))


def _entry(listing: Listing) -> bytes:
    return signing.entry(int(listing.certificate.serial, 16), listing.status.at, listing.status.reason)


def _page_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _read(loaded: Sequence[tuple[CrlPage, bytes]]) -> dict[str, RevokedEntries]:
    """Take in pages from the store, once each: what is signed later is what was stored, and reads as entries."""
    found = {}
    for page, content in loaded:
        try:
            entries = RevokedEntries.read(content)
        except ValueError as error:
            raise PageDamaged(f"the page {page.id} does not read as entries") from error
        if page.id.rpartition("/")[2] != _page_digest(content) or entries.count != page.entries:
            raise PageDamaged(f"the page {page.id} is not what was stored under this name")
        found[page.id] = entries
    return found


def _digest(pieces: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
