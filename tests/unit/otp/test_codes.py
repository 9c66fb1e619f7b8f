"""Codes from the first SMS to their end: what a citizen types, asks for, waits for."""

from collections.abc import Awaitable
from itertools import pairwise

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.core.errors import Refused, Retryable
from services.otp import domain
from services.otp.problems import PROBLEMS
from services.otp.sms import DevelopmentInbox, Undeliverable, sms_text
from tests.unit.otp.harness import HOUR, JOURNEY, MINUTE, NOON, PHONE, RULES, SECOND, OtpProcess, World, started


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def otp(world: World) -> OtpProcess:
    return OtpProcess(world)


async def refused(doing: Awaitable[None]) -> Refused:
    with pytest.raises(Refused) as error:
        await doing
    return error.value


async def fail(otp: OtpProcess, times: int = RULES.tries_per_code) -> Refused:
    """Type wrong codes and give the last refusal."""
    refusals = [await refused(otp.service.check(JOURNEY, otp.world.wrong)) for _ in range(times)]
    return refusals[-1]


async def test_a_started_journey_gets_one_sms_and_one_event_that_says_until_when_it_counts(
    world: World, otp: OtpProcess
) -> None:
    await otp.sent()
    assert len(world.gateway.delivered) == 1
    assert world.published() == [("otp.sent", {"number": 1, "expires_at": "2026-03-02T12:03:00Z"})]


async def test_the_right_code_in_time_proves_the_phone_once_however_often_it_is_sent(
    world: World, otp: OtpProcess
) -> None:
    await otp.sent()
    code = world.code
    world.now += RULES.code_lifetime - SECOND
    for _ in range(3):
        await otp.service.check(JOURNEY, code)
    assert world.published()[1:] == [("otp.verified", {"phone_ref": "phone-1"})]
    await otp.wake_due()
    assert world.topics() == ["otp.sent", "otp.verified"]


async def test_a_wrong_code_tells_the_tries_left_and_the_last_one_stops_the_code(world: World, otp: OtpProcess) -> None:
    await otp.sent()
    first, second = await fail(otp, 1), await fail(otp, 1)
    assert [(each.key, PROBLEMS[each.key], each.extras["tries_left"]) for each in (first, second)] == [
        ("otp.wrong_code", 422, 2),
        ("otp.wrong_code", 422, 1),
    ]
    third = await fail(otp, 1)
    assert (third.key, PROBLEMS[third.key]) == ("otp.tries_used_up", 429)
    assert third.extras["retry_at"] == NOON + MINUTE
    assert world.published()[1:] == [
        ("otp.rejected", {"reason": "tries_used_up", "final": False, "retry_at": "2026-03-02T12:01:00Z"})
    ]


async def test_the_right_code_comes_too_late_after_the_last_try(world: World, otp: OtpProcess) -> None:
    await otp.sent()
    await fail(otp)
    assert (await refused(otp.service.check(JOURNEY, world.code))).key == "otp.tries_used_up"
    assert "otp.verified" not in world.topics()


async def test_the_right_code_no_longer_counts_at_the_moment_its_time_ends(world: World, otp: OtpProcess) -> None:
    await otp.sent()
    world.now += RULES.code_lifetime
    late = await refused(otp.service.check(JOURNEY, world.code))
    assert (late.key, PROBLEMS[late.key]) == ("otp.expired", 410)
    assert (await refused(otp.service.check(JOURNEY, world.code))).key == "otp.expired"
    await otp.wake_due()
    assert world.topics() == ["otp.sent", "otp.rejected"]


async def test_a_code_nobody_types_expires_by_its_timer_and_another_may_be_asked_for_at_once(
    world: World, otp: OtpProcess
) -> None:
    await otp.sent()
    world.now += RULES.code_lifetime - SECOND
    await otp.wake_due()
    assert world.topics() == ["otp.sent"]
    world.now += SECOND
    await otp.wake_due()
    assert world.published()[1] == (
        "otp.rejected",
        {"reason": "expired", "final": False, "retry_at": "2026-03-02T12:03:00Z"},
    )
    await otp.service.resend(JOURNEY)
    await otp.wake_due()
    await otp.service.check(JOURNEY, world.code)
    assert world.topics() == ["otp.sent", "otp.rejected", "otp.sent", "otp.verified"]


async def test_a_code_cannot_be_checked_before_the_gateway_took_the_sms(world: World, otp: OtpProcess) -> None:
    assert (await refused(otp.service.check(JOURNEY, world.wrong))).key == "otp.not_sent_yet"
    assert (await refused(otp.service.resend(JOURNEY))).key == "otp.not_sent_yet"
    await otp.start()
    assert (await refused(otp.service.check(JOURNEY, world.codes[0]))).key == "otp.not_sent_yet"


async def test_another_code_may_be_asked_for_after_a_minute_and_the_older_one_then_counts_no_more(
    world: World, otp: OtpProcess
) -> None:
    await otp.sent()
    older = world.code
    world.now += RULES.resend_after - SECOND
    soon = await refused(otp.service.resend(JOURNEY))
    assert (soon.key, PROBLEMS[soon.key], soon.extras["retry_at"]) == ("otp.too_soon", 429, NOON + RULES.resend_after)
    world.now += SECOND
    await otp.service.resend(JOURNEY)
    assert (await refused(otp.service.resend(JOURNEY))).key == "otp.too_soon"
    await otp.wake_due()
    assert (await refused(otp.service.check(JOURNEY, older))).key == "otp.wrong_code"
    await otp.service.check(JOURNEY, world.code)
    assert (await refused(otp.service.resend(JOURNEY))).key == "otp.not_needed"


async def test_the_last_code_of_a_journey_ends_it_for_good(world: World, otp: OtpProcess) -> None:
    await otp.sent()
    for _ in range(RULES.codes_per_journey - 1):
        world.now += RULES.code_lifetime
        await otp.wake_due()
        await otp.service.resend(JOURNEY)
        await otp.wake_due()
    world.now += RULES.resend_after
    assert (await refused(otp.service.resend(JOURNEY))).extras["retry_at"] is None
    world.now += RULES.code_lifetime
    await otp.wake_due()
    assert world.published()[-1] == ("otp.rejected", {"reason": "expired", "final": True, "retry_at": None})
    assert len(world.gateway.delivered) == RULES.codes_per_journey
    assert (await refused(otp.service.resend(JOURNEY))).key == "otp.tries_used_up"
    assert world.rows["codes"].rows[JOURNEY].wake_at is None


async def test_a_gateway_that_is_away_for_a_while_gets_the_same_sms_at_growing_distances(
    world: World, otp: OtpProcess
) -> None:
    world.gateway.failure = Retryable("away")
    await otp.start()
    asked_at = []
    for _ in range(40):
        before = len(world.gateway.asked)
        await otp.wake_due()
        if len(world.gateway.asked) > before:
            asked_at.append(world.now)
        world.now += SECOND
    assert len(asked_at) == RULES.deliveries_per_code
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == sorted(pauses)
    assert set(world.gateway.asked) == {(JOURNEY, "sms-1")}
    assert world.published() == [
        ("otp.rejected", {"reason": "undeliverable", "final": False, "retry_at": "2026-03-02T12:01:30Z"})
    ]
    assert (await refused(otp.service.check(JOURNEY, world.codes[0]))).key == "otp.undeliverable"


async def test_a_gateway_back_within_its_tries_sends_the_code_that_was_drawn_first(
    world: World, otp: OtpProcess
) -> None:
    world.gateway.failure = Retryable("away")
    await otp.start()
    await otp.wake_due()
    world.gateway.failure = None
    world.now += MINUTE
    await otp.wake_due()
    assert (world.topics(), len(world.codes)) == (["otp.sent"], 1)
    await otp.service.check(JOURNEY, world.codes[0])


async def test_a_number_the_gateway_refuses_is_not_asked_for_again(world: World, otp: OtpProcess) -> None:
    world.gateway.failure = Undeliverable("no such number")
    await otp.start()
    await otp.wake_due()
    world.now += HOUR
    await otp.wake_due()
    assert len(world.gateway.asked) == 1
    assert world.published()[0][1]["reason"] == "undeliverable"


async def test_a_late_answer_about_an_older_sms_says_nothing_about_the_newer_one(world: World, otp: OtpProcess) -> None:
    world.gateway.failure = Undeliverable("no such number")
    await otp.start()
    await otp.wake_due()
    world.now += RULES.resend_after
    await otp.service.resend(JOURNEY)
    state = await otp.state()
    assert isinstance(state, domain.CodeToSend)
    assert domain.taken(state, "sms-1", RULES, world.now) is None
    assert domain.not_taken(state, "sms-1", True, RULES, world.now) is None
    assert domain.taken(state, state.sms_id, RULES, world.now) is not None


async def test_a_closed_journey_has_no_code_left_to_try(world: World, otp: OtpProcess) -> None:
    await otp.sent()
    await otp.close()
    assert (await refused(otp.service.check(JOURNEY, world.code))).key == "otp.not_needed"
    assert (await refused(otp.service.resend(JOURNEY))).key == "otp.not_needed"
    world.now += HOUR
    await otp.wake_due()
    assert world.topics() == ["otp.sent"]
    assert world.rows["codes"].rows[JOURNEY].state == {"kind": "closed"}


async def test_a_journey_that_closed_before_it_was_heard_of_gets_no_sms(world: World, otp: OtpProcess) -> None:
    await otp.close()
    await otp.sent()
    assert (world.topics(), world.gateway.asked, world.codes) == ([], [], [])
    assert "usage" not in world.rows or not world.rows["usage"].rows


@settings(max_examples=30, deadline=None)
@given(st.permutations(["start", "start", "close", "close"]), st.booleans())
async def test_started_and_closed_in_any_order_and_number_end_closed_with_at_most_one_sms(
    order: list[str], wake: bool
) -> None:
    world = World()
    otp = OtpProcess(world)
    metas = {"start": world.meta(started()), "close": world.meta(started())}
    for step in order:
        await (otp.start if step == "start" else otp.close)(meta=metas[step])
        if wake:
            await otp.wake_due()
    await otp.wake_due()
    assert isinstance(await otp.state(), domain.CodesClosed)
    assert len(world.gateway.delivered) == (1 if wake and order[0] == "start" else 0)


async def test_a_started_journey_told_twice_gets_one_sms(world: World, otp: OtpProcess) -> None:
    meta = world.meta(started())
    for _ in range(2):
        await otp.start(meta=meta)
        await otp.wake_due()
    await otp.start()
    await otp.wake_due()
    assert (len(world.codes), world.topics()) == (1, ["otp.sent"])


async def test_no_code_and_no_phone_stand_in_clear_in_store_events_or_logs(world: World, otp: OtpProcess) -> None:
    kept = []
    inbox = DevelopmentInbox(otp.inboxes.aggregates, world.clock)
    with structlog.testing.capture_logs() as logs:
        world.gateway.failure = Retryable("away")
        await otp.start()
        await otp.wake_due()
        kept.append(str(world.rows))
        world.gateway.failure = None
        world.now += MINUTE
        await otp.wake_due()
        await inbox.send(JOURNEY, PHONE, sms_text(world.code), "sms-1")
        kept.append(str(world.rows))
        await fail(otp, 1)
        await otp.service.check(JOURNEY, world.code)
        kept.append(str(world.rows))
    everything = "".join(kept) + str(world.log.published) + str(logs)
    assert "otp.verified" in everything
    for secret in (world.codes[0], PHONE[1:], "АЙСҰЛУ", "850412399015"):
        assert secret not in everything


async def test_developers_read_each_sms_once_though_it_was_sent_twice(world: World, otp: OtpProcess) -> None:
    inbox = DevelopmentInbox(otp.inboxes.aggregates, world.clock)
    assert await inbox.read(JOURNEY) == []
    for sms_id, text in (("sms-1", "first"), ("sms-1", "first"), ("sms-2", "second")):
        await inbox.send(JOURNEY, PHONE, text, sms_id)
    assert [message.text for message in await inbox.read(JOURNEY)] == ["first", "second"]


async def test_the_sms_of_a_renewal_says_so_and_its_code_proves_the_phone(world: World, otp: OtpProcess) -> None:
    await otp.sent(event=started().model_copy(update={"purpose": "renewal", "citizen_id": "citizen-1"}))
    (text,) = world.gateway.delivered.values()
    assert "обновления ЭЦП" in text
    assert "ЭЦҚ жаңарту" in text
    await otp.service.check(JOURNEY, world.code)
    assert world.topics() == ["otp.sent", "otp.verified"]


def test_the_sms_names_the_action_in_both_languages_and_warns_not_to_tell_the_code() -> None:
    text = sms_text("271828")
    assert text.startswith("271828")
    for part in ("ЭЦҚ алу", "получения ЭЦП", "Ешкімге айтпаңыз", "не сообщайте никому"):
        assert part in text
