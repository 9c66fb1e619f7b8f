"""PINs: easy ones are refused, hashes tell nothing, and hashing does not hold up the event loop."""

import asyncio
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.core.errors import Refused
from services.identity.accounts.hashing import HashRules, Pins
from services.identity.accounts.pins import PinHash, check_not_simple
from services.identity.problems import PROBLEMS
from tests.unit.identity.factories import IIN, PHONE, QUICK_HASH, UNHURRIED

BORN = date(1985, 4, 12)


def check(pin: str) -> None:
    check_not_simple(pin, birth_date=BORN, iin=IIN, phone=PHONE)


@pytest.mark.parametrize("pin", ["111111", "000000", "121212", "112112", "775577", "483483", "274472"])
def test_few_digits_and_repeated_groups_are_too_simple(pin: str) -> None:
    with pytest.raises(Refused) as refused:
        check(pin)
    assert (refused.value.key, PROBLEMS[refused.value.key]) == ("pin.too_simple", 422)


@pytest.mark.parametrize("pin", ["123456", "654321", "012345", "890123", "135791", "975319", "112233", "998877"])
def test_digits_in_a_row_are_too_simple(pin: str) -> None:
    with pytest.raises(Refused):
        check(pin)


@pytest.mark.parametrize("pin", ["850412", "120485", "041285", "198504", "041985", "399015", "700000", "000012"])
def test_birth_date_iin_and_phone_are_too_simple(pin: str) -> None:
    with pytest.raises(Refused):
        check(pin)


@pytest.mark.parametrize("pin", ["483920", "605817", "481592", "129045"])
def test_a_pin_that_nobody_tries_first_is_taken(pin: str) -> None:
    check(pin)


@UNHURRIED
@given(st.from_regex(r"[0-9]{6}", fullmatch=True))
def test_no_pin_with_one_or_two_different_digits_passes_and_the_refusal_does_not_repeat_it(pin: str) -> None:
    try:
        check(pin)
    except Refused as refused:
        assert pin not in str(refused.facts)  # noqa: PT017 - both outcomes are right; what is told must not hold the PIN
    else:
        assert len(set(pin)) > 2


async def test_a_hash_matches_its_pin_alone_and_differs_each_time() -> None:
    pins = Pins(QUICK_HASH)
    first, second = await pins.hash("483920"), await pins.hash("483920")
    assert first.encoded.startswith("$argon2id$")
    assert first != second
    assert await pins.match(first, "483920")
    assert not await pins.match(first, "483921")
    for pin in ("483920", "nobody"):
        assert not await pins.match(None, pin)


async def test_nobodys_hash_takes_as_long_to_compare_as_somebodys() -> None:
    pins = Pins(HashRules(memory_kib=8192, passes=2))
    somebody = await pins.hash("483920")
    costs: dict[PinHash | None, list[float]] = {somebody: [], None: []}
    for _ in range(9):
        for pin_hash, spent in costs.items():
            began = time.process_time()  # of all threads: another process's load does not count
            await pins.match(pin_hash, "000000")
            spent.append(time.process_time() - began)
    assert 0.5 < min(costs[somebody]) / min(costs[None]) < 2


async def test_the_event_loop_goes_on_while_a_pin_is_hashed() -> None:
    pins = Pins(HashRules(memory_kib=65536, passes=3))
    hashing = asyncio.create_task(pins.hash("483920"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
