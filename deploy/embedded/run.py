"""The system up and running on one machine until Ctrl-C: for those who write a portal or a subscriber."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.embedded.installation import SERVICES, Installation, usual_ports
from deploy.embedded.process import LOOPBACK
from deploy.embedded.services import in_one_process
from deploy.embedded.stack import Broker, Store
from libs.common.core import logging
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.topic_admin import create_topics
from services.ca.tools.check import main as ca_check
from tests.fixtures.people import REGION, invent, register_of

PEOPLE: Final = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation lies, and its ports: several can run side by side.

    Args:
        folder: keys, authority, logs and the store's data.
        port_base: the services listen from the next port on, then broker and store; None: the usual ports.
    """

    folder: Path = Path("var/run")
    port_base: int | None = None

    @property
    def services(self) -> dict[str, int]:
        """The port of each service."""
        if self.port_base is None:
            return usual_ports()
        return {service: self.port_base + number for number, service in enumerate(SERVICES, start=1)}

    @property
    def broker(self) -> int:
        """The port of the broker."""
        return 9092 if self.port_base is None else self.port_base + len(SERVICES) + 1

    @property
    def store(self) -> int:
        """The port of the store."""
        return 27017 if self.port_base is None else self.port_base + len(SERVICES) + 2


def check(place: Place, arguments: list[str]) -> int:
    """Check the authority of a running installation; see `services.ca.tools.check`. Return its exit status."""
    broker, store = f"{LOOPBACK}:{place.broker}", f"mongodb://{LOOPBACK}:{place.store}"
    installation = Installation(place.folder, broker, store, place.services)
    os.environ.update(installation.environment("ca"))
    return ca_check(arguments)


async def until_interrupted(place: Place, models: Path, console: Console) -> int:
    """Start everything, print where it is, and wait."""
    folder = place.folder
    folder.mkdir(parents=True, exist_ok=True)
    people = [invent(number) for number in range(1, PEOPLE + 1)]
    (folder / "register.json").write_text(register_of(people), encoding="utf-8")
    with (folder / "services.log").open("a", encoding="utf-8") as log:
        logging.configure("run", json=True, stream=log)
        async with Broker(folder, place.broker) as broker, Store(folder, place.store) as store:
            await create_topics(KafkaAccess(broker.address))
            register = folder / "register.json"
            installation = Installation(
                folder, broker.address, store.uri, place.services, models=models, people=register
            )
            installation.prepare()
            async with in_one_process(installation):
                _say(console, installation, broker, store)
                await _interrupted()
    return 0


def _say(console: Console, installation: Installation, broker: Broker, store: Store) -> None:
    folder = installation.folder
    for service, port in installation.ports.items():
        console.print(f"{service:11} http://127.0.0.1:{port}    /health/ready /metrics /openapi.json", markup=False)
    person = invent(1)
    console.print(f"broker      {broker.address} (Kafka protocol, in memory)\nstore       {store.uri}", markup=False)
    console.print(f"logs        {folder}/services.log", markup=False)
    console.print(
        f"\nA citizen of this installation: IIN {person.iin}, phone {person.phone}, document {person.document_number}; "
        f"{PEOPLE} of them in {folder}/register.json.\n"
        "Go their way:  .venv/bin/python -m libs.citizen eds --dev-inbox\n"
        "It asks for captures; without a camera, .venv/bin/python -m tests.fixtures.media OUT CHALLENGE makes them.\n"
        f"An officer of {REGION}, in another shell:\n  export CITIZEN_STAFF_TOKEN={installation.staff.officer(REGION)}",
        markup=False,
    )
    console.print("\nCtrl-C stops everything. The broker forgets its records; the store keeps its data.", markup=False)


async def _interrupted() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
