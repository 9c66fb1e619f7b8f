"""What auditors are answered, with real tokens."""

import hashlib
import json

import httpx
import structlog

from tests.unit.biometrics.clients import URL, key_of, staff
from tests.unit.biometrics.factories import CLOSED, DOCUMENT, JOURNEY, NUMBERS, OTHER, PERSON, STARTED, picture, taken
from tests.unit.biometrics.harness import Harness, World

AUDIT = "/v1/audit/face-checks"


async def test_an_auditor_reads_how_a_check_was_judged_and_by_whom_and_nothing_of_the_person(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.too_dark")})
    await harness.tried()
    await harness.viewed("selfie", "clerk-7")
    remark = f"{PERSON.surname} as in the file"
    await harness.decide(JOURNEY, matched=True, clerk="clerk-7", reason=remark)
    await harness.deliver(CLOSED)
    with structlog.testing.capture_logs() as logs:
        answer = await http.get(f"{AUDIT}/{JOURNEY}", headers=staff(world, "auditor", "auditor-1"))
    record = answer.json()
    assert (answer.status_code, record["state"]) == (200, "closed")
    assert [(each["band"], each["reasons"]) for each in record["tries"]] == [
        ("no_match", ["selfie.too_dark"]),
        ("review", []),
    ]
    assert record["tries"][1]["hashes"]["selfie"] == hashlib.sha256(taken("selfie")).hexdigest()
    assert record["tries"][1]["examined"]["selfie"]["model"] == "model-7"
    assert record["decisions"] == [{"clerk": "clerk-7", "matched": True, "at": "2026-03-02T12:00:00Z"}]
    assert [(each["clerk"], each["part"], each["times"]) for each in record["looks"]] == [("clerk-7", "selfie", 1)]
    assert set(record) == {"journey_id", "state", "tries", "decisions", "looks"}
    shown = answer.text + json.dumps(logs, default=str)
    for secret in (PERSON.iin, PERSON.surname, str(PERSON.given_name), DOCUMENT, remark, NUMBERS.decode()):
        assert secret not in shown
    assert [(each["auditor"], each["subject"]) for each in logs if each["event"] == "audit.read"] == [
        ("auditor-1", JOURNEY)
    ]


async def test_records_come_page_by_page_each_once_and_each_page_is_logged(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    journeys = [f"7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4{number:03x}" for number in range(7)]
    for journey in reversed(journeys):
        await harness.opened(journey)
    await harness.deliver(STARTED, OTHER)  # whose phone is not proven: nothing is on record
    seen, url = [], f"{AUDIT}?limit=3"
    with structlog.testing.capture_logs() as logs:
        while url:
            answer = await http.get(url, headers=staff(world, "auditor", "auditor-1"))
            seen.append([each["journey_id"] for each in answer.json()])
            url = answer.links.get("next", {}).get("url", "")
    assert [each for page in seen for each in page] == journeys
    read = [each for each in logs if each["event"] == "audit.read"]
    assert [(each["auditor"], each["after"], each["records"]) for each in read] == [
        ("auditor-1", after, len(page)) for after, page in zip([None, journeys[2], journeys[5]], seen, strict=True)
    ]


async def test_records_are_for_auditors_alone_who_do_nothing_else(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    await harness.opened()
    for url in (AUDIT, f"{AUDIT}/{JOURNEY}"):
        for headers in ({}, staff(world, "clerk"), staff(world, "officer")):
            assert key_of(await http.get(url, headers=headers)) == (403, "token.wrong_role")
        assert key_of(await http.get(url, headers={"Authorization": ""})) == (401, "token.missing")
    auditor = staff(world, "auditor")
    assert key_of(await http.get("/v1/reviews", headers=auditor)) == (403, "token.wrong_role")
    assert key_of(await http.get(URL, headers=auditor)) == (403, "token.wrong_role")
    assert key_of(await http.get(f"{AUDIT}/{OTHER}", headers=auditor)) == (404, "audit.unknown")
