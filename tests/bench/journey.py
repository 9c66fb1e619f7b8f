"""``make bench-journey``: how much messaging costs, beside bare loops on the same broker in the same run.

Face checks are answered by a stub, so that messaging is measured and not vision. The five services run as processes
of their own; citizens and observer share this one. Prints Markdown, to be kept in ``docs/performance.md``.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import uvloop

from deploy.embedded.installation import SERVICES, Installation
from deploy.embedded.observer import Observer
from deploy.embedded.process import Server, free_port
from deploy.embedded.services import process_of
from deploy.embedded.stack import Broker, Store
from libs.citizen.api.caller import Patience
from libs.citizen.api.services import Services
from libs.citizen.journey.eds import EdsJourney, start
from libs.citizen.journey.progress import WaitLimits
from libs.common.core import logging
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.topic_admin import create_topics
from tests.bench import loops
from tests.bench.loops import Ground, Stopwatch
from tests.bench.measure import Spread, cpu_s, rss_mb
from tests.fixtures.people import Invented, Volunteer, bench_camera, invent, register_of

ROUNDS = 3
PATIENT = WaitLimits(machines=900, people=900)


@dataclass(frozen=True)
class Journeys:
    """What many journeys at once came to."""

    asked: int
    completed: int
    seconds: float
    events: int
    spans: Spread
    cpu: Mapping[str, float]
    memory: Mapping[str, float]

    def report(self) -> str:
        total = sum(self.cpu.values())
        rows = "\n".join(f"| {name} | {self.cpu[name]:.1f} | {self.memory[name]:.0f} |" for name in self.cpu)
        return (
            f"{self.completed} of {self.asked} journeys completed, {self.asked - self.completed} lost, in "
            f"{self.seconds:.1f} s: {self.completed / self.seconds:.1f} journeys/s, "
            f"{self.events / self.seconds:.0f} events/s.\n\n"
            f"From a journey's first event to its last: {self.spans}.\n\n"
            f"All services together: {1000 * total / self.completed:.0f} CPU-ms a journey (HTTP, PIN hashing and "
            f"signatures included), {1000 * total / self.events:.1f} CPU-ms an event.\n\n"
            f"| service | CPU s | memory MB |\n|---|---|---|\n{rows}"
        )


async def compare_loops(events: int) -> str:
    """Run the three loops in turn, some rounds, and report medians and ratios."""
    ways: dict[str, Callable[[Ground], Awaitable[Stopwatch]]] = {
        "bare aiokafka": loops.bare_aiokafka,
        "bare FastStream": loops.bare_faststream,
        "engine, with store, outbox and inbox": loops.engine,
    }
    runs: dict[str, list[Stopwatch]] = defaultdict(list)
    for number in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            async with Broker(Path(folder)) as broker, Store(Path(folder)) as store:
                ground = Ground(broker.address, store.uri, idempotence=False, events=events)
                await ground.prepare()
                for name, way in ways.items():
                    runs[name].append(await way(ground))
        sys.stderr.write(f"loops: round {number + 1} of {ROUNDS}\n")
    engine = median(run.rate for run in runs["engine, with store, outbox and inbox"])
    lines = ["| way | events/s | CPU-ms an event | engine's rate beside it |", "|---|---|---|---|"]
    for name, watches in runs.items():
        rate, cpu = median(run.rate for run in watches), median(run.cpu_ms for run in watches)
        spread = f"{min(run.rate for run in watches):.0f} to {max(run.rate for run in watches):.0f}"
        lines.append(f"| {name} | {rate:.0f} ({spread}) | {cpu:.2f} | {engine / rate:.2f} |")
    return "\n".join(lines)


async def many_journeys(number: int) -> Journeys:
    """Let so many citizens set out at once, and wait until all have their certificates."""
    people = [invent(index) for index in range(1, number + 1)]
    async with AsyncExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        broker = await running.enter_async_context(Broker(folder))
        store = await running.enter_async_context(Store(folder))
        await create_topics(KafkaAccess(broker.address), partitions=loops.PARTITIONS)
        (folder / "register.json").write_text(register_of(people), encoding="utf-8")
        installation = Installation(
            folder,
            broker.address,
            store.uri,
            {service: free_port() for service in SERVICES},
            profile="bench",
            people=folder / "register.json",
        )
        installation.prepare()
        observer = Observer(broker.address, folder / "events.jsonl")
        await observer.start()
        running.push_async_callback(observer.stop)
        servers = {name: process_of(installation, name, folder) for name in SERVICES}
        await asyncio.gather(*(running.enter_async_context(server) for server in servers.values()))
        before = {name: cpu_s(_pid(server)) for name, server in servers.items()}
        began = perf_counter()
        async with Services.connect(installation.endpoints, Patience(total=PATIENT.machines)) as services:
            done = await asyncio.gather(*(_go(services, person) for person in people))
        seconds = perf_counter() - began
        await observer.settle()
        lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        return Journeys(
            asked=number,
            completed=sum(done),
            seconds=seconds,
            events=len(lines),
            spans=Spread.of(_spans(lines)),
            cpu={name: cpu_s(_pid(server)) - before[name] for name, server in servers.items()},
            memory={name: rss_mb(_pid(server)) for name, server in servers.items()},
        )


async def _go(services: Services, person: Invented) -> bool:
    try:
        ticket = await start(services, person.applicant, lambda _: None)
        citizen = Volunteer(services, bench_camera(person))
        await EdsJourney(services, ticket, citizen, lambda _: None, waiting=PATIENT).complete()
    except Exception as error:  # noqa: BLE001 - a lost journey is what is counted
        sys.stderr.write(f"lost: {type(error).__name__}: {error}\n")
        return False
    return True


def _spans(lines: Sequence[Mapping[str, Mapping[str, str]]]) -> list[float]:
    times: dict[str, list[datetime]] = defaultdict(list)
    for line in lines:
        times[line["headers"]["ce_subject"]].append(datetime.fromisoformat(line["headers"]["ce_time"]))
    return [(max(each) - min(each)).total_seconds() for each in times.values()]


def _pid(server: Server) -> int:
    if server.pid is None:
        raise RuntimeError("a service ended during the benchmark")
    return server.pid


async def main(journeys: int, events: int) -> None:
    """Measure and print."""
    compared = await compare_loops(events)
    print(f"### Loops: {events} events, median of {ROUNDS} rounds\n\n{compared}\n", flush=True)  # noqa: T201 - a report
    many = await many_journeys(journeys)
    print(f"### {journeys} journeys at once\n\n{many.report()}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=500)
    parser.add_argument("--events", type=int, default=3000)
    given = parser.parse_args()
    # Lines are made as in production, and thrown away: what they cost belongs to the figures.
    logging.configure("bench", json=True, stream=Path(os.devnull).open("w"))  # noqa: SIM115 - until the process ends
    uvloop.run(main(given.journeys, given.events))
