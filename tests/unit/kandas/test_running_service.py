"""The whole service on a real broker and a real store: from a certificate's news to the sealed document."""

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.embedded.stack import Broker, Store
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import sign_detached
from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Event, Meta, encode
from libs.common.contracts.people import Person
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.sealing import Keyring, Sealed
from libs.common.core.values import utc_now
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import KafkaPublisher
from libs.common.delivery.topic_admin import create_topics
from libs.common.pki.der import serial_text
from libs.common.testing import event_keys
from libs.common.web.tokens import TokenIssuer
from services.kandas.app import build
from services.kandas.settings import Settings
from tests.unit.citizen.factories import IIN, Authority, make_authority, pem
from tests.unit.kandas.factories import APPLICANT, CHILD, SPOUSE
from tests.unit.kandas.seals import PASSPHRASE, make_seal

T = TypeVar("T")
CITIZEN = str(uuid4())
PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


@dataclass(frozen=True)
class Running:
    """A running service, and what speaks to it."""

    http: httpx.AsyncClient
    publisher: KafkaPublisher
    keyring: Keyring
    entry: KeyEntry
    citizen: dict[str, str]
    officer: dict[str, str]
    other_officer: dict[str, str]

    @property
    def serial(self) -> str:
        assert self.entry.certificate is not None
        return serial_text(self.entry.certificate.serial_number)

    async def tell(self, event: Event) -> None:
        subject = str(uuid4())
        meta = Meta(str(uuid4()), event.type(), "ca", utc_now(), subject, subject)
        value = encode(event, meta, self.keyring).decode()
        await self.publisher.publish([Outgoing(event.topic, meta, value)])

    async def certificate_issued(self) -> None:
        now = utc_now()
        await self.tell(
            CertIssued(
                serial=self.serial,
                key_id="aa",
                issuer_key_id="bb",
                profile="SIGN",
                not_before=now - timedelta(minutes=5),
                not_after=now + timedelta(days=365),
                citizen_id=CITIZEN,
                person_ref="ref",
                holder=Sealed(Person(iin=IIN, surname="Сейтжанұлы", given_name="Ерасыл")),
            )
        )

    async def ready_to_sign(self) -> str:
        """Open an application for three and attach everything it asks for."""
        family = [member.model_dump(mode="json", exclude_none=True) for member in (SPOUSE, CHILD)]
        applicant = APPLICANT.model_dump(mode="json", exclude_none=True)
        form = {"service": "grant", "region": "KZ-75", "applicant": applicant, "family": family}
        headers = self.citizen | {"Idempotency-Key": str(uuid4())}
        opened = await self.http.post("/v1/applications", json=form, headers=headers)
        assert opened.status_code == 201, opened.text
        again = await self.http.post("/v1/applications", json=form, headers=headers)
        assert again.json() == opened.json()
        for needed in opened.json()["documents_needed"]:
            path = f"/v1/applications/{opened.json()['application_id']}/attachments/{needed['person']}/{needed['kind']}"
            put = await self.http.put(path, content=PDF, headers=self.citizen | {"content-type": "application/pdf"})
            assert put.status_code == 204, put.text
        return str(opened.json()["application_id"])

    async def sign(self, application: str) -> httpx.Response:
        document = (await self.http.get(f"/v1/applications/{application}/document", headers=self.citizen)).content
        cms = await sign_detached(document, self.entry, datetime.now(UTC))
        headers = self.citizen | {"content-type": "application/pkcs7-signature"}

        async def signed() -> httpx.Response | None:
            answer = await self.http.post(f"/v1/applications/{application}/signature", content=cms, headers=headers)
            return None if answer.json().get("key") == "certificate.unknown" else answer

        return await until(signed)

    async def reaches(self, application: str, status: str) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            shown = (await self.http.get(f"/v1/applications/{application}", headers=self.citizen)).json()
            return shown if shown["status"] == status else None

        return await until(there)


async def until(attempt: Callable[[], Awaitable[T | None]], seconds: int = 90) -> T:
    """Try until there is an answer."""
    for _ in range(seconds * 10):
        if (answer := await attempt()) is not None:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"no answer within {seconds} seconds")


def keyring_text() -> str:
    keys = {name: {"1": base64.b64encode(os.urandom(32)).decode()} for name in ("kandas", "person", "contact")}
    return json.dumps({"keys": keys, "blind": base64.b64encode(os.urandom(32)).decode()})


def staff(key: Ed25519PrivateKey, region: str) -> dict[str, str]:
    now = int(utc_now().timestamp())
    claims = {"iss": "staff", "sub": "officer-1", "role": "officer", "region": region, "iat": now, "exp": now + 600}
    token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "s1"})
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def running(folder: Path, authority: Authority) -> AsyncIterator[Running]:
    identity = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "k1", utc_now)
    staff_key = Ed25519PrivateKey.generate()
    staff_keys = TokenIssuer(staff_key, "staff", "s1", utc_now).jwks()
    (folder / "root.pem").write_text(pem(authority.root))
    (folder / "issuing.pem").write_text(pem(authority.issuing))
    (folder / "seal.p12").write_bytes(make_seal())
    async with Broker(folder) as broker, Store(folder) as store:
        await create_topics(KafkaAccess(broker.address), partitions=1)
        settings = Settings(
            profile="development",
            kafka=broker.address,
            kafka_idempotence=False,
            mongo_uri=store.uri,
            mongo_database="kandas",
            sealing=keyring_text(),
            http_port=0,
            identity_jwks=json.dumps(identity.jwks()),
            event_key=event_keys.pem("kandas"),
            event_jwks=event_keys.JWKS,
            staff_jwks=json.dumps(staff_keys),
            staff_issuer="staff",
            root_certificates=folder / "root.pem",
            issuing_certificates=folder / "issuing.pem",
            seal_file=folder / "seal.p12",
            seal_passphrase=PASSPHRASE,
        )
        app = build(settings)
        publisher = event_keys.everybody(broker.address)
        await publisher.start()
        transport = httpx.ASGITransport(app.http)
        async with (
            app.http.router.lifespan_context(app.http),
            httpx.AsyncClient(transport=transport, base_url="http://kandas") as http,
        ):
            citizen = identity.citizen(CITIZEN, "ref", timedelta(hours=1))
            yield Running(
                http,
                publisher,
                settings.keyring,
                authority.entry(),
                {"Authorization": f"Bearer {citizen}"},
                staff(staff_key, "KZ-75"),
                staff(staff_key, "KZ-71"),
            )
        await publisher.stop()


@pytest.mark.timeout(180)
async def test_a_family_gets_its_sealed_documents_and_a_revocation_sends_an_application_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, make_authority()) as service:
        await service.certificate_issued()
        application = await service.ready_to_sign()
        signed = await service.sign(application)
        assert (signed.status_code, signed.json()) == (202, {"status": "submitted"}), signed.text
        await service.reaches(application, "checked")

        await only_their_region_sees_it(service, application)
        await decide_for_all(service, application)
        shown = await service.reaches(application, "decided")

        assert [person["outcome"] for person in shown["persons"]] == ["granted", "refused", "granted"]
        for person in shown["persons"]:
            await judge_document(service, application, person)
        await revocation_sends_back(service)
    logged = "".join(capfd.readouterr())
    assert "service.started" in logged
    assert not [word for word in (IIN, APPLICANT.surname, APPLICANT.document_number) if word in logged]


async def only_their_region_sees_it(service: Running, application: str) -> None:
    path = "/v1/officer/applications"
    own = await service.http.get(path, headers=service.officer)
    other = await service.http.get(path, headers=service.other_officer)
    opened = await service.http.get(f"{path}/{application}", headers=service.other_officer)

    assert [item["application_id"] for item in own.json()] == [application]
    assert other.json() == []
    assert (opened.status_code, opened.json()["key"]) == (404, "application.unknown")
    assert own.json()[0]["undecided"] == ["p1", "p2", "p3"]


async def decide_for_all(service: Running, application: str) -> None:
    view = (await service.http.get(f"/v1/officer/applications/{application}", headers=service.officer)).json()
    assert view["people"][0]["form"]["surname"] == APPLICANT.surname
    assert view["people"][0]["check"]["clear"]
    for person, outcome, reasons in (
        ("p1", "granted", []),
        ("p2", "refused", ["refusal.not_conforming"]),
        ("p3", "granted", []),
    ):
        decided = await service.http.post(
            f"/v1/officer/applications/{application}/decisions",
            json={"person": person, "outcome": outcome, "reasons": reasons},
            headers=service.officer | {"Idempotency-Key": str(uuid4())},
        )
        assert decided.status_code == 202, decided.text


async def judge_document(service: Running, application: str, person: dict[str, Any]) -> None:
    path = f"/v1/applications/{application}/persons/{person['person']}/document.pdf"
    pdf = (await service.http.get(path, headers=service.citizen)).content
    public = (await service.http.get(f"/v1/documents/{application}/{person['person']}")).json()

    assert hashlib.sha256(pdf).hexdigest() == public["document_sha256"]
    assert b"/ETSI.CAdES.detached" in pdf, "it bears a PAdES seal"
    assert public["document_sha256"] == person["document_sha256"]
    assert APPLICANT.surname not in json.dumps(public, ensure_ascii=False)


async def revocation_sends_back(service: Running) -> None:
    """Brought by a second application: what is decided stays, what is not comes back to be signed again."""
    application = await service.ready_to_sign()
    await service.sign(application)
    await service.reaches(application, "checked")
    await service.tell(
        CertRevoked(
            serial=service.serial, profile="SIGN", reason="superseded", revoked_at=utc_now(), citizen_id=CITIZEN
        )
    )
    back = await service.reaches(application, "returned")
    assert (back["reason"], back["waits_for"]) == ("certificate.revoked", "citizen.signature")
    again = await service.sign(application)
    assert (again.status_code, again.json()["key"]) == (422, "certificate.revoked")
