"""The whole service on a real broker and a real store, asked by relying parties."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pydantic import SecretStr

from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.values import utc_now
from libs.common.delivery.topic_admin import create_topics
from libs.common.testing import event_keys
from libs.common.web.tokens import TokenIssuer
from services.ca.app import build
from services.ca.ceremony.steps import perform
from services.ca.settings import Settings
from tests.unit.ca.hierarchies import KEYSTORE_PASSPHRASE, config, keystore
from tests.unit.ca.timestamp.test_timestamps import REFUSED, request
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.kafka

DER = {"content-type": "application/ocsp-request"}


@pytest_asyncio.fixture
async def service_settings(broker_address: str, broker_kind: str, mongo_uri: str, tmp_path: Path) -> Settings:
    await create_topics(KafkaAccess(broker_address))
    perform(config(tmp_path), keystore(tmp_path), utc_now())
    secret = base64.b64encode(bytes(range(32))).decode()
    keys = {name: {"1": secret} for name in ("person", "contact", "ca")}
    jwks = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "k1", utc_now).jwks()
    return Settings(
        profile="development",
        kafka=broker_address,
        kafka_idempotence=broker_kind == "kafka",
        mongo_uri=SecretStr(mongo_uri),
        mongo_database=f"ca-{uuid4().hex[:8]}",
        sealing=SecretStr(json.dumps({"keys": keys, "blind": secret})),
        http_port=0,
        identity_jwks=json.dumps(jwks),
        event_key=SecretStr(event_keys.pem("ca")),
        event_jwks=event_keys.JWKS,
        directory=tmp_path,
        keystore_passphrase=KEYSTORE_PASSPHRASE,
        base_url="http://pki.test.kz/pki",
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings).http
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca") as http,
    ):
        yield http


async def answered(http: httpx.AsyncClient, question: bytes) -> ocsp.OCSPResponse:
    """Ask until the responder has its certificate."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            posted = await http.post("/pki/issuing/ocsp", content=question, headers=DER)
            answer = ocsp.load_der_ocsp_response(posted.content)
            if answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
                return answer
            await asyncio.sleep(0.05)


async def test_after_a_restart_the_responder_goes_on_with_its_certificate_and_times_are_stamped(
    service_settings: Settings,
) -> None:
    seal, issuing = (
        x509.load_pem_x509_certificate((service_settings.directory / name).read_bytes())
        for name in ("seal.pem", "issuing.pem")
    )
    question = ocsp.OCSPRequestBuilder().add_certificate(seal, issuing, hashes.SHA256()).build()
    seen, stamps = [], []
    for _ in range(2):
        async with running(service_settings) as http:
            seen.append(await answered(http, question.public_bytes(Encoding.DER)))
            stamps.append((await http.post("/pki/tsa", content=request())).content)

    assert {answer.certificate_status for answer in seen} == {ocsp.OCSPCertStatus.GOOD}
    assert len({answer.certificates[0].serial_number for answer in seen}) == 1
    assert all(REFUSED not in stamp[:16] for stamp in stamps)
    assert len(set(stamps)) == len(stamps)
