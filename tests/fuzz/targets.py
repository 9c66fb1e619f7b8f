"""What a client can send to the authority, and what must hold of every answer, whatever was sent.

Everything goes through the whole HTTP application, in this process: the parsers are met as a stranger meets them.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from time import process_time
from typing import Any
from uuid import uuid4

from asn1crypto import core  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_csr, ocsp
from fastapi import FastAPI

from libs.common.core.health import Health
from libs.common.pki.ber import NotBerError, from_ber
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.web.http import create_app
from libs.common.web.idempotency import Idempotency
from libs.common.web.tokens import Authenticator, TokenIssuer, TokenVerifier
from services.ca.authority.hierarchy import TSA
from services.ca.enrolment import api
from services.ca.keys.store import require_ec
from services.ca.ocsp.api import OcspEndpoint
from services.ca.problems import PROBLEMS
from services.ca.revocation.api import revocation_routes
from services.ca.texts import TEXTS
from services.ca.timestamp.api import TimeStamping, tsa_routes
from services.ca.timestamp.clock import WatchedClock
from services.ca.timestamp.stamping import TimeStampAuthority
from services.ca.verification.api import verification_routes
from services.ca.verification.service import VerificationService
from tests.fuzz.ber_forms import in_ber
from tests.unit.ca.hierarchies import CertificationAuthority, keystore
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import JOURNEY, KEYRING, METRICS, World, csr, key
from tests.unit.ca.signing import DATA, TSA_POLICY, OurStamps, Signer
from tests.unit.ca.timestamp.test_timestamps import request as time_stamp_request

DOCUMENT = '<?xml version="1.0" encoding="UTF-8"?><өтініш xmlns="urn:k" b="2" a="1">бар<х/></өтініш>'
GRANTED, REJECTION = 0, 2
_NOBODYS = json.dumps({"action": "revoke-certificate", "serial": "7f" * 16}).encode()
MAX_SECONDS = 2.0
"""Of processor time for one request: far more than any should take, far less than a denial of service needs."""


class Broken(AssertionError):
    """An answer that must not be."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Target:
    """One parser: valid examples of its input, and how to send it whatever else, and judge what it says."""

    name: str
    examples: tuple[bytes, ...]
    send: Callable[[bytes], Coroutine[Any, Any, None]]


class FuzzedService:
    """The authority's application, and messages that it takes."""

    def __init__(self, app: FastAPI, counter: OcspHost, token: str) -> None:
        self._app = app
        self._counter = counter
        self._token = token
        self._certificate = b""

    async def targets(self, folder: Path) -> dict[str, Target]:
        """Make every target. The examples are made by OpenSSL, pyHanko and xmlsec1."""
        signer = Signer(await self._counter.citizen(), key(1), folder)
        question = self._counter.question(signer.certificate, b"nonce")
        stamped = await signer.stamped(OurStamps(self._counter.authority, self._counter.world.now))
        inside = signer.cms(options=("-cades", "-nodetach"))
        streamed = signer.cms(options=("-cades", "-stream"))
        request = load_pem_x509_csr(csr(key(1)).encode()).public_bytes(Encoding.DER)
        self._certificate = signer.certificate.public_bytes(Encoding.DER)
        made = (
            Target("ocsp", (question, self._counter.question(signer.certificate)), self.ocsp),
            Target("tsa", (time_stamp_request(),), self.tsa),
            Target("csr", (request,), self.csr),
            Target("certificate", (self._certificate,), self.certificate),
            Target("cms", (signer.cms(), stamped, inside, streamed), self.cms),
            Target("ber", (stamped, in_ber(stamped, Random(7)), streamed), self.ber),  # noqa: S311 - reproducible
            Target("revocation", (signer.cms(data=_NOBODYS),), self.revocation),
            Target("xml", (signer.xml(DOCUMENT).encode(),), self.xml),
        )
        return {each.name: each for each in made}

    async def ocsp(self, octets: bytes) -> None:
        """A response comes, signed or with a reason, by POST and by GET."""
        posted = await self.exchange("POST", "/pki/issuing/ocsp", octets)
        encoded = base64.b64encode(octets[:4000]).decode()
        got = await self.exchange("GET", f"/pki/issuing/ocsp/{encoded}", b"")
        for answer in (posted, got):
            require(answer.status == 200, answer)
            ocsp.load_der_ocsp_response(answer.body)

    async def tsa(self, octets: bytes) -> None:
        """A response comes, with a stamp or with the reason why not."""
        answer = await self.exchange("POST", "/pki/tsa", octets)
        require(answer.status == 200, answer)
        status = core.Sequence.load(answer.body, strict=True)[0][0].native
        require(status in {GRANTED, REJECTION}, answer)

    async def csr(self, octets: bytes) -> None:
        """Nothing is accepted: what is no request is called so, and a request for the first key is one too many."""
        armoured = base64.encodebytes(octets).decode()
        pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{armoured}-----END CERTIFICATE REQUEST-----\n"
        form = {"sign_csr": pem, "auth_csr": csr(key(1))}
        headers = {"authorization": f"Bearer {self._token}", "idempotency-key": str(uuid4())}
        answer = await self.exchange("POST", f"/v1/journeys/{JOURNEY}/certificates", json.dumps(form).encode(), headers)
        require(answer.status in {413, 422} and answer.json["key"] != "service.failed", answer)

    async def certificate(self, octets: bytes) -> None:
        """None but the citizen's own is valid, in whichever of the three forms it comes."""
        pem = f"-----BEGIN CERTIFICATE-----\n{_text(octets)}\n-----END CERTIFICATE-----\n"
        for form in (_text(octets), pem, _text(pem.encode())):
            answer = await self._verify("x509/info", certs=[form])
            if answer.status == 200 and answer.json["valid"]:
                require(octets == self._certificate, answer)

    async def cms(self, octets: bytes) -> None:
        """What is valid was signed by the citizen."""
        for form in ({"data": _text(DATA)}, {}):
            answer = await self._verify("cms/verify", cms=_text(octets), **form)
            if answer.status == 200 and answer.json["valid"]:
                iins = {each["subject"]["iin"] for signer in answer.json["signers"] for each in signer["certificates"]}
                require(iins == {"830717350867"}, answer)

    async def ber(self, octets: bytes) -> None:
        """What can be brought into DER is DER then; all else is refused by the one name."""
        began = process_time()
        with suppress(NotBerError):
            der = from_ber(octets).der
            require(from_ber(der).der == der, Answer(0, der))
        require(process_time() - began < MAX_SECONDS, Answer(0, octets))

    async def revocation(self, octets: bytes) -> None:
        """Nothing is revoked: the request is about a certificate that does not exist, by whomever it is signed."""
        form = {"request": _text(_NOBODYS), "cms": _text(octets)}
        answer = await self.exchange("POST", "/v1/revocations", json.dumps(form).encode())
        require(answer.status in {404, 413, 422} and answer.json["key"] != "service.failed", answer)

    async def xml(self, octets: bytes) -> None:
        """What is valid is the document that was signed."""
        answer = await self._verify("xml/verify", xml=octets.decode(errors="replace"))
        if answer.status == 200 and answer.json["valid"]:
            require(answer.json["signedXml"] == '<өтініш xmlns="urn:k" a="1" b="2">бар<х></х></өтініш>', answer)

    async def _verify(self, what: str, **form: object) -> Answer:
        answer = await self.exchange("POST", f"/v1/verify/{what}", json.dumps(form).encode())
        require(answer.status in {200, 413, 422}, answer)
        return answer

    async def exchange(self, method: str, path: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        """Send a request through the application, and read the answer, which may not take long."""
        began = process_time()
        answer = await _exchange(self._app, method, path, body, headers or {})
        require(answer.status < 500, answer)
        require(process_time() - began < MAX_SECONDS, answer)
        return answer


def require(holds: bool, answer: Answer) -> None:
    """Broken, unless it holds."""
    if not holds:
        raise Broken(f"{answer.status}: {answer.body[:500]!r}")


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


async def _exchange(app: FastAPI, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    sent: list[dict[str, Any]] = []
    given = {"content-type": "application/json", "content-length": str(len(body))} | headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("ca", 80),
        "scheme": "http",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return Answer(sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]))


async def open_service(authority: CertificationAuthority) -> FuzzedService:
    """Put the application together as the service does, on a store in memory."""
    world = World()
    counter = await OcspHost(world, authority).open()
    identity = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "key-1", world.clock)
    verifier = TokenVerifier(json.dumps(identity.jwks()), "identity", world.clock)
    tolerance = timedelta(milliseconds=500)
    stamps = TimeStampAuthority(
        authority.hierarchy.tsa, require_ec(keystore(authority.directory).load(TSA), TSA), TSA_POLICY, tolerance
    )
    clock = WatchedClock(world.clock, lambda: 0.0, tolerance)
    routers = [
        api.journey_routes(
            counter.service,
            counter.intake,
            Authenticator(verifier),
            Idempotency(MemoryIdempotencyStore(), KEYRING, "ca", world.clock),
        ),
        tsa_routes(TimeStamping(stamps, clock, lambda size: bytes(range(1, size + 1)))),
        verification_routes(VerificationService(authority.trust, counter.witness, world.clock)),
        revocation_routes(counter.revocations, Authenticator(verifier)),
    ]
    app = create_app(
        "ca",
        metrics=METRICS,
        problems=PROBLEMS,
        texts=TEXTS,
        health=Health(),
        routers=routers,
        direct=[OcspEndpoint(counter.ocsp, METRICS)],
    )
    return FuzzedService(app, counter, identity.journey(JOURNEY, timedelta(days=7)))


def service_and_targets(
    authority: CertificationAuthority, folder: Path, runner: asyncio.Runner
) -> tuple[FuzzedService, dict[str, Target]]:
    """Open the desk for callers that are not asynchronous."""
    service = runner.run(open_service(authority))
    return service, runner.run(service.targets(folder))
