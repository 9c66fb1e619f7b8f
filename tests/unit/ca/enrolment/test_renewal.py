"""Renewal: the phone and the present key in place of the face; and the notices before a certificate's end."""

from datetime import timedelta

import pytest

from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.cms import sign_detached
from libs.common.core.errors import Refused
from libs.common.pki.renewal_statement import renewal_statement
from services.ca.enrolment import states
from tests.unit.ca.hierarchies import NOW, CertificationAuthority
from tests.unit.ca.office import (
    CITIZEN,
    FACTS,
    JOURNEY,
    LEASE,
    NEWER,
    STARTED,
    STRANGER,
    VERIFIED,
    Office,
    World,
    closed,
    csrs,
    holding_of,
)

RENEWAL = STARTED.model_copy(update={"purpose": "renewal", "citizen_id": CITIZEN})
OTHERS = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a03"


@pytest.fixture
async def present(world: World, office: Office) -> KeyEntry:
    """The SIGN key and certificate of a citizen whose first journey is over and whose renewal waits for requests."""
    sign, _ = await office.issued()
    await office.receive(closed("completed"))
    world.now += LEASE
    await office.opened(NEWER, (RENEWAL, VERIFIED))
    return holding_of(sign, 1)


async def signed(world: World, entry: KeyEntry, journey: str = NEWER, first_key: int = 3) -> bytes:
    sign, auth = csrs(first_key)
    return await sign_detached(renewal_statement(journey, {"SIGN": sign, "AUTH": auth}), entry, world.now)


async def refused(office: Office, signature: bytes | None) -> str:
    with pytest.raises(Refused) as error:
        await office.request(NEWER, *csrs(3), signature)
    await office.wake_due()
    assert await office.state(NEWER) == "open"
    return error.value.key


async def test_phone_and_present_key_give_new_certificates_and_the_old_ones_are_superseded(
    world: World, office: Office, present: KeyEntry
) -> None:
    old = [each.serial for each in await office.certificates()]
    for _ in range(2):  # the answer was lost: asked again with the old key, which is superseded by then
        await office.request(NEWER, *csrs(3), await signed(world, present))
        await office.wake_due()
    new = await office.certificates(NEWER)
    assert [each.profile for each in new] == ["SIGN", "AUTH"]
    assert not any(each.revoked_at for each in new)
    assert [(each["serial"], each["reason"]) for each in world.sent("cert.revoked")] == [
        (serial, "superseded") for serial in old
    ]
    assert await office.listed() == set(old)
    assert len(world.sent("cert.issued")) == 4


async def test_without_the_phone_a_renewal_takes_no_requests(world: World, office: Office) -> None:
    sign, _ = await office.issued()
    await office.opened(NEWER, (RENEWAL,))
    with pytest.raises(Refused) as error:
        await office.request(NEWER, *csrs(3), await signed(world, holding_of(sign, 1)))
    assert error.value.key == "enrolment.not_open"


async def test_a_journey_that_is_no_renewal_needs_the_face_whatever_is_signed(world: World, office: Office) -> None:
    sign, _ = await office.issued()
    await office.opened(NEWER, [fact for fact in FACTS if fact.topic != "face.matched"])
    with pytest.raises(Refused) as error:
        await office.request(NEWER, *csrs(3), await signed(world, holding_of(sign, 1)))
    assert error.value.key == "enrolment.not_open"


async def test_nothing_but_the_present_sign_key_over_these_very_requests_will_do(
    world: World, office: Office, present: KeyEntry
) -> None:
    _, auth = await office.certificates()
    assert await refused(office, None) == "vouching.signature_missing"
    assert await refused(office, b"no signature") == "signature.malformed"
    assert await refused(office, await signed(world, present, first_key=5)) == "signature.wrong_document"
    assert await refused(office, await signed(world, present, journey=OTHERS)) == "signature.wrong_document"
    with_auth = await signed(world, KeyEntry(holding_of(auth, 2).key, present.certificate))
    assert await refused(office, with_auth) == "signature.forged"


async def test_a_certificate_that_was_revoked_vouches_for_nothing(
    world: World, office: Office, present: KeyEntry
) -> None:
    sign, _ = await office.certificates()
    await office.revocations.by_clerk(sign.serial, "keyCompromise", CITIZEN)
    assert await refused(office, await signed(world, present)) == "vouching.certificate_revoked"


async def test_a_certificate_that_ended_vouches_for_nothing(world: World, office: Office, present: KeyEntry) -> None:
    signature = await signed(world, present)
    world.now = NOW + timedelta(days=366)
    assert await refused(office, signature) == "signature.expired_certificate"


async def test_somebody_elses_certificate_vouches_for_nothing(world: World, office: Office, present: KeyEntry) -> None:
    del present
    others = [each.model_copy(update={"citizen_id": STRANGER}) if each is FACTS[-1] else each for each in FACTS]
    await office.opened(OTHERS, others)
    await office.request(OTHERS, *csrs(7))
    await office.wake_due()
    sign, _ = await office.certificates(OTHERS)
    assert await refused(office, await signed(world, holding_of(sign, 7))) == "vouching.other_holder"


def both(*days: int) -> list[tuple[str, int]]:
    return [(profile, each) for each in days for profile in ("SIGN", "AUTH")]


async def notices(world: World, office: Office, day: int) -> list[tuple[str, int]]:
    """What was told in all when so many days of the year are over."""
    world.now = NOW + timedelta(days=day)
    await office.wake_due()
    return [(each["profile"], each["days_left"]) for each in world.sent("cert.expiring")]


async def test_the_end_is_announced_thirty_fourteen_and_seven_days_before_for_each_certificate_once(
    world: World, office: Office
) -> None:
    await office.issued()
    assert await notices(world, office, 334) == []
    assert await notices(world, office, 335) == both(30)
    assert await notices(world, office, 340) == both(30)
    assert await notices(world, office, 351) == both(30, 14)
    assert await notices(world, office, 358) == both(30, 14, 7)
    assert await notices(world, office, 400) == both(30, 14, 7)


async def test_after_an_outage_only_the_most_urgent_notice_is_told_and_after_the_end_none(
    world: World, authority: CertificationAuthority
) -> None:
    office = Office(world, authority)
    await office.issued()
    assert await notices(world, office, 360) == [("SIGN", 7), ("AUTH", 7)]
    late = World()
    await Office(late, authority).issued()
    assert await notices(late, Office(late, authority), 366) == []


async def test_what_was_revoked_or_superseded_is_not_announced(world: World, office: Office, present: KeyEntry) -> None:
    await office.request(NEWER, *csrs(3), await signed(world, present))
    await office.wake_due()
    _, auth = await office.certificates(NEWER)
    await office.revocations.by_clerk(auth.serial, "keyCompromise", CITIZEN)
    assert await notices(world, office, 336) == [("SIGN", 30)]
    assert {each["journey"] for each in world.sent("cert.expiring")} == {NEWER}
    state = await office.enrolments.aggregates.get(JOURNEY)
    assert isinstance(state, states.Issued)
