"""The ledger of the authority: its acts in an append-only chain, personal fields sealed."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from libs.common.core.sealing import Keyring, Sealing
from libs.common.core.values import Clock
from libs.common.storage.chain import Chain, ChainStore, Entry, Fact, Head
from services.ca.ledger.acts import ACTS, Act, Configuration, ConfigurationChanged
from services.ca.ledger.ports import Ledger

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act on record, with the entry that holds it."""

    entry: Entry
    act: Act


class ChainLedger(Ledger):
    """Fulfils `services.ca.ledger.ports.Ledger` on a chain, and reads what is on record.

    Sealed fields are bound to the act's id, not to its place: a lost race moves an act, and must not seal it again.
    """

    def __init__(self, store: ChainStore, keyring: Keyring, clock: Clock) -> None:
        self._store = store
        self._chain = Chain(store, clock)
        self._keyring = keyring

    async def record(self, about: str, *acts: Act) -> None:
        """Append acts; see `services.ca.ledger.ports.Ledger`."""
        await self._chain.append(*(self._fact(act, about) for act in acts))

    async def repeat(self, entries: Iterable[Entry]) -> None:
        """Append the facts of other entries anew, sealed as they are."""
        await self._chain.append(*(entry.fact for entry in entries))

    async def configure(self, configuration: Configuration) -> None:
        """Record what the authority works with from now on, if that is not what was recorded last."""
        last = await self._store.last("configuration.changed")
        before = None if last is None else self.read(last)
        known = before.after if isinstance(before, ConfigurationChanged) else None
        if known != configuration:
            follows = 0 if last is None else last.position
            await self.record("authority", ConfigurationChanged(follows=follows, before=known, after=configuration))

    async def head(self) -> Head:
        """Return how far it goes."""
        return await self._store.head()

    async def at(self, position: int) -> Head:
        """Return the head of the ledger as it was at a position, or where it begins if that was cut off since."""
        start = await self._store.start()
        found = await self._store.read(position - 1, 1) if position > start.position else ()
        return found[0].head if found else start

    async def last(self, kind: str) -> Recorded | None:
        """Return the newest act of a kind."""
        entry = await self._store.last(kind)
        return None if entry is None else Recorded(entry, self.read(entry))

    async def entries(self, after: int = 0) -> AsyncIterator[Entry]:
        """Return all entries behind a position, in order, a page of them in memory at a time."""
        while page := await self._store.read(after, _PAGE):
            for entry in page:
                yield entry
            after = page[-1].position

    def read(self, entry: Entry) -> Act:
        """Read the act of an entry.

        Raises:
            ValidationError, SealError: it is no act, or was altered.
        """
        return ACTS.validate_json(entry.fact.payload, context=self._sealing(entry.fact.id))

    def _fact(self, act: Act, about: str) -> Fact:
        payload = ACTS.dump_json(act, context=self._sealing(act.id)).decode()
        return Fact(act.id, act.kind, payload, about)

    def _sealing(self, id_: str) -> Sealing:
        return Sealing(self._keyring, f"ledger/{id_}")
