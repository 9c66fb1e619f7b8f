"""A small shop of three services, each with one kind of aggregate, joined by events only: what the engine is tried on.

    till: place -> OrderPlaced;  both StockReserved and BillPaid are known -> OrderClosed
    stock: OrderPlaced -> pack the goods (an effect outside, under an idempotency key, by a timer) -> StockReserved
    bills: both OrderPlaced and StockReserved are known -> BillPaid

Decisions only accumulate facts, as those of the real services do, so that order does not matter.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.contracts.events import Event, Received
from libs.common.contracts.signatures import EventKeys, EventSigner, key_set
from libs.common.contracts.topics import is_dead_letter_topic, is_retry_topic
from libs.common.core.metrics import Metrics
from libs.common.core.model import Model, evolve
from libs.common.core.sealing import Keyring, Personal, Sealed
from libs.common.delivery.consumption import Consumption, Route
from libs.common.delivery.decisions import Decision
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.engine import Collection, Engine, Kind
from libs.common.delivery.kafka import authentic
from libs.common.delivery.timers import Timers
from libs.common.testing.broker import BrokerRecord
from libs.common.testing.faults import Faults, faulty
from libs.common.testing.memory import MemoryDocuments
from tests.unit.common.kept_log import FaultyPublisher, Log

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE_S = 30.0
GRACE_S = 5.0
METRICS = {name: Metrics(name) for name in ("till", "stock", "bills")}
KEYRING = Keyring({"buyer": {"1": bytes(range(32))}}, bytes(32))


class Buyer(Personal):
    audience: ClassVar[str] = "buyer"

    name: str


class OrderPlaced(Event):
    topic: ClassVar[str] = "order.placed"

    buyer: Sealed[Buyer]


class StockReserved(Event):
    topic: ClassVar[str] = "stock.reserved"

    parcel: str


class BillPaid(Event):
    topic: ClassVar[str] = "bill.paid"

    amount: int


class OrderClosed(Event):
    topic: ClassVar[str] = "order.closed"


SIGNERS = {name: EventSigner(Ed25519PrivateKey.generate()) for name in METRICS}
PRODUCERS = {
    **{event.topic: "till" for event in (OrderPlaced, OrderClosed)},
    StockReserved.topic: "stock",
    BillPaid.topic: "bills",
}
KEY_SET = key_set({name: signer.key.public_key() for name, signer in SIGNERS.items()})
AUTHENTICATE = partial(authentic, EventKeys.parse(KEY_SET), PRODUCERS)


class Order(Model):
    buyer: Sealed[Buyer] | None = None
    reserved: bool = False
    paid: bool = False
    closed: bool = False


class Parcel(Model):
    packed: bool = False
    asked_at: datetime | None = None


def pack_at(parcel: Parcel) -> datetime | None:
    return None if parcel.packed else parcel.asked_at


class Bill(Model):
    placed: bool = False
    reserved: bool = False
    paid: bool = False


def order_with(state: Order | None, **facts: Any) -> Decision[Order]:
    known = evolve(state or Order(), Order, **facts)
    if known.buyer and known.reserved and known.paid and not known.closed:
        return Decision(evolve(known, Order, closed=True), (OrderClosed(),))
    return Decision(known)


def bill_with(state: Bill | None, **facts: bool) -> Decision[Bill]:
    known = evolve(state or Bill(), Bill, **facts)
    if known.placed and known.reserved and not known.paid:
        return Decision(evolve(known, Bill, paid=True), (BillPaid(amount=7),))
    return Decision(known)


def packed(state: Parcel | None) -> Decision[Parcel] | None:
    if state is None or state.packed:
        return None
    return Decision(Parcel(packed=True), (StockReserved(parcel="parcel"),))


@dataclass
class World:
    """What outlives every process: rows, log, time, and what was done outside."""

    till: MemoryDocuments = field(default_factory=MemoryDocuments)
    stock: MemoryDocuments = field(default_factory=MemoryDocuments)
    bills: MemoryDocuments = field(default_factory=MemoryDocuments)
    log: Log = field(default_factory=lambda: Log(signers=SIGNERS))
    effects: set[str] = field(default_factory=set)
    now: datetime = NOON
    ids: int = 0

    def clock(self) -> datetime:
        return self.now

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Service:
    """One service in one process."""

    def __init__(self, kind: Kind[Any], world: World, rows: MemoryDocuments, faults: Faults) -> None:
        self.name = name = kind.name
        self.world = world
        self.faults = faults
        publisher = FaultyPublisher(world.log, faults)
        metrics = METRICS[name]
        engine = Engine(
            source=name,
            documents=lambda _name, _searched: CachedDocuments(faulty(rows, faults)),
            publisher=publisher,
            keyring=KEYRING,
            metrics=metrics,
            clock=world.clock,
            new_id=world.new_id,
            outbox_grace_s=GRACE_S,
        )
        self.kind: Collection[Any] = engine.open(kind)
        self.timers: Timers = engine.timers(self.kind, self.wake, lease_s=LEASE_S)
        self.consumption = Consumption(
            name,
            self.routes(),
            authenticate=AUTHENTICATE,
            keyring=KEYRING,
            publisher=publisher,
            metrics=metrics,
            clock=world.clock,
        )

    def routes(self) -> tuple[Route[Any], ...]:
        return ()

    async def wake(self, key: str, now: datetime) -> None:
        raise AssertionError(f"{self.name} has no timers, but {key} was woken at {now}")

    def unread(self) -> list[BrokerRecord]:
        committed = self.world.log.committed.get(self.name, 0)
        return [record for record in self.world.log.records[committed:] if record.topic in self.consumption.topics]

    async def consume(self, limit: int = 4) -> bool:
        """Handle some of what is unread and commit it, as a subscription does. Tells whether there was anything."""
        batch = self.unread()[:limit]
        if not batch:
            return False
        assert not await self.consumption.batch(batch)
        self.faults.step()
        self.world.log.committed[self.name] = batch[-1].offset + 1
        self.faults.step()
        return True

    async def wake_due(self) -> bool:
        """Wake everything whose time has come. Tells whether there was anything."""
        due = await self.kind.documents.due(int(self.world.now.timestamp() * 1000), 100)
        for key, wake_at in due:
            await self.timers.run_once(key, wake_at)
        return bool(due)


class TillService(Service):
    async def place(self, key: str, name: str) -> None:
        """Place an order; doing it twice is doing it once."""
        buyer = Sealed(Buyer(name=name))

        def decide(state: Order | None) -> Decision[Order] | None:
            if state is not None and state.buyer is not None:
                return None
            after = order_with(state, buyer=buyer)
            return Decision(after.state, (OrderPlaced(buyer=buyer), *after.events))

        await self.kind.aggregates.apply(key, decide)

    async def reserved(self, message: Received[StockReserved]) -> None:
        await self.kind.aggregates.apply(
            message.meta.subject, lambda state: order_with(state, reserved=True), cause=message.meta
        )

    async def paid(self, message: Received[BillPaid]) -> None:
        await self.kind.aggregates.apply(
            message.meta.subject, lambda state: order_with(state, paid=True), cause=message.meta
        )

    def routes(self) -> tuple[Route[Any], ...]:
        return Route(StockReserved, self.reserved), Route(BillPaid, self.paid)


class StockService(Service):
    async def placed(self, message: Received[OrderPlaced]) -> None:
        now = message.meta.time
        await self.kind.aggregates.apply(
            message.meta.subject,
            lambda state: None if state else Decision(Parcel(asked_at=now)),
            cause=message.meta,
        )

    async def wake(self, key: str, now: datetime) -> None:
        del now
        self.faults.step()
        self.world.effects.add(f"pack {key}")
        self.faults.step()
        await self.kind.aggregates.apply(key, packed)

    def routes(self) -> tuple[Route[Any], ...]:
        return (Route(OrderPlaced, self.placed),)


class BillService(Service):
    async def placed(self, message: Received[OrderPlaced]) -> None:
        await self.kind.aggregates.apply(
            message.meta.subject, lambda state: bill_with(state, placed=True), cause=message.meta
        )

    async def reserved(self, message: Received[StockReserved]) -> None:
        await self.kind.aggregates.apply(
            message.meta.subject, lambda state: bill_with(state, reserved=True), cause=message.meta
        )

    def routes(self) -> tuple[Route[Any], ...]:
        return Route(OrderPlaced, self.placed), Route(StockReserved, self.reserved)


class Shop:
    """One life of all three services: everything here dies in a crash, the world stays."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.till = TillService(Kind[Order]("till", Order), world, world.till, faults)
        self.stock = StockService(Kind("stock", Parcel, wake_at=pack_at), world, world.stock, faults)
        self.bills = BillService(Kind[Bill]("bills", Bill), world, world.bills, faults)
        self.services: tuple[Service, ...] = (self.till, self.stock, self.bills)

    async def round(self) -> bool:
        """Let every service take a turn. Tells whether any had something to do."""
        busy = False
        for service in self.services:
            busy |= await service.consume()
            busy |= await service.wake_due()
            await service.kind.outbox.trim()
        return busy

    async def settle(self) -> None:
        """Run until nothing moves any more, not even when leases and grace have passed and the sweepers came by."""
        quiet = 0
        while quiet < 2:
            if await self.round():
                quiet = 0
                continue
            quiet += 1
            self.world.pass_time(LEASE_S + GRACE_S + 1)
            for service in self.services:
                await service.kind.outbox.sweep()
                await service.kind.outbox.trim()


def facts(world: World) -> dict[tuple[str, str, str], set[str]]:
    """Give every fact told (type, subject, cause's type aside) with the ids it was told under."""
    ids: dict[tuple[str, str, str], set[str]] = {}
    for event in world.log.published:
        public = event.value if event.topic != OrderPlaced.topic else "sealed"
        ids.setdefault((event.meta.type, event.meta.subject, public), set()).add(event.meta.id)
    return ids


async def states(world: World) -> dict[str, dict[str, str]]:
    """Give the end states of all aggregates, in the clear."""
    shop = Shop(world, Faults())
    rows = {"till": world.till, "stock": world.stock, "bills": world.bills}
    return {
        service.name: {key: repr(await service.kind.aggregates.get(key)) for key in sorted(rows[service.name].rows)}
        for service in shop.services
    }


def parked(world: World) -> list[BrokerRecord]:
    """Give what was parked for retry or given up."""
    return [r for r in world.log.records if is_retry_topic(r.topic) or is_dead_letter_topic(r.topic)]
