"""An authority as a whole: its service, store and broker, what others publish, and the tools that check it."""

import base64
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from deploy.embedded.process import Server
from deploy.embedded.stack import Store
from deploy.embedded.staff import staff_issuer
from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.events import Event, Meta, encode
from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed
from libs.common.contracts.otp import OtpVerified
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.values import new_id, utc_now
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import KafkaPublisher
from libs.common.delivery.topic_admin import create_topics
from libs.common.delivery.topic_reader import everything
from libs.common.testing import event_keys
from libs.common.testing.trial_keys import STAFF_ISSUER, StaffIssuer
from libs.common.web.tokens import TokenIssuer
from services.ca.ceremony.steps import perform
from services.ca.settings import Settings
from services.ca.tools.check import AuditReport, check
from services.ca.tools.common import opened
from services.ca.tools.export import Export, read_lines, write_file
from services.ca.tools.restore import RestoreOutcome, restore
from tests.unit.ca.hierarchies import KEYSTORE_PASSPHRASE, config, keystore
from tests.unit.ca.office import STARTED, csrs
from tests.waiting import until

SETTLED_S = 0


@dataclass
class CaHarness:
    """An authority with its store and its broker, and those who use it."""

    settings: Settings
    store: Store
    tokens: TokenIssuer
    staff: StaffIssuer
    folder: Path
    publisher: KafkaPublisher

    async def publish(self, journey: str, *events: Event) -> None:
        """Tell facts as the other services do."""
        outgoing = []
        for event in events:
            meta = Meta(new_id(), event.type(), "others", utc_now(), journey, journey)
            outgoing.append(Outgoing(event.topic, meta, encode(event, meta, self.settings.keyring).decode()))
        await self.publisher.publish(outgoing)

    async def issued(self, http: httpx.AsyncClient, first_key: int, citizen: str) -> tuple[str, list[dict[str, Any]]]:
        """Bring a citizen to two certificates; give the journey and the certificates."""
        journey = str(uuid4())
        created = DigitalIdCreated(citizen_id=citizen, person_ref="person-ref")
        await self.publish(journey, STARTED, OtpVerified(phone_ref="p"), FaceMatched(model="m1"), created)
        sign, auth = csrs(first_key)
        form = {"sign_csr": sign, "auth_csr": auth}

        async def requested() -> bool:
            posted = await http.post(self.address(journey), json=form, headers=self.mine(journey))
            return posted.status_code == httpx.codes.ACCEPTED

        await until(requested)

        async def done() -> bool:
            return len(await self.certificates(http, journey)) == 2

        await until(done)
        await self.publish(journey, JourneyClosed(outcome="completed", reason="journey.completed"))
        return journey, await self.certificates(http, journey)

    async def certificates(self, http: httpx.AsyncClient, journey: str) -> list[dict[str, Any]]:
        shown = await http.get(self.address(journey), headers=self.mine(journey))
        return list(shown.json()["certificates"])

    async def revoke(self, http: httpx.AsyncClient, serial: str) -> None:
        clerk = {"Authorization": f"Bearer {self.staff.clerk()}"}
        answer = await http.post(f"/v1/certificates/{serial}/revoke", json={"reason": "keyCompromise"}, headers=clerk)
        assert answer.status_code == httpx.codes.ACCEPTED
        await until(lambda: self.listed(http, serial))

    async def listed(self, http: httpx.AsyncClient, serial: str) -> bool:
        return int(serial, 16) in {each.serial_number for each in await crl(http)}

    async def published_on(self, topic: str) -> Counter[str]:
        """Which serial numbers a topic tells of, and how often."""
        return Counter(
            [json.loads(r.value or b"")["serial"] async for r in everything(self.settings.kafka_access, topic)]
        )

    async def backup(self) -> None:
        """Copy the store's files while it stands still."""
        await self.store.stop()
        shutil.copytree(self.folder / "store", self.folder / "backup")
        await self.store.start()

    async def lose(self) -> None:
        """Lose the store, and put the backup in its place."""
        await self.store.kill()
        shutil.rmtree(self.folder / "store")
        shutil.copytree(self.folder / "backup", self.folder / "store")
        await self.store.start()

    async def check(self) -> AuditReport:
        async with opened(self.settings) as source:
            return await check(source, settled_s=SETTLED_S)

    async def export(self) -> Export:
        file = self.folder / "ledger.jsonl"
        async with opened(self.settings) as source:
            ledger = source.sources.ledger
            await write_file(ledger.entries(), await ledger.at(0), file)
        return read_lines(file)

    async def restore(self, *exports: Export, topics: bool) -> RestoreOutcome:
        async with opened(self.settings) as source:
            return await restore(source, exports, topics=topics)

    def address(self, journey: str) -> str:
        return f"/v1/journeys/{journey}/certificates"

    def mine(self, journey: str) -> dict[str, str]:
        token = self.tokens.journey(journey, timedelta(days=7))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": journey}


async def crl(http: httpx.AsyncClient) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((await http.get("/pki/issuing/crl/0.crl")).content)


async def crl_number(http: httpx.AsyncClient) -> int:
    return (await crl(http)).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@asynccontextmanager
async def _publisher(bootstrap: str, *, idempotence: bool) -> AsyncIterator[KafkaPublisher]:
    publisher = event_keys.everybody(bootstrap, idempotence=idempotence)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


@asynccontextmanager
async def opened_branch(broker: Server, store: Store, folder: Path, *, idempotence: bool) -> AsyncIterator[CaHarness]:
    """Hold the key ceremony and make the topics; the service itself is started by whoever needs it."""
    await create_topics(KafkaAccess(broker.address), partitions=1)
    perform(config(folder / "ca"), keystore(folder / "ca"), utc_now())
    secret = base64.b64encode(bytes(range(32))).decode()
    tokens = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "k1", utc_now)
    staff = staff_issuer(folder / "staff")
    settings = Settings(
        profile="development",
        kafka=broker.address,
        kafka_idempotence=idempotence,
        kafka_fetch_wait_ms=20,
        mongo_uri=SecretStr(store.uri),
        mongo_database="ca",
        sealing=SecretStr(
            json.dumps({"keys": {name: {"1": secret} for name in ("person", "contact", "ca")}, "blind": secret})
        ),
        http_port=0,
        identity_jwks=json.dumps(tokens.jwks()),
        event_key=SecretStr(event_keys.pem("ca")),
        event_jwks=event_keys.JWKS,
        staff_jwks=staff.jwks,
        staff_issuer=STAFF_ISSUER,
        directory=folder / "ca",
        keystore_passphrase=KEYSTORE_PASSPHRASE,
        base_url="http://pki.test.kz/pki",
    )
    async with _publisher(broker.address, idempotence=idempotence) as publisher:
        yield CaHarness(settings, store, tokens, staff, folder, publisher)
