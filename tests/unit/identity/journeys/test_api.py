"""What a citizen's browser sends about a journey, and what it is answered."""

from uuid import uuid4

import httpx
import pytest

from libs.common.contracts.identity import JourneyStarted
from tests.unit.identity.factories import (
    DAY,
    IIN,
    MATCHED,
    MINUTE,
    PHONE,
    PIN,
    VERIFIED,
    code_refused,
    face_refused,
    issued,
    request_refused,
)
from tests.unit.identity.harness import FORM, IdentityHarness


async def test_a_start_sent_again_is_answered_the_same_and_begins_one_journey(identity: IdentityHarness) -> None:
    key = str(uuid4())
    first, second = await identity.start(key=key), await identity.start(key=key)
    assert first.json() == second.json()
    assert first.json().keys() == {"journey_id", "token", "mcb_registered", "expires_at"}
    assert first.json()["mcb_registered"] is False
    assert len(identity.rows["journeys"].rows) == 1


async def test_the_phone_is_normalised_and_a_pair_that_the_base_holds_is_recognised(
    identity: IdentityHarness,
) -> None:
    identity.mcb.held.add((IIN, PHONE))
    assert (await identity.start()).json()["mcb_registered"] is True


@pytest.mark.parametrize(
    ("change", "status", "key"),
    [
        ({"iin": "850412399016"}, 422, "iin.malformed"),
        ({"iin": "85041239901"}, 422, "iin.malformed"),
        ({"iin": "830717350867"}, 404, "iin.unknown"),
        ({"phone": "+1 212 555 0100"}, 422, "phone.malformed"),
        ({"email": "nobody"}, 422, "email.malformed"),
    ],
)
async def test_wrong_data_are_answered_with_a_key_and_never_repeated(
    identity: IdentityHarness, change: dict[str, str], status: int, key: str
) -> None:
    answer = await identity.start(FORM | change)
    assert (answer.status_code, answer.json()["key"]) == (status, key)
    assert next(iter(change.values())) not in answer.text


@pytest.mark.parametrize("phone", ["+۷ ۷۰۱ ۰۰۰ ۰۰ ۱۲", "٨ ٧٠١ ٠٠٠ ٠٠ ١٢", "７０１０００００１２"])
async def test_digits_of_other_scripts_are_the_same_phone_and_the_same_person(
    identity: IdentityHarness, phone: str
) -> None:
    identity.mcb.held.add((IIN, PHONE))
    answers = [await identity.start(), await identity.start({"iin": " ۸۵۰۴۱۲۳۹۹۰۱۵ ", "phone": phone})]
    assert [each.json()["mcb_registered"] for each in answers] == [True, True]
    first, second = (each.event for each in identity.service.published(JourneyStarted))
    assert (first.person_ref, first.phone_ref) == (second.person_ref, second.phone_ref)
    assert second.contact.value.phone == PHONE


async def test_an_empty_e_mail_is_none(identity: IdentityHarness) -> None:
    assert (await identity.start(FORM | {"email": ""})).status_code == 201
    (started,) = identity.service.published(JourneyStarted)
    assert started.event.contact.value.email is None


async def test_somebody_with_one_name_begins_a_journey(identity: IdentityHarness) -> None:
    identity.register.changes = {"surname": "", "given_name": "САКЕН", "patronymic": ""}
    await identity.begin()
    (started,) = identity.service.published(JourneyStarted)
    assert started.event.person.value.full_name == "САКЕН"


async def test_a_register_that_is_away_asks_to_come_back_and_the_same_request_then_succeeds(
    identity: IdentityHarness,
) -> None:
    identity.register.away, key = True, str(uuid4())
    answer = await identity.start(key=key)
    assert (answer.status_code, answer.json()["key"]) == (503, "service.unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    identity.register.away = False
    assert (await identity.start(key=key)).status_code == 201


async def test_a_journey_shows_step_by_step_whom_it_waits_for(identity: IdentityHarness) -> None:
    mine = await identity.begin()
    shown = await mine.show()
    assert (shown["step"], shown["waits_for"], shown["outcome"], shown["citizen_id"]) == (
        "code",
        "citizen.code",
        None,
        None,
    )
    assert shown.keys() == {
        *("journey_id", "step", "waits_for", "waits_until", "outcome", "reason", "timeline"),
        *("citizen_id", "guidance", "tries_left", "certificates"),
        *("waits_for_text", "reason_text", "guidance_text"),
    }
    await identity.receive(VERIFIED, mine.id)
    await identity.receive(face_refused(3), mine.id)
    shown = await mine.show()
    assert (shown["step"], shown["tries_left"], shown["guidance"]) == ("face", 3, ["selfie.blurred"])
    await identity.receive(MATCHED, mine.id)
    assert (await mine.show())["step"] == "pin"
    citizen_id = await mine.choose_pin()
    assert (await mine.show())["waits_for"] == "citizen.requests"
    await identity.receive(issued("SIGN", citizen_id=citizen_id), mine.id)
    await identity.receive(issued("AUTH", citizen_id=citizen_id), mine.id)
    shown = await mine.show()
    assert (shown["step"], shown["outcome"], shown["waits_for"], shown["waits_until"]) == (
        "closed",
        "completed",
        None,
        None,
    )
    assert shown["certificates"] == [
        {
            "serial": serial,
            "profile": profile,
            "not_after": "2027-03-02T12:00:00Z",
            "revoked": False,
            "expiring": False,
            "acts_for": None,
        }
        for serial, profile in (("aa01", "SIGN"), ("bb02", "AUTH"))
    ]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "ru",
            ("вы: введите код из SMS", "Срок действия кода истёк.", "Начато получение электронной цифровой подписи"),
        ),
        ("en", ("you: type the code", "The code was too old.", "Your journey to an electronic signature has begun.")),
        ("kk-Latn", ("sız:", "Kodtyñ", "Elektrondyq")),
    ],
)
async def test_each_key_that_is_shown_comes_with_words_in_the_language_of_the_caller(
    identity: IdentityHarness, language: str, words: tuple[str, str, str]
) -> None:
    mine = await identity.begin()
    await identity.receive(code_refused(), mine.id)
    mine.headers["Accept-Language"] = language
    view = await mine.view()
    shown = (view.waits_for_text, view.guidance_text[0], view.timeline[0].text)
    assert [text.startswith(each) for text, each in zip(shown, words, strict=True)] == [True] * 3, shown
    assert all(each.text for each in view.timeline)


async def test_a_request_that_the_authority_refused_is_named_in_words(identity: IdentityHarness) -> None:
    mine = await identity.proven()
    await mine.choose_pin()
    await identity.receive(request_refused(), mine.id)
    mine.headers["Accept-Language"] = "en"
    view = await mine.view()
    assert (view.guidance, view.guidance_text) == (("csr.key_size",), ("A certificate request was refused.",))
    await identity.service.advance(MINUTE)
    await identity.receive(request_refused(final=True), mine.id)
    closed = await mine.view()
    assert closed.reason_text == "No certificates could be issued."
    assert closed.guidance_text[0].startswith("Go to a public service centre")


async def test_a_timeline_only_grows_so_that_a_browser_can_count_on_what_it_showed(
    identity: IdentityHarness,
) -> None:
    identity.mcb.held.add((IIN, PHONE))
    mine = await identity.begin()
    seen: list[object] = []
    for fact in (MATCHED, VERIFIED, face_refused()):
        await identity.receive(fact, mine.id)
        timeline = (await mine.show())["timeline"]
        assert timeline[: len(seen)] == seen
        assert len(timeline) == max(2, len(seen) + 1)
        seen = timeline


async def test_a_digital_id_asked_for_twice_is_the_same(identity: IdentityHarness) -> None:
    mine, key = await identity.begin(), str(uuid4())
    assert (await mine.post("digital-id", {"pin": PIN}, key)).json()["key"] == "journey.face_missing"
    await identity.receive(VERIFIED, mine.id)
    await identity.receive(MATCHED, mine.id)
    assert (await mine.post("digital-id", {"pin": "123456"})).json()["key"] == "pin.too_simple"
    first, second = await mine.post("digital-id", {"pin": PIN}, key), await mine.post("digital-id", {"pin": PIN}, key)
    assert (first.status_code, first.json()) == (201, second.json())
    assert identity.topics(mine.id).count("digital_id.created") == 1


@pytest.mark.parametrize("pin", ["12345", "1234567", "12345a", ""])
async def test_a_pin_has_six_digits(identity: IdentityHarness, pin: str) -> None:
    answer = await (await identity.begin()).post("digital-id", {"pin": pin})
    assert (answer.status_code, answer.json()["key"]) == (422, "pin.malformed")


async def test_giving_up_is_taken_as_often_as_it_is_said(identity: IdentityHarness) -> None:
    mine = await identity.begin()
    assert [(await mine.post("cancel")).status_code for _ in range(2)] == [202, 202]
    shown = await mine.show()
    assert (shown["step"], shown["outcome"], shown["reason"]) == ("closed", "cancelled", "journey.cancelled")
    assert identity.topics(mine.id).count("journey.closed") == 1


async def test_a_journeys_token_opens_no_other_journey_and_no_cabinet(identity: IdentityHarness) -> None:
    mine, other = await identity.begin(), await identity.begin()
    answers = [
        await identity.http.get(f"/v1/journeys/{other.id}", headers=mine.headers),
        await identity.http.get("/v1/cabinet", headers=mine.headers),
        await identity.http.get(f"/v1/journeys/{mine.id}"),
    ]
    assert [(each.status_code, each.json()["key"]) for each in answers] == [
        (403, "token.wrong_subject"),
        (403, "token.wrong_role"),
        (401, "token.missing"),
    ]


async def test_a_journeys_token_ends_with_the_journeys_time(identity: IdentityHarness) -> None:
    mine = await identity.begin()
    identity.service.clock.advance(7 * DAY)
    answer = await identity.http.get(f"/v1/journeys/{mine.id}", headers=mine.headers)
    assert answer.json()["key"] == "token.expired"


async def test_iin_and_pin_open_the_cabinet(identity: IdentityHarness) -> None:
    mine = await identity.proven()
    citizen_id = await mine.choose_pin()
    await identity.receive(issued("SIGN", citizen_id=citizen_id), mine.id)
    session: httpx.Response = await identity.sign_in()
    assert session.status_code == 201
    mine_now = {"Authorization": f"Bearer {session.json()['token']}"}
    cabinet = (await identity.http.get("/v1/cabinet", headers=mine_now)).json()
    assert cabinet["citizen_id"] == citizen_id
    assert [each["serial"] for each in cabinet["certificates"]] == ["aa01"]
    assert cabinet["applications"] == []
