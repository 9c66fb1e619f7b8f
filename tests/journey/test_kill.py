"""Five processes, many families at once, and somebody who kills processes: nobody loses anything, or gets it twice.

``JOURNEYS`` says how many families set out, 6 unless told; ``KILL_SEED`` makes the choice of victims repeatable.
"""

import asyncio
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.embedded.installation import SERVICES
from deploy.embedded.process import Server
from deploy.embedded.services import process_of
from deploy.embedded.stack import Store
from libs.citizen.journey.enrolment import Eds
from libs.citizen.journey.progress import WaitLimits
from libs.common.contracts.http.kandas import KandasApplicationView
from tests.fixtures.people import Invented
from tests.journey.actions import serial_of
from tests.journey.harness import System, make_broker, prepared
from tests.journey.invariants import DECISIONS

JOURNEYS = int(os.environ.get("JOURNEYS", "6"))
SEED = int(os.environ.get("KILL_SEED", str(random.SystemRandom().randrange(10_000))))
BETWEEN_KILLS_S = (0.2, 2.5)
PATIENT = WaitLimits(machines=180.0 + 20 * JOURNEYS, people=180.0 + 20 * JOURNEYS)
"""Documents are sealed one after the other, and a service that is killed leaves work to the lease of its timer."""


@dataclass
class Killer:
    """Kills one process after the other, at random moments, and starts each again."""

    servers: Mapping[str, Server]
    luck: random.Random
    kills: int = 0

    async def rage(self) -> None:
        while True:
            await asyncio.sleep(self.luck.uniform(*BETWEEN_KILLS_S))
            victim = self.servers[self.luck.choice(SERVICES)]
            await victim.kill()
            self.kills += 1
            await asyncio.sleep(self.luck.uniform(0, 1))
            await victim.start()

    async def quiescence(self) -> None:
        """See that everybody is alive again."""
        await asyncio.gather(*(server.start() for server in self.servers.values()))


@asynccontextmanager
async def processes(kind: str, folder: Path) -> AsyncIterator[tuple[System, Killer]]:
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(make_broker(kind, folder))
        store = await stack.enter_async_context(Store(folder))
        idempotence = kind == "kafka"
        system = await stack.enter_async_context(prepared(folder, broker.address, store.uri, idempotence=idempotence))
        servers = {name: process_of(system.installation, name, system.logs) for name in SERVICES}
        for server in servers.values():
            stack.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in servers.values()))
        system.waiting = PATIENT
        yield system, Killer(servers, random.Random(SEED))  # noqa: S311 - a choice of victims, not a secret


@pytest.mark.timeout(240 + 60 * JOURNEYS)
async def test_whichever_service_is_killed_everybody_ends_with_two_certificates_and_one_decision(
    broker_kind: str, tmp_path: Path
) -> None:
    async with processes(broker_kind, tmp_path) as (system, killer):
        people = [system.person() for _ in range(JOURNEYS)]
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            raging = group.create_task(killer.rage())
            ways = await asyncio.gather(*(system.whole_way(person) for person in people))
            raging.cancel()
        seconds = time.monotonic() - began
        print(f"{JOURNEYS} families, {killer.kills} kills, {seconds:.0f} s, seed {SEED}")  # noqa: T201 - the result of a long run
        assert killer.kills > 0
        await killer.quiescence()
        await system.check()
        await assert_records(system)
        for person, way in zip(people, ways, strict=True):
            await assert_services(system, person, *way)


async def assert_records(system: System) -> None:
    """Two certificates and one end a journey, one decision a person."""
    facts = await system.facts()
    assert {each.subject for each in facts.all("journey.started")} == system.tickets.keys()
    assert {each.subject for each in facts.all("kandas.submitted")} == system.sessions.keys()
    for journey in system.tickets:
        assert sorted(each.value["profile"] for each in facts.of(journey, "cert.issued")) == ["AUTH", "SIGN"]
        assert [each.value["outcome"] for each in facts.of(journey, "journey.closed")] == ["completed"]
    for application in system.sessions:
        assert sorted(each.value["person"] for each in facts.of(application, *DECISIONS)) == ["p1", "p2", "p3"]
    assert facts.all("cert.revoked") == []


async def assert_services(system: System, person: Invented, eds: Eds, view: KandasApplicationView) -> None:
    """The cabinet holds the two certificates whose keys the citizen has, and the documents are those decided about."""
    session = await system.sign_in(person)
    cabinet = await system.services.identity.cabinet(session)
    assert {each.serial: each.revoked for each in cabinet.certificates} == {
        serial_of(eds.sign): False,
        serial_of(eds.auth): False,
    }
    (application,) = cabinet.applications
    assert [each.outcome for each in application.persons] == ["granted"] * 3
    documents = await system.kandas(session).documents(view)
    hashes = {name: hashlib.sha256(document).hexdigest() for name, document in documents.items()}
    assert hashes == {each.person: each.document_sha256 for each in application.persons}
