"""Each step of issuance broken in turn: whatever the process had done when it died, every request ends in one place."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography import x509

from libs.common.delivery.documents import Document, Outgoing
from libs.common.pki.der import serial_text
from libs.common.storage.chain import Entry
from libs.common.testing.chain import MemoryChain
from libs.common.testing.faults import Crash
from libs.common.testing.memory import MemoryDocuments, MemoryReservations
from services.ca.enrolment import csr_intake as intake_module
from services.ca.enrolment import states
from services.ca.issuance import authority as authority_module
from services.ca.issuance import lint as lint_module
from services.ca.issuance import steps as issuance
from services.ca.issuance.authority import IssuingAuthority
from services.ca.model.profiles import Publication
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.office import FACTS, JOURNEY, LEASE, Office, World, closed, csrs
from tests.unit.common.kept_log import Log
from tests.waiting import PATIENCE_S

STEPS = (
    "accepting: facts complete",
    "accepting: first request parsed",
    "accepting: both requests parsed",
    "accepting: first key reserved",
    "accepting: both keys reserved",
    "accepting: requests accepted",
    "1 first ordered",
    "1 both ordered",
    "2 first linted",
    "2 both linted",
    "3 first serial number reserved",
    "3 both serial numbers reserved",
    "4 intents recorded",
    "5 intents in the ledger",
    "6 first signed",
    "6 both signed",
    "7 signatures in the ledger",
    "8 stored",
    "8 first published",
    "8 both published",
)
"""The steps of `services.ca.enrolment.issue`, and what comes before them."""
RECORDED = STEPS.index("4 intents recorded")
STORED = STEPS.index("8 stored")


class Break:
    """Ends the process when a step was passed; the one that comes after it goes on."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.passed: list[str] = []

    def after(self, step: str) -> None:
        again = step in self.passed
        self.passed.append(step)
        if step == self.step and not again:
            raise Crash

    def nth(self, first: str, both: str) -> None:
        self.after(first if first not in self.passed else both)

    def watch(self, call: Callable[..., Any], first: str, both: str) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            done = call(*arguments, **named)
            self.nth(first, both)
            return done

        return watched


class BreakingDocuments(MemoryDocuments):
    """Enrolments that can be the last thing written."""

    def __init__(self, break_: Break) -> None:
        super().__init__()
        self._break = break_

    async def store(self, document: Document) -> bool:
        won = await super().store(document)
        match document.state:
            case {"kind": "open"}:
                self._break.after("accepting: facts complete")
            case {"kind": "issuing", "intents": []}:
                self._break.after("accepting: requests accepted")
            case {"kind": "issuing", "ended": None}:
                self._break.after("4 intents recorded")
            case {"kind": "issued", "settled": False}:
                self._break.after("8 stored")
            case _:
                pass
        return won


class BreakingLog(Log):
    """A broker to which one event may be the last."""

    break_: Break

    def append(self, event: Outgoing) -> None:
        super().append(event)
        if event.topic == "cert.issued":
            self.break_.nth("8 first published", "8 both published")


@dataclass
class Scene:
    """A world in which one step breaks, and everything that was ever signed in it."""

    world: World
    broken: Break
    signed: list[x509.Certificate]
    at_once: bool = False

    async def way(self, office: Office) -> None:
        """Everything from the facts to the certificates, as brokers and clients repeat it after a crash."""
        for fact in FACTS:
            await office.receive(fact, meta=replace(self.world.meta(fact, JOURNEY), id=fact.topic))
        if self.at_once:
            try:
                await self.work_off(office)
            except BaseExceptionGroup as ended:
                raise ended.exceptions[0] from None
        else:
            await office.request(JOURNEY, *csrs())
            await office.wake_due()

    async def work_off(self, office: Office) -> None:
        """Request, with workers idle: each write is then the claim of the wake that follows from it."""
        kind, timers = office.timers[0]

        async def work() -> None:
            while True:
                nudge = await kind.nudges.next()
                assert nudge.held
                await timers._take(nudge)

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as workers:
            working = [workers.create_task(work()) for _ in range(2)]
            await asyncio.sleep(0)
            await office.request(JOURNEY, *csrs())
            while not settled(await office.enrolments.aggregates.get(JOURNEY)):  # noqa: ASYNC110 - sets no event
                await asyncio.sleep(0)
            for each in working:
                each.cancel()

    async def break_there(self, authority: CertificationAuthority) -> None:
        with pytest.raises(Crash):
            await self.way(Office(self.world, authority))
        self.world.now += LEASE
        self.at_once = False  # what the dead process held is left to the timer

    async def recover(self, office: Office) -> states.EnrolmentState:
        await office.wake_due()
        for kind in (office.enrolments, office.superseding, office.list_kind):
            await kind.outbox.sweep()
        state = await office.enrolments.aggregates.get(JOURNEY)
        assert state is not None
        return state

    @property
    def serials_signed(self) -> set[str]:
        return {serial_text(each.serial_number) for each in self.signed}

    def sent(self, topic: str) -> list[str]:
        return [each["serial"] for each in self.world.sent(topic)]


def settled(state: object) -> bool:
    return isinstance(state, states.Certified) and state.settled


@pytest.fixture(
    params=[(step, at_once) for at_once in (False, True) for step in STEPS],
    ids=[f"{step}, {when}" for when in ("by the timer", "at once") for step in STEPS],
)
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Scene:
    step, at_once = request.param
    broken = Break(step)
    world = World(log=BreakingLog())
    world.log.break_ = broken  # type: ignore[attr-defined]  # it is the log made above
    world.rows["enrolments"] = BreakingDocuments(broken)
    scene = Scene(world, broken, [], at_once)

    def signing(*arguments: Any) -> x509.Certificate:
        certificate = sign(*arguments)
        scene.signed.append(certificate)
        broken.nth("6 first signed", "6 both signed")
        return certificate

    async def taking(self: MemoryReservations, kind: str, value: str, owner: str) -> None:
        await take(self, kind, value, owner)
        if kind == "key":
            broken.nth("accepting: first key reserved", "accepting: both keys reserved")
        else:
            broken.nth("3 first serial number reserved", "3 both serial numbers reserved")

    async def extending(self: MemoryChain, entries: Sequence[Entry]) -> int:
        stored = await extend(self, entries)
        kinds = {entry.fact.kind for entry in entries}
        if "certificate.intended" in kinds:
            broken.after("5 intents in the ledger")
        if "certificate.issued" in kinds:
            broken.after("7 signatures in the ledger")
        return stored

    sign, take, extend = issuance.sign, MemoryReservations.take, MemoryChain.extend
    monkeypatch.setattr(MemoryChain, "extend", extending)
    monkeypatch.setattr(issuance, "sign", signing)
    monkeypatch.setattr(MemoryReservations, "take", taking)
    for module, name, steps in (
        (intake_module, "parse", STEPS[1:3]),
        (IssuingAuthority, "order", STEPS[6:8]),
        (authority_module, "lint", STEPS[8:10]),
    ):
        monkeypatch.setattr(module, name, broken.watch(getattr(module, name), *steps))
    return scene


async def test_after_a_break_at_any_step_each_request_has_one_certificate_told_once(
    scene: Scene, authority: CertificationAuthority
) -> None:
    await scene.break_there(authority)
    office = Office(scene.world, authority)
    if scene.broken.step in STEPS[:6]:
        await scene.way(office)  # the client got no answer, and asks again
    state = await scene.recover(office)

    assert isinstance(state, states.Issued)
    assert state.settled
    certificates = [x509.load_pem_x509_certificate(each.text.value.pem.encode()) for each in state.certificates]
    assert len({each.tbs_certificate_bytes for each in scene.signed}) == 2, "something else was signed besides"
    assert {each.tbs_certificate_bytes for each in certificates} == {e.tbs_certificate_bytes for e in scene.signed}
    assert scene.sent("cert.issued") == [each.serial for each in state.certificates]
    assert not scene.world.sent("cert.refused", "cert.revoked")


async def test_after_a_break_and_a_failed_journey_what_was_recorded_is_stored_and_revoked_and_the_rest_never_signed(
    scene: Scene, authority: CertificationAuthority
) -> None:
    await scene.break_there(authority)
    office = Office(scene.world, authority)
    await office.receive(closed("failed"))
    state = await scene.recover(office)

    if STEPS.index(scene.broken.step) < RECORDED:
        assert isinstance(state, states.Closed)
        assert (scene.signed, scene.world.sent("cert.issued", "cert.revoked")) == ([], [])
        return
    assert isinstance(state, states.Issued)
    assert state.settled
    serials = {each.serial for each in state.certificates}
    assert serials == scene.serials_signed == await office.listed()
    assert sorted(scene.sent("cert.issued")) == sorted(scene.sent("cert.revoked")) == sorted(serials)


@pytest.fixture
def moved(authority: CertificationAuthority) -> CertificationAuthority:
    """The same authority, published at another address from now on."""
    return replace(authority, publication=Publication("http://elsewhere.test.kz/pki"))


async def test_after_a_break_a_replica_with_another_address_signs_what_was_recorded_under_the_address_of_then(
    scene: Scene, authority: CertificationAuthority, moved: CertificationAuthority
) -> None:
    await scene.break_there(authority)
    office = Office(scene.world, moved)
    if scene.broken.step in STEPS[:6]:
        await scene.way(office)
    state = await scene.recover(office)

    assert isinstance(state, states.Issued)
    assert len({each.tbs_certificate_bytes for each in scene.signed}) == 2, "something else was signed besides"
    assert scene.sent("cert.issued") == [each.serial for each in state.certificates]
    assert not scene.world.sent("cert.refused", "cert.revoked")
    place = authority.publication if STEPS.index(scene.broken.step) >= RECORDED else moved.publication
    named = {
        each.access_location.value
        for signed in scene.signed
        for each in signed.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    }
    assert named == {place.responder("issuing"), place.certificate("issuing")}


async def test_after_a_break_an_intent_that_breaks_a_newer_rule_ends_refused_and_its_numbers_revoked(
    scene: Scene, authority: CertificationAuthority, moved: CertificationAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer_rule(it: Any) -> Iterator[str]:
        if it.publication != moved.publication:
            yield "nothing is issued any more under the address of before"

    await scene.break_there(authority)
    monkeypatch.setattr(lint_module, "_RULES", (*lint_module._RULES, newer_rule))
    office = Office(scene.world, moved)
    if scene.broken.step in STEPS[:6]:
        await scene.way(office)
    state = await scene.recover(office)

    if not RECORDED <= STEPS.index(scene.broken.step) < STORED:
        assert isinstance(state, states.Issued)
        assert scene.sent("cert.issued") == [each.serial for each in state.certificates]
        return
    assert isinstance(state, states.Void)
    assert state.settled
    serials = {each.serial for each in state.certificates}
    assert scene.serials_signed <= serials == await office.listed() == set(scene.sent("cert.revoked"))
    assert [(each["reason"], each["final"]) for each in scene.world.sent("cert.refused")] == [("profile.broken", True)]
    assert not scene.world.sent("cert.issued")
    assert await office.state() == "void"
