"""Codes from the first SMS to their end: what a citizen types, asks for, waits for."""

from collections.abc import Awaitable
from itertools import pairwise

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.testing.faults import Crash, Faults
from libs.common.testing.harness import NOON
from services.otp import domain
from services.otp.sms import sms_text
from tests.unit.otp.harness import (
    AWAY,
    CLOSED,
    HOUR,
    JOURNEY,
    MINUTE,
    PHONE,
    RULES,
    SECOND,
    UNDELIVERABLE,
    OtpProcess,
    Problem,
    World,
    started,
)


async def refused(doing: Awaitable[None]) -> Problem:
    with pytest.raises(Problem) as error:
        await doing
    return error.value


async def fail(otp: OtpProcess, times: int = RULES.tries_per_code) -> Problem:
    """Type wrong codes and return the last refusal."""
    refusals = [await refused(otp.check(JOURNEY, otp.world.wrong)) for _ in range(times)]
    return refusals[-1]


async def test_a_started_journey_gets_one_sms_and_one_event_that_says_until_when_it_counts(
    world: World, otp: OtpProcess
) -> None:
    await otp.receive()
    assert len(world.gateway.delivered) == 1
    assert otp.published() == [("otp.sent", {"number": 1, "expires_at": "2026-03-02T12:03:00Z"})]


async def test_the_right_code_in_time_proves_the_phone_once_however_often_it_is_sent(
    world: World, otp: OtpProcess
) -> None:
    await otp.receive()
    code = world.code
    world.now += RULES.code_lifetime - SECOND
    for _ in range(3):
        await otp.check(JOURNEY, code)
    assert otp.published()[1:] == [("otp.verified", {"phone_ref": "phone-1"})]
    await otp.service.advance(HOUR)
    assert otp.topics() == ["otp.sent", "otp.verified"]


async def test_a_wrong_code_shows_the_tries_left_and_the_last_one_stops_the_code(otp: OtpProcess) -> None:
    await otp.receive()
    first, second = await fail(otp, 1), await fail(otp, 1)
    assert [(each.key, each.status, each.document["tries_left"]) for each in (first, second)] == [
        ("otp.wrong_code", 422, 2),
        ("otp.wrong_code", 422, 1),
    ]
    third = await fail(otp, 1)
    assert (third.key, third.status, third.retry_at) == ("otp.tries_used_up", 429, NOON + MINUTE)
    assert otp.published()[1:] == [
        ("otp.rejected", {"reason": "tries_used_up", "final": False, "retry_at": "2026-03-02T12:01:00Z"})
    ]


async def test_the_right_code_comes_too_late_after_the_last_try(world: World, otp: OtpProcess) -> None:
    await otp.receive()
    await fail(otp)
    assert (await refused(otp.check(JOURNEY, world.code))).key == "otp.tries_used_up"
    assert "otp.verified" not in otp.topics()


async def test_the_right_code_no_longer_counts_at_the_moment_its_time_ends(world: World, otp: OtpProcess) -> None:
    await otp.receive()
    world.now += RULES.code_lifetime
    late = await refused(otp.check(JOURNEY, world.code))
    assert (late.key, late.status) == ("otp.expired", 410)
    assert (await refused(otp.check(JOURNEY, world.code))).key == "otp.expired"
    await otp.settle()
    assert otp.topics() == ["otp.sent", "otp.rejected"]


async def test_a_code_nobody_types_expires_by_its_timer_and_another_may_be_asked_for_at_once(
    world: World, otp: OtpProcess
) -> None:
    await otp.receive()
    await otp.service.advance(RULES.code_lifetime - SECOND)
    assert otp.topics() == ["otp.sent"]
    await otp.service.advance(SECOND)
    assert otp.published()[1] == (
        "otp.rejected",
        {"reason": "expired", "final": False, "retry_at": "2026-03-02T12:03:00Z"},
    )
    await otp.resend()
    await otp.settle()
    await otp.check(JOURNEY, world.code)
    assert otp.topics() == ["otp.sent", "otp.rejected", "otp.sent", "otp.verified"]


async def test_a_code_cannot_be_checked_before_the_gateway_took_the_sms(world: World, otp: OtpProcess) -> None:
    world.gateway.failure = AWAY
    assert (await refused(otp.check(JOURNEY, world.wrong))).key == "otp.not_sent_yet"
    assert (await refused(otp.resend())).key == "otp.not_sent_yet"
    await otp.receive()
    assert (await refused(otp.check(JOURNEY, world.codes[0]))).key == "otp.not_sent_yet"


async def test_another_code_may_be_asked_for_after_a_minute_and_the_older_one_then_counts_no_more(
    world: World, otp: OtpProcess
) -> None:
    await otp.receive()
    older = world.code
    world.now += RULES.resend_after - SECOND
    soon = await refused(otp.resend())
    assert (soon.key, soon.status, soon.retry_at) == ("otp.too_soon", 429, NOON + RULES.resend_after)
    world.now += SECOND
    await otp.resend()
    assert (await refused(otp.resend())).key == "otp.too_soon"
    await otp.settle()
    if older != world.code:
        assert (await refused(otp.check(JOURNEY, older))).key == "otp.wrong_code"
    await otp.check(JOURNEY, world.code)
    assert (await refused(otp.resend())).key == "otp.not_needed"


async def test_the_last_code_of_a_journey_ends_it_for_good(world: World, otp: OtpProcess) -> None:
    await otp.receive()
    for _ in range(RULES.codes_per_journey - 1):
        await otp.service.advance(RULES.code_lifetime)
        await otp.resend()
        await otp.settle()
    world.now += RULES.resend_after
    assert (await refused(otp.resend())).retry_at is None
    await otp.service.advance(RULES.code_lifetime)
    assert otp.published()[-1] == ("otp.rejected", {"reason": "expired", "final": True, "retry_at": None})
    assert len(world.gateway.delivered) == RULES.codes_per_journey
    assert (await refused(otp.resend())).key == "otp.tries_used_up"
    assert world.store.documents["codes"].rows[JOURNEY].wake_at is None


async def test_a_gateway_that_is_away_for_a_while_gets_the_same_sms_at_growing_distances(
    world: World, otp: OtpProcess
) -> None:
    world.gateway.failure = AWAY
    asked_at, before = [], 0
    await otp.receive()
    for _ in range(40):
        await otp.settle()
        if len(world.gateway.asked) > before:
            asked_at.append(world.now)
            before = len(world.gateway.asked)
        world.now += SECOND
    assert len(asked_at) == before == RULES.deliveries_per_code
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == sorted(pauses)
    assert len(set(world.gateway.asked)) == 1
    assert otp.published() == [
        ("otp.rejected", {"reason": "undeliverable", "final": False, "retry_at": "2026-03-02T12:01:30Z"})
    ]
    assert (await refused(otp.check(JOURNEY, world.codes[0]))).key == "otp.undeliverable"


async def test_a_gateway_back_within_its_tries_sends_the_code_that_was_drawn_first(
    world: World, otp: OtpProcess
) -> None:
    world.gateway.failure = AWAY
    await otp.receive()
    (drawn,) = world.codes
    world.gateway.failure = None
    await otp.service.advance(MINUTE)
    assert (otp.topics(), world.codes) == (["otp.sent"], [drawn])
    await otp.check(JOURNEY, drawn)


async def test_a_number_the_gateway_refuses_is_not_asked_for_again(world: World, otp: OtpProcess) -> None:
    world.gateway.failure = UNDELIVERABLE
    await otp.receive()
    await otp.service.advance(HOUR)
    assert len(world.gateway.asked) == 1
    assert otp.published()[0][1]["reason"] == "undeliverable"


async def test_a_late_answer_about_an_older_sms_says_nothing_about_the_newer_one(world: World, otp: OtpProcess) -> None:
    world.gateway.failure = UNDELIVERABLE
    await otp.receive()
    (older,) = world.gateway.asked
    world.now += RULES.resend_after
    await otp.resend()
    state = world.state()
    assert isinstance(state, domain.CodeToSend)
    assert domain.taken(state, older, RULES, world.now) is None
    assert domain.not_taken(state, older, True, RULES, world.now) is None
    assert domain.taken(state, state.sms_id, RULES, world.now) is not None


async def test_a_closed_journey_has_no_code_left_to_try(world: World, otp: OtpProcess) -> None:
    await otp.receive()
    await otp.receive(event=CLOSED)
    assert (await refused(otp.check(JOURNEY, world.code))).key == "otp.not_needed"
    assert (await refused(otp.resend())).key == "otp.not_needed"
    await otp.service.advance(HOUR)
    assert otp.topics() == ["otp.sent"]
    assert world.store.documents["codes"].rows[JOURNEY].state == {"kind": "closed"}


async def test_a_journey_that_closed_before_it_was_heard_of_gets_no_sms(world: World, otp: OtpProcess) -> None:
    await otp.receive(event=CLOSED)
    await otp.receive()
    assert (otp.topics(), world.gateway.asked) == ([], [])
    assert not world.store.documents["usage"].rows


@settings(max_examples=30, deadline=None)
@given(st.permutations(["start", "start", "close", "close"]), st.booleans())
async def test_started_and_closed_in_any_order_and_number_end_closed_with_at_most_one_sms(
    order: list[str], one_by_one: bool
) -> None:
    world = World()
    async with world.process() as otp:
        for step in order:
            otp.service.write(started() if step == "start" else CLOSED, JOURNEY, message_id=step)
            if one_by_one:
                await otp.settle()
        await otp.settle()
    assert isinstance(world.state(), domain.CodesClosed)
    assert len(world.gateway.delivered) == (1 if one_by_one and order[0] == "start" else 0)


async def test_a_started_journey_delivered_twice_gets_one_sms(world: World, otp: OtpProcess) -> None:
    for _ in range(2):
        await otp.receive(message_id="message-1")
    await otp.receive()
    assert (len(world.codes), otp.topics()) == (1, ["otp.sent"])


async def test_no_code_and_no_phone_stand_in_clear_in_store_events_or_logs(world: World) -> None:
    kept = []
    with structlog.testing.capture_logs() as logs:
        async with world.process() as otp:
            world.gateway.failure = AWAY
            await otp.receive()
            kept.append(world.store.everything())
            world.gateway.failure = None
            await otp.service.advance(MINUTE)
            await fail(otp, 1)
            await otp.check(JOURNEY, world.code)
            kept.append(world.store.everything())
    everything = "".join(kept) + str(world.surroundings.broker.written) + str(logs)
    assert "otp.verified" in everything
    for secret in (world.codes[0], PHONE[1:], "АЙСҰЛУ", "850412399015"):
        assert secret not in everything


async def test_the_inbox_of_developers_keeps_each_sms_once_and_sealed() -> None:
    for step in range(1, 40):
        world = World()
        inbox_only = {"sms_url": None, "sms_token": None}
        try:
            async with world.process(Faults(step), **inbox_only) as otp:
                await otp.receive()
        except* Crash:
            pass
        async with world.process(**inbox_only) as otp:
            await otp.service.advance(MINUTE)
            (sms,) = (await otp.service.http.get("/dev/inbox", params={"journey_id": JOURNEY})).json()
        assert "ЭЦҚ алу коды" in sms["text"], f"step {step}"
        assert sms["text"] not in world.store.everything()


async def test_the_sms_of_a_renewal_says_so_and_its_code_proves_the_phone(world: World, otp: OtpProcess) -> None:
    renewal = started().model_copy(update={"purpose": "renewal", "citizen_id": "citizen-1"})
    await otp.receive(event=renewal)
    (text,) = world.gateway.delivered.values()
    assert "обновления ЭЦП" in text
    assert "ЭЦҚ жаңарту" in text
    await otp.check(JOURNEY, world.code)
    assert otp.topics() == ["otp.sent", "otp.verified"]


def test_the_sms_names_the_action_in_both_languages_and_warns_not_to_share_the_code() -> None:
    text = sms_text("271828")
    assert text.startswith("271828")
    for part in ("ЭЦҚ алу", "получения ЭЦП", "Ешкімге айтпаңыз", "не сообщайте никому"):
        assert part in text
