"""The system up and running on one machine until Ctrl-C: for those who write a portal or a subscriber."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.embedded.installation import Installation
from deploy.embedded.process import LOOPBACK
from deploy.embedded.services import in_one_process
from deploy.embedded.stack import Broker, Store
from libs.common.core import logging
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.topic_admin import create_topics
from services.ca.tools.check import main as ca_check
from tests.fixtures.people import REGION, invent, register_of

FOLDER: Final = Path("var/run")
BROKER_PORT: Final = 9092
STORE_PORT: Final = 27017
PEOPLE: Final = 20


def check(arguments: list[str]) -> int:
    """Check the authority of a running installation; see `services.ca.tools.check`. Gives its exit status."""
    installation = Installation(FOLDER, f"{LOOPBACK}:{BROKER_PORT}", f"mongodb://{LOOPBACK}:{STORE_PORT}")
    os.environ.update(installation.environment("ca"))
    return ca_check(arguments)


async def until_interrupted(models: Path, console: Console) -> int:
    """Start everything, say where it is, and wait."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    people = [invent(number) for number in range(1, PEOPLE + 1)]
    (FOLDER / "register.json").write_text(register_of(people), encoding="utf-8")
    with (FOLDER / "services.log").open("a", encoding="utf-8") as log:
        logging.configure("run", json=True, stream=log)
        async with Broker(FOLDER, BROKER_PORT) as broker, Store(FOLDER, STORE_PORT) as store:
            await create_topics(KafkaAccess(broker.address))
            installation = Installation(
                FOLDER, broker.address, store.uri, models=models, people=FOLDER / "register.json"
            )
            installation.prepare()
            async with in_one_process(installation):
                _say(console, installation, broker, store)
                await _interrupted()
    return 0


def _say(console: Console, installation: Installation, broker: Broker, store: Store) -> None:
    for service, port in installation.ports.items():
        console.print(f"{service:11} http://127.0.0.1:{port}    /health/ready /metrics /openapi.json", markup=False)
    person = invent(1)
    console.print(f"broker      {broker.address} (Kafka protocol, in memory)\nstore       {store.uri}", markup=False)
    console.print(f"logs        {FOLDER}/services.log", markup=False)
    console.print(
        f"\nA citizen of this installation: IIN {person.iin}, phone {person.phone}, document {person.document_number}; "
        f"{PEOPLE} of them in {FOLDER}/register.json.\n"
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
