import asyncio
import hashlib
from datetime import timedelta

import pytest

from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.kandas.application.states import (
    ApplicationState,
    Checked,
    ClosedApplication,
    Decided,
    Returned,
    Submitted,
)
from services.kandas.ministry.client import MinistryAway
from services.kandas.office.domain import OfficerDecision
from services.kandas.rules.working_days import end_of
from tests.unit.kandas.factories import APPLICATION, CITIZEN, IIN, SERIAL, Given
from tests.unit.kandas.harness import FONTS, KandasHarness

needs_fonts = pytest.mark.skipif(not FONTS.is_dir(), reason="the fonts are missing: install fonts-dejavu-core")
GRANT = [OfficerDecision(person, "granted", (), "officer-1") for person in ("p1", "p2", "p3")]


def as_it_was(state: ApplicationState) -> Decision[ApplicationState]:
    """Put a state back: what another process still believes."""
    return Decision(state)


async def test_a_submitted_application_is_checked_and_comes_to_its_region(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    await harness.wake()

    assert isinstance(await harness.state(), Checked)
    assert [state.id for state in await harness.officers.applications("KZ-75", "checked")] == [APPLICATION]
    assert list(await harness.officers.applications("KZ-71", "checked")) == []
    assert harness.topics == ["kandas.submitted", "kandas.checked"]


async def test_a_check_made_more_than_once_goes_out_under_one_key_and_is_told_once(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)

    await asyncio.gather(*(harness.wakes.wake(APPLICATION, harness.now) for _ in range(3)))

    assert harness.ministry.keys == [f"{APPLICATION}-1"] * 3
    assert harness.topics.count("kandas.checked") == 1


async def test_while_the_ministry_is_away_the_application_waits_and_becomes_overdue_once(given: Given) -> None:
    harness = KandasHarness()
    harness.ministry.away = True
    await harness.submitted(given)
    submitted = await harness.state()
    assert isinstance(submitted, Submitted)

    for moment in (harness.now, end_of(submitted.due_on), end_of(submitted.due_on) + timedelta(days=1)):
        harness.now = moment
        with pytest.raises(MinistryAway):
            await harness.wake()
    assert harness.topics == ["kandas.submitted", "kandas.overdue"]

    harness.ministry.away = False
    await harness.wake()
    checked = await harness.state()
    assert isinstance(checked, Checked)
    assert checked.overdue


async def test_a_revocation_sends_back_what_rests_on_the_certificate(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    await harness.wake()
    await harness.certificate_revoked()

    back = await harness.state()
    assert isinstance(back, Returned)
    assert back.reason == "certificate.revoked"
    assert harness.topics[-1] == "kandas.returned"


async def test_a_revocation_that_overtook_the_signature_is_noticed_before_the_check(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    signed = await harness.state()
    draft = given.complete()
    await harness.applications.apply(APPLICATION, lambda _: as_it_was(draft))
    await harness.certificate_revoked()
    await harness.applications.apply(APPLICATION, lambda _: as_it_was(signed))

    await harness.wakes.wake(APPLICATION, harness.now)

    assert isinstance(await harness.state(), Returned)
    assert harness.ministry.keys == [], "the ministry is not asked about it"


async def test_an_officer_cannot_decide_on_a_signature_whose_certificate_was_revoked(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    await harness.wake()
    checked = await harness.state()
    await harness.certificate_revoked()
    await harness.applications.apply(APPLICATION, lambda _: as_it_was(checked))

    with pytest.raises(Refused) as error:
        await harness.officers.decide("KZ-75", APPLICATION, GRANT[0])

    assert error.value.key == "application.returned"
    assert isinstance(await harness.state(), Returned)


async def test_an_officer_of_another_region_sees_nothing(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    await harness.wake()
    for attempt in (
        harness.officers.application("KZ-71", APPLICATION),
        harness.officers.decide("KZ-71", APPLICATION, GRANT[0]),
        harness.officers.send_back("KZ-71", APPLICATION, []),
    ):
        with pytest.raises(Refused) as error:
            await attempt
        assert error.value.key == "application.unknown"


@needs_fonts
async def test_wakes_side_by_side_publish_each_decision_once_with_its_own_document(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    await harness.wake()
    for grant in GRANT:
        await harness.officers.decide("KZ-75", APPLICATION, grant)

    replica = harness.another_process()
    await asyncio.gather(*(wakes.wake(APPLICATION, harness.now) for wakes in (harness.wakes, harness.wakes, replica)))

    decided = await harness.state()
    assert isinstance(decided, Decided)
    assert harness.topics.count("kandas.granted") == 3
    for decision in decided.decisions:
        pdf = harness.blobs.kept[f"{APPLICATION}/documents/{decision.document_sha256}"]
        assert hashlib.sha256(pdf).hexdigest() == decision.document_sha256


async def test_what_is_over_leaves_no_blob_behind(given: Given) -> None:
    harness = KandasHarness()
    draft = given.draft()
    await harness.applications.apply(APPLICATION, lambda _: as_it_was(draft))
    harness.blobs.kept[f"{APPLICATION}/attachments/p1/photo/{'c' * 64}"] = b"a face"
    harness.now = draft.expires_at

    await harness.wakes.wake(APPLICATION, harness.now)
    await harness.wake()

    over = await harness.state()
    assert isinstance(over, ClosedApplication)
    assert over.purged
    assert harness.blobs.kept == {}
    await harness.wake()
    assert harness.topics == []


async def test_attachments_go_first_and_sealed_documents_stay_until_their_own_date(given: Given) -> None:
    harness = KandasHarness()
    decided = given.decided("p1", "p2", "p3")
    assert isinstance(decided, Decided)
    await harness.applications.apply(APPLICATION, lambda _: as_it_was(decided))
    document = f"{APPLICATION}/documents/{'d' * 64}"
    harness.blobs.kept |= {f"{APPLICATION}/attachments/p1/photo/{'c' * 64}": b"a face", document: b"%PDF"}

    harness.now = decided.attachments_until
    await harness.wakes.wake(APPLICATION, harness.now)
    assert list(harness.blobs.kept) == [document]

    harness.now = decided.documents_until
    await harness.wakes.wake(APPLICATION, harness.now)
    await harness.wake()
    assert harness.blobs.kept == {}


async def test_facts_of_a_certificate_repeated_from_the_start_tell_nothing_new(given: Given) -> None:
    harness = KandasHarness()
    await harness.submitted(given)
    await harness.wake()
    await harness.certificate_revoked()
    before = list(harness.topics)

    await harness.certificate_issued()
    await harness.certificate_revoked()

    assert harness.topics == before
    with pytest.raises(Refused):
        await harness.certificates.rely_on(SERIAL, APPLICATION, CITIZEN, IIN)
