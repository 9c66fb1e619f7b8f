"""The client and the stubs of its tests keep to what the services declare."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import pytest
import pytest_asyncio

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Biometrics, Part
from libs.citizen.api.ca import Ca
from libs.citizen.api.identity import Identity
from libs.citizen.api.kandas import Kandas
from libs.citizen.api.otp import Otp
from libs.citizen.api.services import Endpoints, Services
from libs.citizen.journey.progress import wait_until
from libs.common.contracts.http.biometrics import PictureLink, ReviewResult
from libs.common.contracts.http.identity import CitizenSession, JourneyTicket
from libs.common.contracts.http.kandas import DocumentPlace
from libs.common.contracts.kandas import DocumentKind, RefusalGround
from libs.common.core.values import utc_now
from libs.common.testing.harness import Surroundings
from services.biometrics.app import build as build_biometrics
from services.biometrics.settings import BiometricsSettings
from services.ca.app import build as build_ca
from services.ca.ceremony.steps import perform
from services.ca.settings import Settings as CaSettings
from services.otp.app import build as build_otp
from services.otp.settings import Settings as OtpSettings
from tests.contract.operations import HeldTo, Operation, Operations
from tests.unit.ca.hierarchies import KEYSTORE_PASSPHRASE, config, keystore
from tests.unit.citizen.factories import IIN, Authority, make_authority
from tests.unit.citizen.harness import FORM, SERVICES, SHORT_LIMITS, CitizenRun, ScriptedCitizen, applied
from tests.unit.citizen.kandas_stub import STAFF
from tests.unit.citizen.stubs import CODE, PIN, StubServices
from tests.unit.identity.harness import running as running_identity
from tests.unit.kandas.harness import Installation

ENDPOINTS = Endpoints.model_validate({name: f"http://{name}" for name in SERVICES})
CLIENTS = {"identity": Identity, "otp": Otp, "biometrics": Biometrics, "ca": Ca, "kandas": Kandas}
WHEN = "2026-03-02T09:30:00Z"
JOURNEY = "00000000-0000-4000-8000-000000000001"
TICKET = JourneyTicket.model_validate({"journey_id": JOURNEY, "token": "t", "expires_at": WHEN})
SESSION = CitizenSession.model_validate({"token": "t", "citizen_id": JOURNEY, "expires_at": WHEN})
LINK = PictureLink.model_validate({"part": "selfie", "url": "/v1/reviews/pictures/abc", "expires_at": WHEN})
PHOTO = Upload(b"photo", "image/jpeg")
CALLS: dict[str, Callable[[Services], Awaitable[object]]] = {
    "identity.start": lambda s: s.identity.start(IIN, "+77011234567", "a@example.kz"),
    "identity.renew": lambda s: s.identity.renew(SESSION, "+77011234567", None, JOURNEY),
    "identity.journey": lambda s: s.identity.journey(TICKET),
    "identity.create_digital_id": lambda s: s.identity.create_digital_id(TICKET, PIN),
    "identity.cancel": lambda s: s.identity.cancel(TICKET),
    "identity.sign_in": lambda s: s.identity.sign_in(IIN, PIN),
    "identity.cabinet": lambda s: s.identity.cabinet(SESSION),
    "identity.request_revocation": lambda s: s.identity.request_revocation(SESSION, "ab12", "keyCompromise"),
    "otp.verify": lambda s: s.otp.verify(TICKET, CODE),
    "otp.resend": lambda s: s.otp.resend(TICKET),
    "otp.development_inbox": lambda s: s.otp.development_inbox(JOURNEY),
    "biometrics.capture": lambda s: s.biometrics.capture(TICKET),
    "biometrics.upload": lambda s: s.biometrics.upload(TICKET, Part.SELFIE, PHOTO, "n"),
    "biometrics.pre_check": lambda s: s.biometrics.pre_check(TICKET, b"photo"),
    "biometrics.reviews": lambda s: s.biometrics.reviews("t"),
    "biometrics.review": lambda s: s.biometrics.review("t", JOURNEY),
    "biometrics.picture": lambda s: s.biometrics.picture("t", LINK),
    "biometrics.decide_review": lambda s: s.biometrics.decide_review("t", JOURNEY, match=True, reason="same_person"),
    "ca.enrol": lambda s: s.ca.enrol(TICKET, "csr", "csr", JOURNEY, signature=b"cms"),
    "ca.certificates": lambda s: s.ca.certificates(TICKET),
    "ca.root": lambda s: s.ca.root(),
    "ca.chain": lambda s: s.ca.chain(),
    "ca.crl": lambda s: s.ca.crl("issuing", 1),
    "ca.revoke": lambda s: s.ca.revoke("t", "ab12", "keyCompromise"),
    "ca.revoke_signed": lambda s: s.ca.revoke_signed(b"request", b"cms"),
    "kandas.open": lambda s: s.kandas.open(SESSION, FORM, JOURNEY),
    "kandas.attach": lambda s: s.kandas.attach(SESSION, JOURNEY, "p1", "photo", PHOTO),
    "kandas.document": lambda s: s.kandas.document(SESSION, JOURNEY),
    "kandas.sign": lambda s: s.kandas.sign(SESSION, JOURNEY, b"cms"),
    "kandas.application": lambda s: s.kandas.application(SESSION, JOURNEY),
    "kandas.decision_pdf": lambda s: s.kandas.decision_pdf(SESSION, JOURNEY, "p1"),
    "kandas.queue": lambda s: s.kandas.queue("t"),
    "kandas.officer_view": lambda s: s.kandas.officer_view("t", JOURNEY),
    "kandas.officer_attachment": lambda s: s.kandas.officer_attachment("t", JOURNEY, "p1", "photo"),
    "kandas.send_back": lambda s: s.kandas.send_back(
        "t", JOURNEY, [DocumentPlace(person="p1", kind=DocumentKind.PHOTO)]
    ),
    "kandas.decide": lambda s: s.kandas.decide(
        "t", JOURNEY, "p1", "refused", reasons=(RefusalGround.FALSE_DATA,), idempotency_key=JOURNEY
    ),
}
"""One call of each method of each client."""
CONTENT = (bytes, Upload, type(None), *(get_type_hints(each)["return"] for each in (Ca.root, Ca.chain)))
"""What is read of an answer without a form, or of none."""
READ = {"biometrics.decide_review": ReviewResult}
"""What is read of an answer, where the method returns a part of it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operations(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Operations]:
    around, folder = Surroundings(), tmp_path_factory.mktemp("ca")
    perform(config(folder), keystore(folder), utc_now())
    around.clock.now = utc_now()
    ca: dict[str, Any] = {
        "directory": folder,
        "keystore_passphrase": KEYSTORE_PASSPHRASE,
        "base_url": "http://pki.test.kz/pki",
    }
    models = Path(__file__).parents[2] / "var" / "models"
    installation = Installation(tmp_path_factory.mktemp("kandas"), make_authority(), around)
    async with AsyncExitStack() as running:
        enter = running.enter_async_context
        harnesses = {
            "identity": (await enter(running_identity(around))).service,
            "otp": await enter(around.run("otp", build_otp, OtpSettings)),
            "biometrics": await enter(around.run("biometrics", build_biometrics, BiometricsSettings, models=models)),
            "ca": await enter(around.run("ca", build_ca, CaSettings, **ca)),
            "kandas": (await enter(installation.run())).harness,
        }
        yield Operations.of({name: harness.app.http for name, harness in harnesses.items()})


class RequestSentError(Exception):
    """A request kept to the declaration of its operation."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation.name)
        self.operation = operation


async def sent(operations: Operations, name: str) -> Operation:
    """Make a call as far as its request, and return the operation that would answer it."""

    async def stop(request: httpx.Request) -> httpx.Response:
        operation = operations.find(request)
        operation.check_request(request)
        raise RequestSentError(operation)

    async with Services.connect(ENDPOINTS, transport=httpx.MockTransport(stop)) as services:
        with pytest.raises(RequestSentError) as caught:
            await CALLS[name](services)
    return caught.value.operation


def test_every_call_of_every_client_is_in_the_table() -> None:
    methods = {
        f"{service}.{name}"
        for service, client in CLIENTS.items()
        for name, method in inspect.getmembers(client, inspect.iscoroutinefunction)
    }
    assert methods == set(CALLS)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CALLS)
async def test_what_the_client_sends_and_reads_is_what_a_service_declares(name: str, operations: Operations) -> None:
    operation = await sent(operations, name)
    service, _, method = name.partition(".")
    read = READ.get(name) or get_type_hints(getattr(CLIENTS[service], method))["return"]
    answered: Any = operation.route.response_model
    if read not in CONTENT:
        assert answered == read or issubclass(answered, read), operation.name


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


def held(operations: Operations, stub: StubServices, person: ScriptedCitizen) -> tuple[CitizenRun, HeldTo]:
    transport = HeldTo(operations, httpx.ASGITransport(stub.app))
    return CitizenRun(stub, person, transport=transport), transport


@pytest.mark.asyncio(loop_scope="module")
async def test_the_stubs_answer_a_signature_and_an_application_as_services_do(
    operations: Operations, authority: Authority
) -> None:
    run, transport = held(operations, StubServices(authority), ScriptedCitizen())
    await applied(run, await run.eds())
    assert {each.service for each in transport.met} == set(SERVICES)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_stubs_refuse_as_services_do(operations: Operations, authority: Authority) -> None:
    person = ScriptedCitizen(codes=["l23456", "111111", "000000", "", CODE], pins=["111111", PIN], passport=True)
    run, transport = held(operations, StubServices(authority, face=["open", "matched"]), person)
    await run.eds()
    assert run.pending.load() is not None
    assert transport.met


@pytest.mark.asyncio(loop_scope="module")
async def test_the_stubs_answer_clerks_and_officers_as_services_do(
    operations: Operations, authority: Authority
) -> None:
    run, transport = held(operations, StubServices(authority, face=["review"]), ScriptedCitizen())
    way = asyncio.create_task(run.eds())
    async with run.services() as services:
        [review] = await wait_until(
            lambda: services.biometrics.reviews(STAFF), bool, seconds=lambda _: 10, waiting=SHORT_LIMITS
        )
        case = await services.biometrics.review(STAFF, review.journey_id)
        await services.biometrics.picture(STAFF, case.links[0])
        await services.biometrics.decide_review(STAFF, review.journey_id, match=True, reason="same_person")
        await services.otp.development_inbox(review.journey_id)
        application_id, _ = await applied(run, await way)
        await services.kandas.officer_view(STAFF, application_id)
        await services.kandas.officer_attachment(STAFF, application_id, "p1", "photo")
        await services.kandas.send_back(STAFF, application_id, [DocumentPlace(person="p1", kind=DocumentKind.PHOTO)])
        session = await services.identity.sign_in(IIN, PIN)
        await services.kandas.application(session, application_id)
        await services.identity.cabinet(session)
        await services.identity.renew(session, "+77011234567", None, JOURNEY)
    assert {"POST /v1/renewals", "GET /v1/reviews"} <= {each.name.partition(": ")[2] for each in transport.met}
