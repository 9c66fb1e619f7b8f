"""The citizen's ways over all services, with everything that can come in between."""

import asyncio

import pytest
from cryptography import x509

from libs.citizen.api.services import Services
from libs.citizen.errors import AnswerUnusable, JourneyEnded, ProblemError, RequestsRefused, WaitedTooLong
from libs.citizen.journey.progress import WaitLimits, wait_until
from libs.citizen.keys.private_keys import KeyAlgorithm, make_key
from libs.citizen.texts import catalogue
from libs.common.contracts.http.biometrics import ReviewSummary
from tests.unit.citizen.factories import Authority, make_authority
from tests.unit.citizen.harness import SHORT_LIMITS, CitizenRun, ScriptedCitizen, applied
from tests.unit.citizen.kandas_stub import STAFF
from tests.unit.citizen.refusals import StubRefused
from tests.unit.citizen.stubs import CODE, PIN, StubServices


@pytest.mark.parametrize("kind", [KeyAlgorithm.EC_P256, KeyAlgorithm.RSA_2048])
async def test_a_citizen_gets_two_certificates_for_keys_made_here(stub: StubServices, kind: KeyAlgorithm) -> None:
    run = CitizenRun(stub, kind=kind)
    eds = await run.eds()
    assert eds.sign.certificate is not None
    assert eds.auth.certificate is not None
    assert [eds.sign.certificate, eds.auth.certificate] == stub.issued
    assert eds.sign.certificate.public_key() == eds.sign.key.public_key()
    assert eds.auth.certificate.public_key() == eds.auth.key.public_key()
    assert eds.sign.key_id != eds.auth.key_id
    assert eds.sign.chain == eds.auth.chain == stub.authority.chain


async def test_the_citizen_is_shown_every_step_once_and_in_order(stub: StubServices) -> None:
    run = CitizenRun(stub)
    await run.eds()
    assert run.keys == [
        "mcb.not_registered", "journey.started", "otp.verified", "captures.sent", "face.matched", "digital_id.created",
        "keys.made", "requests.sent", "cert.issued", "cert.issued", "journey.closed", "certificates.received",
    ]  # fmt: skip
    assert all(progress.key in catalogue() for progress in run.shown)


async def test_a_mistyped_and_a_late_code_may_be_followed_by_the_right_one(stub: StubServices) -> None:
    run = CitizenRun(stub, ScriptedCitizen(codes=["111111", "000000", CODE]))
    await run.eds()
    [journey] = stub.journeys.values()
    assert journey.codes == ["111111", "000000", CODE]
    wrong = next(progress for progress in run.shown if progress.key == "otp.wrong_code")
    assert wrong.text == "Unprocessable Entity Tries left: 2."
    assert "otp.sent" in run.keys  # a new code was asked for after the late one


async def test_another_code_can_be_asked_for_and_letters_cost_no_try(stub: StubServices) -> None:
    run = CitizenRun(stub, ScriptedCitizen(codes=["l23456", "", CODE]))
    await run.eds()
    assert "otp.sent" in run.keys
    assert "code.malformed" in run.keys


async def test_used_up_tries_end_in_the_services_words_with_the_time_to_come_back(stub: StubServices) -> None:
    with pytest.raises(ProblemError) as refused:
        await CitizenRun(stub, ScriptedCitizen(codes=["111111"])).eds()
    assert refused.value.key == "otp.tries_used_up"
    assert refused.value.extras == {"retry_at": "2026-03-02T09:45:00Z"}


async def test_with_a_passport_its_page_is_sent_in_place_of_a_cards_sides(authority: Authority) -> None:
    run = CitizenRun(StubServices(authority, face=["open", "matched"]), ScriptedCitizen(passport=True))
    await run.eds()
    (journey,) = run.stub.journeys.values()
    assert journey.sent == ["selfie", "clip", "document_page"] * 2


async def test_a_failed_face_check_is_tried_again_with_guidance(authority: Authority) -> None:
    run = CitizenRun(StubServices(authority, face=["open", "open", "matched"]))
    await run.eds()
    first, second, third = run.person.tasks
    assert first.guidance == ()
    assert second.guidance == third.guidance == ("selfie.too_dark",)
    assert (first.tries_left, second.tries_left, third.tries_left) == (5, 4, 3)
    assert first.challenge == ("left", "blink")
    assert run.keys.count("face.try_again") == 2


async def test_a_grey_case_waits_for_the_clerk(authority: Authority) -> None:
    stub = StubServices(authority, face=["review"])
    run = CitizenRun(stub)
    way = asyncio.create_task(run.eds())
    async with run.services() as services:
        review = await _first_review(services)
        assert not way.done()
        await services.biometrics.decide_review(STAFF, review.journey_id, match=True, reason="same_person")
    assert (await way).sign.certificate in stub.issued
    assert "face.review_requested" in run.keys


async def _first_review(services: Services) -> ReviewSummary:
    reviews = await wait_until(
        lambda: services.biometrics.reviews(STAFF), bool, seconds=lambda _: SHORT_LIMITS.machines, waiting=SHORT_LIMITS
    )
    return reviews[0]


async def test_the_clerks_no_ends_the_journey_with_its_reason(authority: Authority) -> None:
    run = CitizenRun(StubServices(authority, face=["open", "review"]))
    way = asyncio.create_task(run.eds())
    async with run.services() as services:
        review = await _first_review(services)
        await services.biometrics.decide_review(STAFF, review.journey_id, match=False, reason="other_person")
    with pytest.raises(JourneyEnded) as ended:
        await way
    assert ended.value.key == "journey.face_rejected"
    assert run.stub.issued == []


async def test_a_final_rejection_ends_the_journey_with_its_reason(authority: Authority) -> None:
    run = CitizenRun(StubServices(authority, face=["open", "rejected"]))
    with pytest.raises(JourneyEnded) as ended:
        await run.eds()
    assert ended.value.key == "journey.face_rejected"
    assert run.stub.issued == []


async def test_a_pin_that_is_too_simple_is_chosen_anew(stub: StubServices) -> None:
    run = CitizenRun(stub, ScriptedCitizen(pins=["111111", PIN]))
    await run.eds()
    assert "pin.too_simple" in run.keys


async def test_waiting_ends_where_nothing_comes(authority: Authority) -> None:
    run = CitizenRun(
        StubServices(authority, face=["review"]),
        waiting=WaitLimits(machines=3, people=0.05, first=0.001, longest=0.002),
    )
    with pytest.raises(WaitedTooLong):
        await run.eds()
    assert "face.review_requested" in run.keys  # the rest did come


async def test_requests_that_are_turned_down_later_cost_their_keys_and_the_next_try_succeeds(
    stub: StubServices,
) -> None:
    stub.refuse_requests = "csr.key_in_use"
    run = CitizenRun(stub)
    with pytest.raises(RequestsRefused) as refused:
        await run.eds()
    assert (refused.value.key, refused.value.facts) == ("requests.refused", {"reason": "csr.key_in_use"})
    assert run.pending.load() is None
    eds = await run.eds()
    assert [eds.sign.certificate, eds.auth.certificate] == stub.issued


async def test_requests_that_are_refused_at_once_cost_their_keys_too(stub: StubServices) -> None:
    def refuse(_: x509.CertificateSigningRequest, __: str) -> x509.Certificate:
        raise StubRefused("csr.key_size", "The key is too weak.", 422)

    stub.answer_certificate = refuse
    run = CitizenRun(stub)
    with pytest.raises(ProblemError) as refused:
        await run.eds()
    assert refused.value.detail == "The key is too weak."
    assert run.pending.load() is None


async def test_a_certificate_for_another_key_is_not_accepted(authority: Authority) -> None:
    def swap(_: x509.CertificateSigningRequest, __: str) -> x509.Certificate:
        return authority.certify(make_key().public_key())

    with pytest.raises(AnswerUnusable) as refused:
        await CitizenRun(StubServices(authority, answer_certificate=swap)).eds()
    assert refused.value.key == "certificate.not_ours"


async def test_a_certificate_of_another_authority_is_not_accepted(authority: Authority) -> None:
    stranger = make_authority()  # of the very same names

    def forge(request: x509.CertificateSigningRequest, _: str) -> x509.Certificate:
        return stranger.certify(request.public_key())  # type: ignore[arg-type]  # any key here

    with pytest.raises(AnswerUnusable) as refused:
        await CitizenRun(StubServices(authority, answer_certificate=forge)).eds()
    assert refused.value.key == "certificate.bad_chain"


async def test_a_family_applies_is_decided_about_and_has_its_documents(stub: StubServices) -> None:
    run = CitizenRun(stub)
    eds = await run.eds()
    application_id, documents = await applied(run, eds)
    assert documents == {f"p{number}": f"%PDF-1.7 p{number}".encode() for number in (1, 2, 3)}
    application = stub.kandas.applications[application_id]
    assert application.attachments["p2", "photo"] == "photo of Болат".encode()
    assert {"application.begun", "attachments.sent", "application.signed"} <= set(run.keys)
