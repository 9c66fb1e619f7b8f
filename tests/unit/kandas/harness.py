"""Kandas in memory, built by its own `app.build`: a citizen, officers, an authority and a ministry that can go away."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import sign_detached
from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed
from libs.common.pki.der import serial_text
from libs.common.testing.faults import Faults
from libs.common.testing.harness import Harness, Surroundings
from services.kandas.app import build
from services.kandas.settings import Settings
from tests.fixtures.pdfs import make_pdf
from tests.unit.citizen.factories import IIN, Authority, pem
from tests.unit.kandas.factories import CITIZEN, FAMILY
from tests.unit.kandas.seals import PASSPHRASE, make_seal

FONTS = Path("/usr/share/fonts/truetype/dejavu")
PDF = make_pdf()
REGION = "KZ-75"
MINISTRY = "https://ministry.example/"


@dataclass
class StubMinistry:
    """A ministry that finds nothing against anybody, and does not answer while `away`. Keeps what it was asked."""

    away: bool = False
    keys: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        if self.away:
            return httpx.Response(503)
        persons = json.loads(request.content)["persons"]
        return httpx.Response(200, json=[{"person": person["person"], "clear": True} for person in persons])


@dataclass
class Installation:
    """What processes of kandas share in a test, and the files they read."""

    folder: Path
    authority: Authority
    surroundings: Surroundings
    ministry: StubMinistry = field(default_factory=StubMinistry)

    def __post_init__(self) -> None:
        (self.folder / "root.pem").write_text(pem(self.authority.root))
        (self.folder / "issuing.pem").write_text(pem(self.authority.issuing))
        (self.folder / "seal.p12").write_bytes(make_seal())
        self.surroundings.outside[MINISTRY] = self.ministry
        self.entry = self.authority.entry()

    @asynccontextmanager
    async def run(self, faults: Faults | None = None) -> AsyncIterator["KandasHarness"]:
        """Run one process."""
        async with self.surroundings.run(
            "kandas",
            build,
            Settings,
            faults=faults,
            root_certificates=self.folder / "root.pem",
            issuing_certificates=self.folder / "issuing.pem",
            seal_file=self.folder / "seal.p12",
            seal_passphrase=PASSPHRASE,
            ministry_url=MINISTRY,
            ministry_token=PASSPHRASE,
        ) as harness:
            yield KandasHarness(harness, self.entry, self.ministry)


@dataclass
class KandasHarness:
    """A running kandas, and what citizens, officers and the authority do with it."""

    harness: Harness
    entry: KeyEntry
    ministry: StubMinistry

    @property
    def serial(self) -> str:
        """The serial number of the citizen's certificate."""
        assert self.entry.certificate is not None
        return serial_text(self.entry.certificate.serial_number)

    @property
    def topics(self) -> list[str]:
        """The topics on which kandas published, in order."""
        return [each.event.topic for each in self.harness.all_published()]

    @property
    def blobs(self) -> set[str]:
        """The names of the stored blobs."""
        return set(self.harness.store.blobs)

    def citizen(self, citizen_id: str = CITIZEN) -> dict[str, str]:
        token = self.harness.keys.tokens.citizen(citizen_id, "ref", timedelta(hours=1))
        return {"Authorization": f"Bearer {token}"}

    def officer(self, region: str = REGION) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.harness.keys.staff.officer(region)}"}

    async def certificate_issued(self, **attributes: Any) -> None:
        now = self.harness.clock()
        event = CertIssued(
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
        await self.harness.receive(event, str(uuid4()), **attributes)

    async def certificate_revoked(self) -> None:
        await self.harness.receive(self.revocation(), str(uuid4()))

    def revocation(self) -> CertRevoked:
        return CertRevoked(
            serial=self.serial,
            profile="SIGN",
            reason="superseded",
            revoked_at=self.harness.clock(),
            citizen_id=CITIZEN,
        )

    async def open(self) -> dict[str, Any]:
        """Begin an application for three."""
        body = FAMILY.model_dump(mode="json", exclude_none=True)
        headers = self.citizen() | {"Idempotency-Key": str(uuid4())}
        opened = await self.harness.http.post("/v1/applications", json=body, headers=headers)
        assert opened.status_code == 201, opened.text
        again = await self.harness.http.post("/v1/applications", json=body, headers=headers)
        assert again.json() == opened.json()
        return dict(opened.json())

    async def complete(self) -> str:
        """Begin an application and attach everything it asks for."""
        opened = await self.open()
        for needed in opened["documents_needed"]:
            put = await self.attach(opened["application_id"], needed["person"], needed["kind"])
            assert put.status_code == 204, put.text
        return str(opened["application_id"])

    async def attach(self, application: str, person: str, kind: str, data: bytes = PDF) -> httpx.Response:
        path = f"/v1/applications/{application}/attachments/{person}/{kind}"
        headers = self.citizen() | {"Content-Type": "application/pdf"}
        return await self.harness.http.put(path, content=data, headers=headers)

    async def sign(self, application: str) -> httpx.Response:
        path = f"/v1/applications/{application}"
        document = (await self.harness.http.get(f"{path}/document", headers=self.citizen())).content
        cms = await sign_detached(document, self.entry, self.harness.clock())
        headers = self.citizen() | {"Content-Type": "application/pkcs7-signature"}
        return await self.harness.http.post(f"{path}/signature", content=cms, headers=headers)

    async def submitted(self) -> str:
        """Bring an application to be signed; what is due then is not done yet."""
        await self.certificate_issued()
        application = await self.complete()
        signed = await self.sign(application)
        assert (signed.status_code, signed.json()) == (202, {"status": "submitted"}), signed.text
        return application

    async def checked(self) -> str:
        application = await self.submitted()
        await self.harness.settle()
        return application

    async def view(self, application: str, language: str = "en") -> dict[str, Any]:
        headers = self.citizen() | {"Accept-Language": language}
        answer = await self.harness.http.get(f"/v1/applications/{application}", headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def officer_reads(self, path: str, region: str = REGION) -> httpx.Response:
        return await self.harness.http.get(f"/v1/officer/applications{path}", headers=self.officer(region))

    async def decide(
        self, application: str, person: str, outcome: str, *reasons: str, region: str = REGION
    ) -> httpx.Response:
        return await self._officer_posts(
            f"{application}/decisions", {"person": person, "outcome": outcome, "reasons": reasons}, region
        )

    async def send_back(self, application: str, person: str, kind: str, region: str = REGION) -> httpx.Response:
        return await self._officer_posts(
            f"{application}/return", {"documents": [{"person": person, "kind": kind}]}, region
        )

    async def _officer_posts(self, path: str, body: Mapping[str, Any], region: str) -> httpx.Response:
        headers = self.officer(region) | {"Idempotency-Key": str(uuid4())}
        return await self.harness.http.post(f"/v1/officer/applications/{path}", json=body, headers=headers)
