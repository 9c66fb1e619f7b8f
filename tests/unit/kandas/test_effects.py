import asyncio
import hashlib
from datetime import timedelta

import pytest

from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.kandas.calendar import end_of
from services.kandas.deciding import Verdict
from services.kandas.ministry import MinistryAway
from services.kandas.states import Checked, Closed, Decided, Returned, State, Submitted
from services.kandas.transitions import wake_at
from tests.unit.kandas.desk import FONTS, Desk
from tests.unit.kandas.situations import APPLICATION, CITIZEN, IIN, SERIAL, Given

needs_fonts = pytest.mark.skipif(not FONTS.is_dir(), reason="the fonts are missing: install fonts-dejavu-core")
GRANT = [Verdict(person, "granted", (), "officer-1") for person in ("p1", "p2", "p3")]


def as_it_was(state: State) -> Decision[State]:
    """Put a state back: what another process still believes."""
    return Decision(state, wake_at=wake_at(state))


async def test_a_submitted_application_is_checked_and_comes_to_its_region(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    await desk.wake()

    assert isinstance(await desk.state(), Checked)
    assert [state.id for state in await desk.office.listed("KZ-75", "checked")] == [APPLICATION]
    assert list(await desk.office.listed("KZ-71", "checked")) == []
    assert desk.told == ["kandas.submitted", "kandas.checked"]


async def test_a_check_made_more_than_once_goes_out_under_one_key_and_is_told_once(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)

    await asyncio.gather(*(desk.effects.wake(APPLICATION, desk.now) for _ in range(3)))

    assert desk.ministry.keys == [f"{APPLICATION}-1"] * 3
    assert desk.told.count("kandas.checked") == 1


async def test_while_the_ministry_is_away_the_application_waits_and_becomes_overdue_once(given: Given) -> None:
    desk = Desk()
    desk.ministry.away = True
    await desk.submitted(given)
    submitted = await desk.state()
    assert isinstance(submitted, Submitted)

    for moment in (desk.now, end_of(submitted.due_on), end_of(submitted.due_on) + timedelta(days=1)):
        desk.now = moment
        with pytest.raises(MinistryAway):
            await desk.wake()
    assert desk.told == ["kandas.submitted", "kandas.overdue"]

    desk.ministry.away = False
    await desk.wake()
    checked = await desk.state()
    assert isinstance(checked, Checked)
    assert checked.overdue


async def test_a_revocation_sends_back_what_rests_on_the_certificate(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    await desk.wake()
    await desk.hears_of_revocation()

    back = await desk.state()
    assert isinstance(back, Returned)
    assert back.reason == "certificate.revoked"
    assert desk.told[-1] == "kandas.returned"


async def test_a_revocation_that_overtook_the_signature_is_noticed_before_the_check(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    signed = await desk.state()
    draft = given.complete()
    await desk.applications.apply(APPLICATION, lambda _: as_it_was(draft))
    await desk.hears_of_revocation()
    await desk.applications.apply(APPLICATION, lambda _: as_it_was(signed))

    await desk.effects.wake(APPLICATION, desk.now)

    assert isinstance(await desk.state(), Returned)
    assert desk.ministry.keys == [], "the ministry is not asked about it"


async def test_an_officer_cannot_decide_on_a_signature_whose_certificate_was_revoked(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    await desk.wake()
    checked = await desk.state()
    await desk.hears_of_revocation()
    await desk.applications.apply(APPLICATION, lambda _: as_it_was(checked))

    with pytest.raises(Refused) as error:
        await desk.office.decide("KZ-75", APPLICATION, GRANT[0])

    assert error.value.key == "application.returned"
    assert isinstance(await desk.state(), Returned)


async def test_an_officer_of_another_region_sees_nothing(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    await desk.wake()
    for attempt in (
        desk.office.application("KZ-71", APPLICATION),
        desk.office.decide("KZ-71", APPLICATION, GRANT[0]),
        desk.office.send_back("KZ-71", APPLICATION, []),
    ):
        with pytest.raises(Refused) as error:
            await attempt
        assert error.value.key == "application.unknown"


@needs_fonts
async def test_wakes_side_by_side_tell_each_decision_once_and_keep_the_document_that_was_told(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    await desk.wake()
    for verdict in GRANT:
        await desk.office.decide("KZ-75", APPLICATION, verdict)

    replica = desk.another_process()
    await asyncio.gather(*(effects.wake(APPLICATION, desk.now) for effects in (desk.effects, desk.effects, replica)))

    decided = await desk.state()
    assert isinstance(decided, Decided)
    assert desk.told.count("kandas.granted") == 3
    for decision in decided.decisions:
        pdf = desk.blobs.kept[f"{APPLICATION}/documents/{decision.document_sha256}"]
        assert hashlib.sha256(pdf).hexdigest() == decision.document_sha256


async def test_what_is_over_leaves_no_blob_behind(given: Given) -> None:
    desk = Desk()
    draft = given.draft()
    await desk.applications.apply(APPLICATION, lambda _: as_it_was(draft))
    desk.blobs.kept[f"{APPLICATION}/attachments/p1/photo/{'c' * 64}"] = b"a face"
    desk.now = draft.expires_at

    await desk.effects.wake(APPLICATION, desk.now)
    await desk.wake()

    over = await desk.state()
    assert isinstance(over, Closed)
    assert over.purged
    assert desk.blobs.kept == {}
    await desk.wake()
    assert desk.told == []


async def test_attachments_go_first_and_sealed_documents_stay_until_their_own_date(given: Given) -> None:
    desk = Desk()
    decided = given.decided("p1", "p2", "p3")
    assert isinstance(decided, Decided)
    await desk.applications.apply(APPLICATION, lambda _: as_it_was(decided))
    document = f"{APPLICATION}/documents/{'d' * 64}"
    desk.blobs.kept |= {f"{APPLICATION}/attachments/p1/photo/{'c' * 64}": b"a face", document: b"%PDF"}

    desk.now = decided.attachments_until
    await desk.effects.wake(APPLICATION, desk.now)
    assert list(desk.blobs.kept) == [document]

    desk.now = decided.documents_until
    await desk.effects.wake(APPLICATION, desk.now)
    await desk.wake()
    assert desk.blobs.kept == {}


async def test_facts_of_a_certificate_repeated_from_the_start_tell_nothing_new(given: Given) -> None:
    desk = Desk()
    await desk.submitted(given)
    await desk.wake()
    await desk.hears_of_revocation()
    before = list(desk.told)

    await desk.hears_of_certificate()
    await desk.hears_of_revocation()

    assert desk.told == before
    with pytest.raises(Refused):
        await desk.view.rely_on(SERIAL, APPLICATION, CITIZEN, IIN)
