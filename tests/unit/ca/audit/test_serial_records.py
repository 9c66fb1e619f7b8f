"""What is said of serial numbers is the same whether it was held in memory or written away in between."""

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.ca.audit.serial_records import NEVER, Answer, Revocation, Slip, Slips

BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)
moments = st.integers(0, 100).map(lambda hours: BEGAN + timedelta(hours=hours))
revocations = st.builds(Revocation, moments, st.sampled_from(["superseded", "keyCompromise"]))
said = st.one_of(
    st.tuples(st.sampled_from(["where", "subject", "intended", "issued", "stored"]), st.text("ab", min_size=1)),
    st.tuples(st.sampled_from(["revoked", "stored_revoked", "listed", "told_revoked"]), revocations),
    st.tuples(st.just("answer"), st.builds(Answer, st.none() | revocations)),
    st.tuples(st.sampled_from(["not_before", "not_after", "told", "touch"]), moments),
    st.tuples(st.sampled_from(["certificates", "places", "troubles"]), st.text("xyz", min_size=1)),
)  # fmt: skip


def say(slip: Slip, name: str, what: object) -> None:
    match name, what:
        case "touch", datetime():
            slip.touch(what)
        case "certificates", str():
            slip.certificates.add(what)
        case (("places" | "troubles"), str()):
            setattr(slip, name, (*getattr(slip, name), what))
        case _:
            setattr(slip, name, what)


def laid(slips: Slips) -> dict[str, Slip]:
    found = [slip for part in slips.parts() for slip in part]
    assert len({each.serial for each in found}) == len(found), "each number once"
    return {each.serial: each for each in found}


@given(told=st.lists(st.tuples(st.sampled_from("0123456789"), said)), at_once=st.integers(1, 12))
def test_what_is_written_away_says_the_same_when_it_is_laid_together(
    told: list[tuple[str, tuple[str, object]]], at_once: int
) -> None:
    held, written = Slips(), Slips(at_once)
    for serial, (name, what) in told:
        for each in (held, written):
            say(each.of(serial), name, what)

    assert laid(written) == laid(held)
    assert laid(written) == laid(held), "and again"


def test_what_is_noted_while_reading_is_there_at_the_next_reading() -> None:
    slips = Slips(2)
    for number in range(100):
        slips.of(f"{number:x}").state = "issued"

    for part in slips.parts():
        for each in part:
            slips.of(each.serial).owner = f"owner of {each.serial}"

    found = laid(slips)
    assert len(found) == 100
    assert all((each.owner, each.state) == (f"owner of {serial}", "issued") for serial, each in found.items())


def test_a_slip_nobody_touched_was_never_touched() -> None:
    slip = Slip("1")
    slip.lay(Slip("1"))
    assert (slip.first, slip.touched) == (NEVER, NEVER)


def numbers(count: int) -> Iterator[str]:
    return (UUID(int=number << 64).hex for number in range(count))


def test_memory_does_not_grow_with_the_number_of_certificates() -> None:
    """Twice: store and ledger, as the check reads them. Each slip takes half a kilobyte or more when it is held."""

    def peak(count: int) -> int:
        tracemalloc.start()
        slips = Slips(2_000)
        for place in ("store", "ledger"):
            for serial in numbers(count):
                slip = slips.of(serial)
                slip.where, slip.intended = f"{place}-{serial}", serial * 2
        assert sum(len(part) for part in slips.parts()) == count
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert (peak(12_000) - peak(4_000)) / 8_000 < 60  # octets a certificate
