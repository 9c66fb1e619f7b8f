"""The citizen's ways over all services, with everything that can come in between."""

import asyncio
import base64
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part, Review
from libs.citizen.api.identity import JourneyTicket
from libs.citizen.api.kandas import ApplicationForm, MemberForm, PersonForm
from libs.citizen.caller import Patience
from libs.citizen.enrolment import Eds, MemoryDrawer
from libs.citizen.errors import (
    AnswerUnusable,
    JourneyEnded,
    KeystoreError,
    ProblemError,
    RequestsRefused,
    WaitedTooLong,
)
from libs.citizen.folder import FolderDrawer
from libs.citizen.journey import Applicant, CaptureTask, EdsJourney, start
from libs.citizen.kandas import KandasJourney
from libs.citizen.keys import KeyKind, PrivateKey, make_key
from libs.citizen.keystore import unpack
from libs.citizen.progress import Progress, Waiting, wait_until
from libs.citizen.services import Endpoints, Services
from libs.citizen.signing import signer
from libs.common.errors import Refused
from tests.unit.citizen.authority import IIN, PASSWORD, Authority, make_authority
from tests.unit.citizen.town import CODE, PIN, STAFF, Town

HASTY = Waiting(machines=3, people=3, first=0.001, longest=0.002)
TOWN = "http://town"
AUTHORITY = make_authority()
ME = Applicant(IIN, "+77011234567", "aigul@example.kz")


APPLICANT = PersonForm(
    iin=IIN, surname="Тестова", given_name="Айгуль", birth_date=date(1983, 7, 17), citizenship="CN",
    origin_country="CN", document_number="E12345678",
)  # fmt: skip
MEMBERS = tuple(
    MemberForm(
        surname="Тестов", given_name=name, birth_date=born, citizenship="CN", origin_country="CN",
        document_number="E87654321", relation=relation,
    )
    for name, born, relation in (("Болат", date(1980, 1, 5), "spouse"), ("Дана", date(2010, 9, 1), "child"))
)  # fmt: skip
FORM = ApplicationForm(service="grant", region="almaty", applicant=APPLICANT, family=MEMBERS)


@dataclass
class Scripted:
    """A person who answers from lists, and the last answer for ever."""

    codes: list[str] = field(default_factory=lambda: [CODE])
    pins: list[str] = field(default_factory=lambda: [PIN])
    tasks: list[CaptureTask] = field(default_factory=list)
    passport: bool = False

    async def code(self, journey_id: str) -> str:
        assert journey_id
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]

    async def captures(self, task: CaptureTask) -> Mapping[Part, Upload]:
        self.tasks.append(task)
        parts = task.parts_with_passport if self.passport else task.parts
        return {part: Upload(f"{part} {len(self.tasks)}".encode(), "image/jpeg") for part in parts}

    async def pin(self) -> str:
        return self.pins.pop(0) if len(self.pins) > 1 else self.pins[0]


@dataclass
class Run:
    """One citizen's run against a town, and what was shown."""

    town: Town
    person: Scripted = field(default_factory=Scripted)
    drawer: MemoryDrawer | FolderDrawer = field(default_factory=MemoryDrawer)
    kind: KeyKind = KeyKind.EC_P256
    waiting: Waiting = HASTY
    transport: httpx.AsyncBaseTransport | None = None
    shown: list[Progress] = field(default_factory=list)
    ticket: JourneyTicket | None = None

    def services(self) -> AbstractAsyncContextManager[Services]:
        endpoints = Endpoints(identity=TOWN, otp=TOWN, biometrics=TOWN, ca=TOWN, kandas=TOWN)
        transport = self.transport or httpx.ASGITransport(self.town.app)
        return Services.connect(endpoints, Patience(total=5, first=0.001, longest=0.002), transport)

    async def eds(self) -> Eds:
        """Go the whole way, from the beginning or from where the last run stopped."""
        async with self.services() as services:
            self.ticket = self.ticket or await start(services, ME, self.shown.append)
            journey = EdsJourney(
                services, self.ticket, self.person, self.shown.append, self.drawer, self.kind, self.waiting
            )
            return await journey.complete()

    @property
    def keys(self) -> list[str]:
        return [progress.key for progress in self.shown]


@dataclass
class Lossy(httpx.AsyncBaseTransport):
    """Loses requests on their way, or answers on theirs, as `fates` say; then all goes well."""

    inner: httpx.ASGITransport
    fates: list[str]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fate = self.fates.pop(0) if self.fates else "fine"
        if fate == "request lost":
            raise httpx.ConnectError("nobody there", request=request)
        answer = await self.inner.handle_async_request(request)
        if fate == "answer lost":
            await answer.aread()
            raise httpx.ReadError("connection reset", request=request)
        return answer


@pytest.fixture
def town(authority: Authority) -> Town:
    return Town(authority)


@pytest.mark.parametrize("kind", [KeyKind.EC_P256, KeyKind.RSA_2048])
async def test_a_citizen_gets_two_certificates_for_keys_made_here(town: Town, kind: KeyKind) -> None:
    run = Run(town, kind=kind)
    eds = await run.eds()
    assert eds.sign.certificate is not None
    assert eds.auth.certificate is not None
    assert [eds.sign.certificate, eds.auth.certificate] == town.issued
    assert eds.sign.certificate.public_key() == eds.sign.key.public_key()
    assert eds.auth.certificate.public_key() == eds.auth.key.public_key()
    assert eds.sign.key_id != eds.auth.key_id
    assert eds.sign.chain == eds.auth.chain == town.authority.chain


async def test_the_citizen_is_shown_every_step_once_and_in_order(town: Town) -> None:
    run = Run(town)
    await run.eds()
    assert run.keys == [
        "mcb.not_registered", "journey.started", "otp.verified", "captures.sent", "face.matched", "digital_id.created",
        "keys.made", "requests.sent", "cert.issued", "cert.issued", "journey.closed", "certificates.received",
    ]  # fmt: skip
    assert all(progress.text and progress.text != progress.key for progress in run.shown)


async def test_a_mistyped_and_a_late_code_may_be_followed_by_the_right_one(town: Town) -> None:
    run = Run(town, Scripted(codes=["111111", "000000", CODE]))
    await run.eds()
    [journey] = town.journeys.values()
    assert journey.codes == ["111111", "000000", CODE]
    wrong = next(progress for progress in run.shown if progress.key == "otp.wrong_code")
    assert wrong.text == "That is not the code of the last SMS. Tries left: 2."
    assert "otp.sent" in run.keys  # a new code was asked for after the late one


async def test_another_code_can_be_asked_for_and_letters_cost_no_try(town: Town) -> None:
    run = Run(town, Scripted(codes=["l23456", "", CODE]))
    await run.eds()
    assert "otp.sent" in run.keys
    assert "code.malformed" in run.keys


async def test_used_up_tries_end_in_the_services_words_with_the_time_to_come_back(town: Town) -> None:
    with pytest.raises(ProblemError) as refused:
        await Run(town, Scripted(codes=["111111"])).eds()
    assert refused.value.key == "otp.tries_used_up"
    assert refused.value.extras == {"retry_at": "2026-03-02T09:45:00Z"}


async def test_with_a_passport_its_page_is_sent_in_place_of_a_cards_sides(authority: Authority) -> None:
    run = Run(Town(authority, face=["open", "matched"]), Scripted(passport=True))
    await run.eds()
    (journey,) = run.town.journeys.values()
    assert journey.sent == ["selfie", "clip", "document_page"] * 2


async def test_a_failed_face_check_is_tried_again_with_guidance(authority: Authority) -> None:
    run = Run(Town(authority, face=["open", "open", "matched"]))
    await run.eds()
    first, second, third = run.person.tasks
    assert first.guidance == ()
    assert second.guidance == third.guidance == ("selfie.too_dark",)
    assert (first.tries_left, second.tries_left, third.tries_left) == (5, 4, 3)
    assert first.challenge == ("left", "blink")
    assert run.keys.count("face.try_again") == 2


async def test_a_grey_case_waits_for_the_clerk(authority: Authority) -> None:
    town = Town(authority, face=["review"])
    run = Run(town)
    way = asyncio.create_task(run.eds())
    async with run.services() as services:
        review = await _first_review(services)
        assert not way.done()
        await services.biometrics.decide_review(STAFF, review.journey_id, match=True, reason="same_person")
    assert (await way).sign.certificate in town.issued
    assert "face.review_requested" in run.keys


async def _first_review(services: Services) -> Review:
    reviews = await wait_until(
        lambda: services.biometrics.reviews(STAFF), bool, seconds=lambda _: HASTY.machines, waiting=HASTY
    )
    return reviews[0]


async def test_the_clerks_no_ends_the_journey_with_its_reason(authority: Authority) -> None:
    run = Run(Town(authority, face=["open", "review"]))
    way = asyncio.create_task(run.eds())
    async with run.services() as services:
        review = await _first_review(services)
        await services.biometrics.decide_review(STAFF, review.journey_id, match=False, reason="other_person")
    with pytest.raises(JourneyEnded) as ended:
        await way
    assert ended.value.key == "journey.face_rejected"
    assert run.town.issued == []


async def test_a_final_rejection_ends_the_journey_with_its_reason(authority: Authority) -> None:
    run = Run(Town(authority, face=["open", "rejected"]))
    with pytest.raises(JourneyEnded) as ended:
        await run.eds()
    assert ended.value.key == "journey.face_rejected"
    assert run.town.issued == []


async def test_a_pin_that_is_too_simple_is_chosen_anew(town: Town) -> None:
    run = Run(town, Scripted(pins=["111111", PIN]))
    await run.eds()
    assert "pin.too_simple" in run.keys


async def test_waiting_ends_where_nothing_comes(authority: Authority) -> None:
    run = Run(Town(authority, face=["review"]), waiting=Waiting(machines=3, people=0.05, first=0.001, longest=0.002))
    with pytest.raises(WaitedTooLong):
        await run.eds()
    assert "face.review_requested" in run.keys  # the rest did come


async def test_requests_that_are_turned_down_later_cost_their_keys_and_the_next_try_succeeds(town: Town) -> None:
    town.refuse_requests = "csr.key_in_use"
    run = Run(town)
    with pytest.raises(RequestsRefused) as refused:
        await run.eds()
    assert refused.value.key == "csr.key_in_use"
    assert run.drawer.recall() is None
    eds = await run.eds()
    assert [eds.sign.certificate, eds.auth.certificate] == town.issued


async def test_requests_that_are_refused_at_once_cost_their_keys_too(town: Town) -> None:
    def refuse(_: x509.CertificateSigningRequest, __: str) -> x509.Certificate:
        raise Refused("csr.key_size", "The key is too weak.", 422)

    town.answer_certificate = refuse
    run = Run(town)
    with pytest.raises(ProblemError, match="too weak"):
        await run.eds()
    assert run.drawer.recall() is None


async def test_a_certificate_for_another_key_is_not_accepted(authority: Authority) -> None:
    def swap(_: x509.CertificateSigningRequest, __: str) -> x509.Certificate:
        return authority.certify(make_key().public_key())

    with pytest.raises(AnswerUnusable) as refused:
        await Run(Town(authority, answer_certificate=swap)).eds()
    assert refused.value.key == "certificate.not_ours"


async def test_a_certificate_of_another_authority_is_not_accepted(authority: Authority) -> None:
    stranger = make_authority()  # of the very same names

    def forge(request: x509.CertificateSigningRequest, _: str) -> x509.Certificate:
        return stranger.certify(request.public_key())  # type: ignore[arg-type]  # any key here

    with pytest.raises(AnswerUnusable) as refused:
        await Run(Town(authority, answer_certificate=forge)).eds()
    assert refused.value.key == "certificate.bad_chain"


@pytest.mark.parametrize("loss", ["request lost", "answer lost"])
def test_losing_any_single_request_or_its_answer_changes_nothing(loss: str) -> None:
    place = 0
    while True:
        fates = ["fine"] * place + [loss]
        town = Town(AUTHORITY)
        eds = asyncio.run(Run(town, transport=Lossy(httpx.ASGITransport(town.app), fates)).eds())
        assert [eds.sign.certificate, eds.auth.certificate] == town.issued, place
        assert len(town.journeys) == 1, place
        if fates:  # the journey was over before it came to that
            break
        place += 1
    assert place > 20  # each step of the journey was met


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["fine", "request lost", "answer lost"]), max_size=60))
def test_whatever_is_lost_on_the_way_two_certificates_are_issued(fates: list[str]) -> None:
    town = Town(AUTHORITY)
    run = Run(town, transport=Lossy(httpx.ASGITransport(town.app), fates))
    asyncio.run(run.eds())
    assert len(town.issued) == 2
    assert len(town.journeys) == 1


class Killed(BaseException):
    """The end of the program, at a place that no `except Exception` sees."""


@dataclass
class Killing(httpx.AsyncBaseTransport):
    """Kills the program after so many answers have come."""

    inner: httpx.ASGITransport
    lives: int

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        self.lives -= 1
        if self.lives == 0:
            raise Killed
        return answer


def test_a_program_killed_anywhere_goes_on_where_the_journey_stands() -> None:
    lives, killed = 1, True
    while killed:
        town = Town(AUTHORITY)
        run = Run(town, transport=Killing(httpx.ASGITransport(town.app), lives))
        try:
            eds = asyncio.run(run.eds())
            killed = False
        except Killed:
            eds = asyncio.run(run.eds())
        assert [eds.sign.certificate, eds.auth.certificate] == town.issued, lives
        lives += 1
    assert lives > 20  # each step of the journey was met


async def test_keys_survive_in_the_folder_under_the_password(town: Town, tmp_path: Path) -> None:
    drawer = FolderDrawer(tmp_path, PASSWORD, rounds=1000)
    eds = await Run(town, drawer=drawer).eds()
    again = FolderDrawer(tmp_path, PASSWORD).recall()
    assert again is not None
    assert again.sign.public_key() == eds.sign.key.public_key()
    with pytest.raises(KeystoreError):
        FolderDrawer(tmp_path, PASSWORD + "x").recall()

    stores = drawer.finish(eds)
    assert set(_files(tmp_path)) == {path.name for path in stores}  # no pending keys are left
    assert unpack(stores[0].read_bytes(), PASSWORD).certificate == eds.sign.certificate


async def test_certificates_without_their_keys_are_recognised_as_lost(town: Town) -> None:
    run = Run(town)
    await run.eds()
    run.drawer = MemoryDrawer()
    with pytest.raises(KeystoreError) as lost:
        await run.eds()
    assert lost.value.key == "keys.lost"


@pytest.mark.parametrize("kind", [KeyKind.EC_P256, KeyKind.RSA_2048])
async def test_no_private_key_or_its_password_ever_travels(town: Town, kind: KeyKind, tmp_path: Path) -> None:
    """Everything sent in both journeys is searched for the keys in each form a mistake could give them."""
    run = Run(town, kind=kind, drawer=FolderDrawer(tmp_path, PASSWORD, rounds=1000))
    eds = await run.eds()
    await _apply(run, eds)
    sent = b"\n".join(town.received)
    assert b"BEGIN CERTIFICATE REQUEST" in sent  # the search looks at what it should
    for holding in (eds.sign, eds.auth):
        for needle in _traces(holding.key):
            assert needle not in sent
    stores = [content for name, content in _files(tmp_path).items() if name.endswith(".p12")]
    assert len(stores) == 2
    for secret in (b"PRIVATE KEY", PASSWORD.encode(), *stores, *map(base64.b64encode, stores)):
        assert secret not in sent


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _traces(key: PrivateKey) -> set[bytes]:
    """Give what would give a key away: its secret numbers and encodings, each raw, in hexadecimal and in Base64."""
    numbers = key.private_numbers()
    secrets = (
        [numbers.p, numbers.q, numbers.d] if isinstance(numbers, rsa.RSAPrivateNumbers) else [numbers.private_value]
    )
    raw = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in secrets]
    forms = (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
    raw += [key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()) for form in forms]
    hexadecimal = [part.hex().encode() for part in raw]
    # Base64 of the same bytes has three forms, by where in a group of three they begin
    shifted = [base64.b64encode(b"x" * shift + part)[4:-4] for part in raw for shift in range(3)]
    return {*raw, *hexadecimal, *(part.upper() for part in hexadecimal), *shifted}


async def test_a_family_applies_is_decided_about_and_has_its_documents(town: Town) -> None:
    run = Run(town)
    eds = await run.eds()
    application_id, documents = await _apply(run, eds)
    assert documents == {f"p{number}": f"%PDF-1.7 p{number}".encode() for number in (1, 2, 3)}
    application = town.applications[application_id]
    assert application.attachments["p2", "photo"] == "photo of Болат".encode()
    assert {"application.begun", "attachments.sent", "application.signed"} <= set(run.keys)


async def _apply(run: Run, eds: Eds) -> tuple[str, dict[str, bytes]]:
    async def photo(person: PersonForm, kind: str) -> Upload:
        return Upload(f"{kind} of {person.given_name}".encode(), "image/jpeg")

    async with run.services() as services:
        session = await services.identity.sign_in(IIN, PIN)
        journey = KandasJourney(services, session, run.shown.append, HASTY)
        submitted = await journey.apply(FORM, photo, signer(eds.sign))
        assert submitted.document == run.town.applications[submitted.application_id].document
        [waiting] = await services.kandas.queue(STAFF)
        for person in ("p1", "p2", "p3"):
            await services.kandas.decide(STAFF, waiting.application_id, person, "granted")
        view = await journey.follow(submitted.application_id)
        return submitted.application_id, await journey.documents(view)
