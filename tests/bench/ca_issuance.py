"""Certificates a second over HTTP: ours with store, ledger, outbox and broker on, beside ``cfssl serve`` with none.

Ours takes two requests at once (to sign, to sign in) and answers when they are stored; the certificates count when
their events have reached the broker. cfssl answers with the certificate. Both get every request once, over as many
connections, from the same sender.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import httpx
from aiokafka import AIOKafkaConsumer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.embedded.installation import Installation
from deploy.embedded.process import Program, Server, accepts, free_port
from deploy.embedded.services import process_of
from deploy.embedded.stack import Broker, Store
from deploy.keys import SIGNING_KID
from libs.citizen.journey.progress import wait_until
from libs.citizen.keys.private_keys import KeyAlgorithm, make_key
from libs.citizen.keys.requests import make_request
from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.ca import CertIssued
from libs.common.contracts.events import Event, Meta, encode
from libs.common.contracts.identity import DigitalIdCreated, JourneyStarted
from libs.common.contracts.otp import OtpVerified
from libs.common.contracts.people import Contact, Person
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.sealing import Keyring, Sealed
from libs.common.core.values import new_id, utc_now
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings
from libs.common.delivery.topic_admin import create_topics
from libs.common.testing.event_keys import EveryProducer, keys_of
from libs.common.web.tokens import TokenIssuer
from tests.bench.loops import PARTITIONS
from tests.bench.measure import cpu_s
from tests.bench.sender import post, send_all
from tests.fixtures.people import Invented, invent

CONNECTIONS: Final = 32
_PATIENCE_S: Final = 600
_ROUNDS: Final = 3
_KINDS: Final = {KeyAlgorithm.EC_P256: (500, 4000), KeyAlgorithm.RSA_2048: (100, 400)}
"""How many citizens of ours, and how many requests to cfssl: about as long a time for each."""
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Issued:
    """How fast certificates came."""

    who: str
    certificates: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.certificates / self.seconds

    def row(self, beside: float) -> str:
        cpu = 1000 * self.cpu_s / self.certificates
        return f"| {self.who} | {self.certificates} | {self.rate:.0f} | {cpu:.2f} | {self.rate / beside:.2f} |"


async def ours(kind: KeyAlgorithm, citizens: int, replicas: int) -> Issued:
    """Issue two certificates to each of so many citizens."""
    async with AsyncExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        broker = await running.enter_async_context(Broker(folder))
        store = await running.enter_async_context(Store(folder))
        await create_topics(KafkaAccess(broker.address), partitions=PARTITIONS)
        ports = {"ca": free_port()}
        publication = f"http://127.0.0.1:{ports['ca']}/pki"
        installation = Installation(folder, broker.address, store.uri, ports, profile="bench", publication=publication)
        installation.prepare()
        journeys = [new_id() for _ in range(citizens)]
        await _publish(installation, journeys)
        servers = [
            process_of(
                replace(installation, ports={"ca": ports["ca"] if n == 0 else free_port()}), "ca", folder / str(n)
            )
            for n in range(replicas)
        ]
        for server in servers:
            await running.enter_async_context(server)
        token = _tokens(installation)
        requests = {journey: _enrolment(journey, token, kind) for journey in journeys}
        await _open(ports["ca"], {journey: token.journey(journey, timedelta(hours=2)) for journey in journeys})
        before = sum(map(_cpu, servers))
        async with _counted(broker.address, 2 * citizens) as done:
            began = perf_counter()
            shares = [list(requests.values())[n::replicas] for n in range(replicas)]
            each = CONNECTIONS // replicas
            sent = await asyncio.gather(
                *(send_all(server.port, share, each) for server, share in zip(servers, shares, strict=True))
            )
            if any(set(one.statuses) != {202} for one in sent):
                raise RuntimeError(f"requests were refused: {[one.statuses for one in sent]}")
            await asyncio.wait_for(done.wait(), _PATIENCE_S)
            seconds = perf_counter() - began
        cpu = sum(map(_cpu, servers)) - before
        return Issued(f"ours, {replicas} process(es)", 2 * citizens, seconds, cpu)


async def cfssl(kind: KeyAlgorithm, certificates: int) -> Issued:
    """Let cfssl sign as many requests, each for a key of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        algorithm = {"algo": "rsa", "size": 2048} if kind is KeyAlgorithm.RSA_2048 else {"algo": "ecdsa", "size": 256}
        (folder / "ca.json").write_text(json.dumps({"CN": "Beside", "key": algorithm, "ca": {"expiry": "8760h"}}))
        await _run(folder, "cfssl genkey -initca ca.json | cfssljson -bare ca")
        usages = ["digital signature", "content commitment", "email protection"]
        profile = {"signing": {"default": {"expiry": "8760h", "usages": usages}}}
        (folder / "config.json").write_text(json.dumps(profile))
        files = ("-ca", "ca.pem", "-ca-key", "ca-key.pem", "-config", "config.json", "-loglevel", "4")
        command = ("/usr/bin/cfssl", "serve", "-address", "127.0.0.1", "-port", str(port), *files)
        bodies = [
            json.dumps({"certificate_request": make_request(make_key(kind))}).encode() for _ in range(certificates)
        ]
        requests = [post("/api/v1/cfssl/sign", body, _JSON) for body in bodies]
        program = Program("cfssl", command, folder / "cfssl.log", lambda: accepts(port))
        async with Server(program, port) as server:
            before = _cpu(server)
            sent = await send_all(port, requests, CONNECTIONS)
            if set(sent.statuses) != {200}:
                raise RuntimeError(f"cfssl refused: {sent.statuses}")
            return Issued("cfssl serve, neither store nor record", certificates, sent.seconds, _cpu(server) - before)


async def _publish(installation: Installation, journeys: Sequence[str]) -> None:
    """Publish what the other services would have told about each journey."""
    keyring = Keyring.parse((installation.folder / "keys" / "identity" / "sealing").read_text())
    settings = KafkaSettings(KafkaAccess(installation.kafka), "bench", installation.idempotence, fetch_wait_ms=20)
    publisher = KafkaPublisher(settings, EveryProducer(keys_of(installation.folder / "keys")))
    await publisher.start()
    try:
        for number, journey in enumerate(journeys):
            await publisher.publish([_outgoing(event, journey, keyring) for event in _facts(invent(number), journey)])
    finally:
        await publisher.stop()


def _facts(person: Invented, journey: str) -> tuple[Event, ...]:
    who = Person(
        iin=person.iin,
        surname=person.surname,
        given_name=person.given_name,
        birth_date=person.birth_date,
        document_number=person.document_number,
    )
    started = JourneyStarted(
        person=Sealed(who),
        contact=Sealed(Contact(phone=person.phone)),
        person_ref=f"person-{journey}",
        phone_ref=f"phone-{journey}",
        mcb_registered=True,
        expires_at=utc_now() + timedelta(days=7),
    )
    return (
        started,
        OtpVerified(phone_ref=f"phone-{journey}"),
        FaceMatched(model="bench"),
        DigitalIdCreated(citizen_id=f"citizen-{journey}", person_ref=f"person-{journey}"),
    )


def _outgoing(event: Event, journey: str, keyring: Keyring) -> Outgoing:
    meta = Meta(new_id(), event.type(), "bench", utc_now(), journey, journey)
    return Outgoing(event.topic, meta, encode(event, meta, keyring).decode())


def _tokens(installation: Installation) -> TokenIssuer:
    key = load_pem_private_key((installation.folder / "keys" / "identity" / "token.pem").read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("identity signs tokens with Ed25519")
    return TokenIssuer(key, "identity", SIGNING_KID, utc_now)


def _enrolment(journey: str, tokens: TokenIssuer, kind: KeyAlgorithm) -> bytes:
    body = {"sign_csr": make_request(make_key(kind)), "auth_csr": make_request(make_key(kind))}
    token = tokens.journey(journey, timedelta(hours=2))
    headers = {**_JSON, "Authorization": f"Bearer {token}", "Idempotency-Key": new_id()}
    return post(f"/v1/journeys/{journey}/certificates", json.dumps(body).encode(), headers)


async def _open(port: int, tokens: dict[str, str]) -> None:
    """Wait until the authority takes every citizen's requests."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

        async def state(journey: str, token: str) -> str:
            answer = await http.get(
                f"/v1/journeys/{journey}/certificates", headers={"Authorization": f"Bearer {token}"}
            )
            return str(answer.json()["state"])

        for journey, token in tokens.items():
            await wait_until(partial(state, journey, token), lambda seen: seen == "open", seconds=lambda _: _PATIENCE_S)


@asynccontextmanager
async def _counted(bootstrap: str, awaited: int) -> AsyncIterator[asyncio.Event]:
    """Tell when so many certificates were announced."""
    consumer = AIOKafkaConsumer(
        CertIssued.topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    done, seen = asyncio.Event(), set[str]()

    async def count() -> None:
        async for record in consumer:
            seen.add(json.loads(record.value)["serial"])
            if len(seen) == awaited:
                done.set()

    counting = asyncio.create_task(count())
    try:
        yield done
    finally:
        counting.cancel()
        await consumer.stop()


async def _run(folder: Path, command: str) -> None:
    process = await asyncio.create_subprocess_shell(command, cwd=folder, stderr=asyncio.subprocess.DEVNULL)
    if await process.wait() != 0:
        raise RuntimeError(f"{command} failed")


def _cpu(server: Server) -> float:
    if server.pid is None:
        raise RuntimeError(f"{server.log} ended during the benchmark")
    return cpu_s(server.pid)


async def compare(rounds: int) -> str:
    """Compare issuance by kind of key: medians of the rounds, taken in turn."""
    lines = ["| who | certificates | a second | CPU-ms each | beside cfssl |", "|---|---|---|---|---|"]
    for kind, (citizens, requests) in _KINDS.items():
        runs: dict[str, list[Issued]] = {}
        for number in range(rounds):
            for issued in (
                await cfssl(kind, requests),
                await ours(kind, citizens, replicas=1),
                await ours(kind, citizens, replicas=2),
            ):
                runs.setdefault(issued.who, []).append(issued)
            sys.stderr.write(f"issuance {kind}: round {number + 1} of {rounds}\n")
        middle = [sorted(each, key=lambda one: one.rate)[len(each) // 2] for each in runs.values()]
        beside = median(one.rate for one in runs[middle[0].who])
        lines += [f"| **{kind}** | | | | |", *(one.row(beside) for one in middle)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(f"### Issuance over HTTP, median of {_ROUNDS}\n\n{asyncio.run(compare(_ROUNDS))}\n")  # noqa: T201 - a report
