"""The authority over the real engine in memory: crashes, endings, superseding, revocation, what is kept in clear."""

from copy import deepcopy

import pytest
import structlog

from libs.common.testing.faults import Crash, Faults
from services.ca.enrolment import states
from services.ca.issuance.authority import IssuingAuthority
from services.ca.model.certificate import Certificate
from tests.unit.ca.hierarchies import NOW, PERSON, CertificationAuthority
from tests.unit.ca.office import CITIZEN, FACTS, JOURNEY, LEASE, NEWER, PHONE, STRANGER, Office, World, closed, csrs


async def live(office: Office, subject: str = JOURNEY) -> list[bool]:
    return [each.revoked_at is None for each in await office.certificates(subject)]


async def wake_once(office: Office, subject: str) -> None:
    """Let the timer of one enrolment ring, and no other."""
    wake_at = office.world.rows["enrolments"].rows[subject].wake_at
    assert wake_at is not None
    assert await office.timers[0][1].run_once(subject, wake_at)


async def after_crash(world: World, authority: CertificationAuthority) -> Office:
    """Begin again on what a dead process left, when its lease has passed."""
    world.now += LEASE
    office = Office(world, authority)
    await office.wake_due()
    for kind in (office.enrolments, office.superseding, office.list_kind):
        await kind.outbox.sweep()
    return office


async def requested(world: World, authority: CertificationAuthority) -> None:
    office = Office(world, authority)
    await office.opened()
    await office.request(JOURNEY, *csrs())


async def test_a_crash_at_every_step_from_requests_to_certificates_still_gives_exactly_the_two(
    authority: CertificationAuthority,
) -> None:
    counted, world = Faults(), World()
    await requested(world, authority)
    await Office(world, authority, counted).wake_due()
    assert counted.steps > 30
    for step in range(1, counted.steps + 1):
        world = World()
        await requested(world, authority)
        with pytest.raises(Crash):
            await Office(world, authority, Faults(step)).wake_due()
        intents = await intended(world, authority)
        office = await after_crash(world, authority)
        certificates = await office.certificates()
        assert [each.profile for each in certificates] == ["SIGN", "AUTH"], f"step {step}"
        serials = [each.serial for each in certificates]
        assert not intents or serials == intents, f"other serials than were recorded, step {step}"
        sent = world.sent()
        assert [(each["topic"], each["serial"]) for each in sent] == [("cert.issued", serial) for serial in serials]
        assert all(world.book.owners["serial", serial] == JOURNEY for serial in serials)
        state = await office.enrolments.aggregates.get(JOURNEY)
        assert isinstance(state, states.Issued)
        assert state.settled
        assert await live(office) == [True, True]


async def intended(world: World, authority: CertificationAuthority) -> list[str]:
    """The serial numbers on record before signing."""
    state = await Office(world, authority).enrolments.aggregates.get(JOURNEY)
    match state:
        case states.Issuing():
            return [
                serial
                for intent in state.intents
                for (kind, serial) in world.book.owners
                if kind == "serial" and f'"{serial}"' in intent.value.intent
            ]
        case states.Issued():
            return [each.serial for each in state.certificates]
        case _:
            return []


async def test_signing_again_after_a_crash_gives_the_very_same_certificate(
    world: World, office: Office, authority: CertificationAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[str] = []
    sign = IssuingAuthority.sign

    def watched(self: IssuingAuthority, *arguments: object) -> Certificate:
        made = sign(self, *arguments)  # type: ignore[arg-type]  # passed on as they came
        signed.append(made.text.value.pem)
        return made

    monkeypatch.setattr(IssuingAuthority, "sign", watched)
    await requested(world, authority)
    await wake_once(office, JOURNEY)
    step, state = 0, None
    while not isinstance(state, states.Issued):
        step += 1
        world.now += LEASE
        with pytest.raises(Crash):
            await Office(world, authority, Faults(step)).wake_due()
        state = await office.enrolments.aggregates.get(JOURNEY)
    assert len(signed) > 2, "no crash came between signing and storing"
    assert len(set(signed)) == 2


@pytest.mark.parametrize("outcome", ["failed", "expired", "cancelled"])
async def test_a_journey_that_fails_after_issuance_has_both_revoked_listed_and_told(
    world: World, office: Office, outcome: str
) -> None:
    serials = [each.serial for each in await office.issued()]
    world.now += LEASE
    await office.receive(closed(outcome))  # type: ignore[arg-type]  # one of the outcomes
    assert await live(office) == [False, False]
    await office.wake_due()
    assert await office.listed() == set(serials)
    assert [(each["serial"], each["reason"], each["citizen_id"]) for each in world.sent("cert.revoked")] == [
        (serial, "cessationOfOperation", CITIZEN) for serial in serials
    ]


async def test_a_journey_that_completes_keeps_its_certificates(world: World, office: Office) -> None:
    await office.issued()
    await office.receive(closed("completed"))
    await office.wake_due()
    assert await live(office) == [True, True]
    assert (await office.listed(), world.sent("cert.revoked")) == (set(), [])


async def test_a_journey_that_fails_while_its_certificates_are_made_never_shows_or_tells_them(
    authority: CertificationAuthority,
) -> None:
    counted, world = Faults(), World()
    await requested(world, authority)
    await Office(world, authority, counted).wake_due()
    for step in range(1, counted.steps + 1, 3):
        world = World()
        await requested(world, authority)
        with pytest.raises(Crash):
            await Office(world, authority, Faults(step)).wake_due()
        await Office(world, authority).receive(closed("failed"))
        office = await after_crash(world, authority)
        issued = {each["serial"] for each in world.sent("cert.issued")}
        assert issued == {each["serial"] for each in world.sent("cert.revoked")} == await office.listed()
        assert not any(await live(office))


async def test_the_newer_journey_of_a_citizen_supersedes_the_older_certificates(world: World, office: Office) -> None:
    older = [each.serial for each in await office.issued()]
    await office.receive(closed("completed"))
    world.now += LEASE
    await office.issued(NEWER, 3)
    await office.receive(closed("completed"), NEWER)
    assert (await live(office), await live(office, NEWER)) == ([False, False], [True, True])
    assert await office.listed() == set(older)
    assert [(each["journey"], each["serial"], each["reason"]) for each in world.sent("cert.revoked")] == [
        (JOURNEY, serial, "superseded") for serial in older
    ]


@pytest.mark.parametrize(("first", "second"), [(JOURNEY, NEWER), (NEWER, JOURNEY)])
async def test_of_two_journeys_in_one_second_the_second_supersedes_the_first_whatever_they_are_called(
    office: Office, first: str, second: str
) -> None:
    await office.issued(first)
    await office.issued(second, 3)
    assert (await live(office, first), await live(office, second)) == ([False, False], [True, True])


async def test_the_newer_certificates_win_though_a_crash_kept_the_older_ones_from_being_noted(
    authority: CertificationAuthority,
) -> None:
    world = World()
    await requested(world, authority)
    step = 0
    state = None
    while not isinstance(state, states.Issued):
        step += 1
        try:
            await Office(world, authority, Faults(step)).wake_due()
        except Crash:
            state = await Office(world, authority).enrolments.aggregates.get(JOURNEY)
        world.now += LEASE
    assert "superseding" not in world.rows or not world.rows["superseding"].rows
    # The older journey's timer rests until its lease ends; meanwhile the newer one is served.
    newer = Office(world, authority)
    await newer.opened(NEWER)
    await newer.request(NEWER, *csrs(3))
    for _ in range(3):
        await wake_once(newer, NEWER)
    office = await after_crash(world, authority)
    assert (await live(office), await live(office, NEWER)) == ([False, False], [True, True])


async def test_certificates_revoked_at_once_supersede_nothing(world: World, office: Office) -> None:
    await office.issued()
    world.now += LEASE
    await office.opened(NEWER)
    await office.request(NEWER, *csrs(3))
    for _ in range(2):
        await wake_once(office, NEWER)
    await office.receive(closed("failed"), NEWER)
    await office.wake_due()
    assert (await live(office), await live(office, NEWER)) == ([True, True], [False, False])


async def test_certificates_of_different_citizens_do_not_touch_each_other(world: World, office: Office) -> None:
    await office.issued()
    other = [fact.model_copy(update={"citizen_id": STRANGER}) if fact is FACTS[-1] else fact for fact in FACTS]
    await office.opened(NEWER, other)
    await office.request(NEWER, *csrs(3))
    await office.wake_due()
    assert (await live(office), await live(office, NEWER)) == ([True, True], [True, True])
    assert len(world.sent("cert.issued")) == 4


async def test_one_certificate_is_revoked_and_the_other_stays(world: World, office: Office) -> None:
    sign, _ = await office.issued()
    for _ in range(2):
        await office.revocations.by_clerk(sign.serial, "keyCompromise", "clerk-7")
        await office.wake_due()
    assert await live(office) == [False, True]
    assert await office.listed() == {sign.serial}
    assert [(each["serial"], each["reason"]) for each in world.sent("cert.revoked")] == [(sign.serial, "keyCompromise")]


async def test_a_clerk_revokes_anybodys_certificate_and_is_named_in_the_log(world: World, office: Office) -> None:
    _, auth = await office.issued()
    with structlog.testing.capture_logs() as logs:
        await office.revocations.by_clerk(auth.serial, "keyCompromise", "clerk-7")
    assert await live(office) == [True, False]
    assert [(each["serial"], each["reason"]) for each in world.sent("cert.revoked")] == [(auth.serial, "keyCompromise")]
    assert [each["by"] for each in logs if each["event"] == "revocation.asked"] == ["clerk-7"]


async def test_a_crash_at_every_step_of_a_revocation_ends_with_the_serial_on_the_list_and_told_once(
    authority: CertificationAuthority,
) -> None:
    async def revoke(world: World, faults: Faults) -> None:
        office = Office(world, authority, faults)
        await office.revocations.by_clerk(serial, "keyCompromise", "clerk-7")
        await office.wake_due()

    base = World()
    sign, _ = await Office(base, authority).issued()
    serial, counted = sign.serial, Faults()
    rows = {name: dict(kind.rows) for name, kind in base.rows.items()}
    records = deepcopy({name: kind.rows for name, kind in base.records.items()})
    sent = list(base.log.published)
    await revoke(base, counted)
    for step in range(1, counted.steps + 1):
        base.now = NOW
        base.log.published = list(sent)
        for name, kind in base.rows.items():
            kind.rows = dict(rows.get(name, {}))
        for name, kept in base.records.items():
            kept.rows = deepcopy(records.get(name, {}))
        with pytest.raises(Crash):
            await revoke(base, Faults(step))
        await after_crash(base, authority)
        await revoke(base, Faults())  # the holder asks again, having got no answer
        office = await after_crash(base, authority)
        assert await office.listed() == {serial}, f"step {step}"
        assert [each["serial"] for each in base.sent("cert.revoked")] == [serial]


async def test_nothing_personal_stands_in_clear_in_store_events_or_logs(world: World, office: Office) -> None:
    with structlog.testing.capture_logs() as logs:
        await office.opened()
        before = world.everything()
        await office.request(JOURNEY, *csrs())
        snapshots = []
        for _ in range(3):
            await wake_once(office, JOURNEY)
            snapshots.append(world.everything())
        await office.receive(closed("failed"))
        await office.wake_due()
    everything = before + "".join(snapshots) + world.everything() + str(logs)
    assert "issuance.signed" in everything
    for secret in (PERSON.iin, PERSON.surname, PERSON.given_name, PERSON.patronymic, PHONE[1:], "BEGIN CERTIFICATE"):
        assert secret not in everything


async def test_hearing_everything_again_from_the_beginning_tells_nothing_new(world: World, office: Office) -> None:
    metas = {fact.topic: world.meta(fact, JOURNEY) for fact in FACTS}
    for fact in FACTS:
        await office.receive(fact, meta=metas[fact.topic])
    await office.request(JOURNEY, *csrs())
    await office.wake_due()
    end = world.meta(closed("failed"), JOURNEY)
    await office.receive(closed("failed"), meta=end)
    await office.wake_due()
    ids = [each.meta.id for each in world.log.published]
    rows = {name: {key: row.state for key, row in kind.rows.items()} for name, kind in world.rows.items()}
    for fact in FACTS:
        await office.receive(fact, meta=metas[fact.topic])
    await office.receive(closed("failed"), meta=end)
    await office.wake_due()
    assert {each.meta.id for each in world.log.published} == set(ids)
    assert {name: {key: row.state for key, row in kind.rows.items()} for name, kind in world.rows.items()} == rows
