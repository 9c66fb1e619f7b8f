"""The whole service in memory: from the event of a certificate to the sealed documents, and what a crash may hide."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.common.contracts.kandas import KandasOverdue, KandasSubmitted
from libs.common.testing.faults import Crash, Faults
from services.kandas.rules.working_days import end_of
from tests.unit.kandas.factories import APPLICANT
from tests.unit.kandas.harness import FONTS, Installation, KandasHarness

needs_fonts = pytest.mark.skipif(not FONTS.is_dir(), reason="the fonts are missing: install fonts-dejavu-core")
PERSONS = ("p1", "p2", "p3")


async def test_a_checked_application_comes_to_its_region_and_no_other(kandas: KandasHarness) -> None:
    application = await kandas.checked()

    assert (await kandas.view(application))["status"] == "checked"
    assert kandas.topics == ["kandas.submitted", "kandas.checked"]
    (item,) = (await kandas.officer_reads("")).json()
    assert (item["application_id"], item["undecided"]) == (application, list(PERSONS))
    assert (await kandas.officer_reads("", region="KZ-71")).json() == []
    for attempt in (
        kandas.officer_reads(f"/{application}", region="KZ-71"),
        kandas.officer_reads(f"/{application}/attachments/p1/photo", region="KZ-71"),
        kandas.decide(application, "p1", "granted", region="KZ-71"),
        kandas.send_back(application, "p1", "photo", region="KZ-71"),
    ):
        refused = await attempt
        assert (refused.status_code, refused.json()["key"]) == (404, "application.unknown")


@needs_fonts
async def test_a_family_gets_its_sealed_documents(kandas: KandasHarness, capfd: pytest.CaptureFixture[str]) -> None:
    application = await kandas.checked()
    seen = (await kandas.officer_reads(f"/{application}")).json()
    assert seen["people"][0]["form"]["surname"] == APPLICANT.surname
    assert seen["people"][0]["check"]["clear"]

    for person, outcome, reasons in (
        ("p1", "granted", ()),
        ("p2", "refused", ("refusal.not_conforming",)),
        ("p3", "granted", ()),
    ):
        assert (await kandas.decide(application, person, outcome, *reasons)).status_code == 202
    await kandas.harness.settle()

    shown = await kandas.view(application)
    assert shown["status"] == "decided"
    assert [person["outcome"] for person in shown["persons"]] == ["granted", "refused", "granted"]
    for person in shown["persons"]:
        await document_is_the_published_one(kandas, application, person)
    kept = kandas.harness.store.everything() + "".join(capfd.readouterr())
    assert not [word for word in (APPLICANT.iin, APPLICANT.surname, APPLICANT.document_number) if word in kept]


async def document_is_the_published_one(kandas: KandasHarness, application: str, person: dict[str, Any]) -> None:
    path = f"/v1/applications/{application}/persons/{person['person']}/document.pdf"
    pdf = (await kandas.harness.http.get(path, headers=kandas.citizen())).content
    public = (await kandas.harness.http.get(f"/v1/documents/{application}/{person['person']}")).json()

    assert hashlib.sha256(pdf).hexdigest() == public["document_sha256"] == person["document_sha256"]
    assert b"/ETSI.CAdES.detached" in pdf, "it bears a PAdES seal"
    assert APPLICANT.surname not in json.dumps(public, ensure_ascii=False)


async def test_another_citizen_finds_no_such_application(kandas: KandasHarness) -> None:
    application = await kandas.checked()
    stranger = kandas.citizen("somebody-else")
    for path in ("", "/document", "/persons/p1/document.pdf"):
        refused = await kandas.harness.http.get(f"/v1/applications/{application}{path}", headers=stranger)
        assert (refused.status_code, refused.json()["key"]) == (404, "application.unknown")


async def test_while_the_ministry_is_away_the_application_waits_and_becomes_overdue_once(kandas: KandasHarness) -> None:
    kandas.ministry.away = True
    application = await kandas.submitted()
    due_on = datetime.fromisoformat((await kandas.view(application))["due_on"]).date()

    for moment in (end_of(due_on) - timedelta(seconds=1), end_of(due_on), end_of(due_on) + timedelta(days=1)):
        kandas.harness.clock.now = moment  # not by `advance`: it would ask each minute
        await kandas.harness.settle()
    assert len(kandas.harness.published(KandasOverdue, application)) == 1
    assert (await kandas.view(application))["status"] == "submitted"

    kandas.ministry.away = False
    await kandas.harness.advance(timedelta(minutes=2))
    shown = await kandas.view(application)
    assert (shown["status"], shown["overdue"]) == ("checked", True)
    assert set(kandas.ministry.keys) == {f"{application}-1"}, "however often it is asked, under one key"
    assert len(kandas.harness.published(KandasOverdue, application)) == 1


async def test_a_revocation_sends_an_application_back_to_be_signed_again(kandas: KandasHarness) -> None:
    application = await kandas.checked()
    await kandas.certificate_revoked()

    back = await kandas.view(application)
    assert (back["status"], back["reason"], back["waits_for"]) == (
        "returned",
        "certificate.revoked",
        "citizen.signature",
    )
    again = await kandas.sign(application)
    assert (again.status_code, again.json()["key"]) == (422, "certificate.revoked")

    published = list(kandas.topics)
    await kandas.certificate_issued()
    await kandas.certificate_revoked()
    assert kandas.topics == published, "the same events again change nothing"


async def test_what_is_sent_back_for_is_named_in_words(kandas: KandasHarness) -> None:
    application = await kandas.checked()
    assert (await kandas.send_back(application, "p3", "photo")).status_code == 202

    back = await kandas.view(application)
    assert back["status_text"] == "The application came back to the applicant"
    assert back["reason_text"].startswith("Some documents are to be brought anew.")
    assert back["waits_for_text"] == "you: attach the documents that are missing"
    (needed,) = back["documents_needed"]
    assert (needed["person_text"], needed["kind_text"]) == ("Қайратқызы Нұрай (child)", "Photograph")
    assert back["timeline"][-1]["text"] == f"The application came back to you. {back['reason_text']}"
    russian = await kandas.view(application, "ru")
    assert russian["documents_needed"][0]["person_text"] == "Қайратқызы Нұрай (ребёнок)"


@needs_fonts
async def test_a_decision_is_shown_with_the_name_and_role_of_its_person(kandas: KandasHarness) -> None:
    application = await kandas.checked()
    await kandas.decide(application, "p2", "refused", "refusal.false_data")
    await kandas.harness.settle()

    shown = await kandas.view(application)
    assert shown["timeline"][-1]["text"] == "Kandas status was refused: Қайратқызы Айжан (spouse)."
    assert shown["timeline"][1]["text"] == "The application was accepted. A decision is due by 5 March 2026."
    texts = [person["outcome_text"] for person in shown["persons"]]
    assert texts == ["No decision yet", "Refused", "No decision yet"]
    assert shown["persons"][1]["reasons_text"] == ["Data or documents that were given are not true."]
    seen = (await kandas.officer_reads(f"/{application}")).json()
    assert (seen["people"][1]["role_text"], seen["region_text"]) == ("жұбайы", "Алматы қаласы")


async def test_no_decision_rests_on_a_revoked_certificate_wherever_a_process_ends(installation: Installation) -> None:
    """The process ends while it handles a revocation; an officer decides before the event is read again."""
    answers = set()
    for step in range(1, 12):
        installation.surroundings.stores.clear()
        async with installation.run() as kandas:
            application = await kandas.checked()
        with pytest.RaisesGroup(Crash, flatten_subgroups=True, allow_unwrapped=True):
            async with installation.run(Faults(step)) as kandas:
                await kandas.certificate_revoked()
        async with installation.run() as kandas:
            decided = await kandas.decide(application, "p1", "granted")
            answers.add((decided.status_code, decided.json().get("key")))
            await kandas.harness.settle()
            assert (await kandas.view(application))["status"] == "returned"
    assert answers == {(202, None), (409, "application.returned")}, "before the revocation was stored, and after it"


async def test_a_revocation_stored_before_the_check_is_noticed_and_the_ministry_not_asked(
    installation: Installation,
) -> None:
    noticed = 0
    for step in range(1, 12):
        installation.surroundings.stores.clear()
        installation.ministry.away = True
        async with installation.run() as kandas:
            application = await kandas.checked()
        installation.ministry.away = False
        with pytest.RaisesGroup(Crash, flatten_subgroups=True, allow_unwrapped=True):
            async with installation.run(Faults(step)) as kandas:
                await kandas.certificate_revoked()
        async with installation.run() as kandas:
            asked = len(kandas.ministry.keys)
            kandas.harness.clock.advance(timedelta(minutes=2))
            for timers in kandas.harness.app.timers:
                await timers.run_due()
            if (await kandas.view(application))["status"] == "returned":
                assert len(kandas.ministry.keys) == asked
                noticed += 1
            await kandas.harness.settle()
            assert (await kandas.view(application))["status"] == "returned"
    assert noticed, "some processes ended between the certificate and the application"


@needs_fonts
async def test_wherever_a_process_ends_each_decision_is_published_once_with_its_own_document(
    installation: Installation,
) -> None:
    for step in range(1, 20, 3):
        installation.surroundings.stores.clear()
        async with installation.run() as kandas:
            application = await kandas.checked()
            for person in PERSONS:
                await kandas.decide(application, person, "granted")
        with pytest.RaisesGroup(Crash, flatten_subgroups=True, allow_unwrapped=True):
            async with installation.run(Faults(step)) as kandas:
                await kandas.harness.settle()
        async with installation.run() as kandas:
            await kandas.harness.advance(timedelta(minutes=3))
            shown = await kandas.view(application)
            assert shown["status"] == "decided"
            published = [each.event for each in kandas.harness.all_published(application)]
            assert [event.topic for event in published].count("kandas.granted") == len(PERSONS)
            for person in shown["persons"]:
                await document_is_the_published_one(kandas, application, person)


async def test_a_submitted_application_is_checked_wherever_a_process_ends(installation: Installation) -> None:
    for step in range(1, 8):
        installation.surroundings.stores.clear()
        installation.ministry.keys.clear()
        async with installation.run() as kandas:
            application = await kandas.submitted()
        with pytest.RaisesGroup(Crash, flatten_subgroups=True, allow_unwrapped=True):
            async with installation.run(Faults(step)) as kandas:
                await kandas.harness.settle()
        async with installation.run() as kandas:
            await kandas.harness.advance(timedelta(minutes=3))
            assert (await kandas.view(application))["status"] == "checked"
            assert set(kandas.ministry.keys) == {f"{application}-1"}
            assert len(kandas.harness.published(KandasSubmitted, application)) == 1


async def test_an_unsigned_application_is_closed_and_leaves_no_blob_behind(kandas: KandasHarness) -> None:
    application = await kandas.complete()
    assert kandas.blobs

    await kandas.harness.advance(timedelta(days=30, seconds=1))

    over = await kandas.view(application)
    assert (over["status"], over["reason"], over["persons"]) == ("closed", "application.not_signed", [])
    assert kandas.blobs == set()
    assert kandas.topics == []


@needs_fonts
async def test_attachments_go_first_and_sealed_documents_at_their_own_date(kandas: KandasHarness) -> None:
    application = await kandas.checked()
    for person in PERSONS:
        await kandas.decide(application, person, "granted")
    await kandas.harness.settle()
    assert any(name.startswith(f"{application}/attachments/") for name in kandas.blobs)

    await kandas.harness.advance(timedelta(days=91))
    kept = {name.split("/")[1] for name in kandas.blobs}
    assert kept == {"documents", "signatures"}

    await kandas.harness.advance(timedelta(days=2 * 366))
    assert (await kandas.view(application))["status"] == "closed"
    assert kandas.blobs == set()
