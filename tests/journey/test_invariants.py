"""The checker of the invariants finds what it is there to find."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest

from tests.journey.invariants import Facts, violations
from tests.journey.records import Record

_offsets = count()


def record(topic: str, subject: str, second: int, **value: object) -> Record:
    place = next(_offsets)
    headers: Mapping[str, str | None] = {
        "ce_id": f"id-{place}",
        "ce_subject": subject,
        "ce_correlationid": subject,
        "ce_time": f"2026-03-02T09:00:{second:02d}+00:00",
    }
    return Record(topic, 0, place, subject, headers, value)


def issued(journey: str, second: int, serial: str, profile: str) -> Record:
    return record("cert.issued", journey, second, serial=serial, profile=profile, citizen_id="c")


def decided(second: int, person: str) -> Record:
    return record("kandas.granted", "application", second, person=person)


STARTED, VERIFIED, MATCHED, CREATED = (
    record(topic, "journey", second)
    for second, topic in enumerate(("journey.started", "otp.verified", "face.matched", "digital_id.created"))
)
SIGN, AUTH = issued("journey", 5, "5a", "SIGN"), issued("journey", 5, "a0", "AUTH")
CLOSED = record("journey.closed", "journey", 6, outcome="completed")
SUBMITTED = record("kandas.submitted", "application", 7, persons=["p1", "p2"], certificate_serial="5a", citizen_id="c")
WELL = [STARTED, VERIFIED, MATCHED, CREATED, SIGN, AUTH, CLOSED, SUBMITTED, decided(8, "p1"), decided(9, "p2")]


def revoked(second: int) -> Record:
    moment = f"2026-03-02T09:00:{second:02d}+00:00"
    return record("cert.revoked", "journey", second, serial="5a", profile="SIGN", revoked_at=moment)


def signed_with(serial: str, citizen: str = "c") -> list[Record]:
    value = {**SUBMITTED.value, "certificate_serial": serial, "citizen_id": citizen}
    return [replace(each, value=value) if each is SUBMITTED else each for each in WELL]


def test_a_journey_that_went_well_violates_nothing_however_it_is_repeated_and_ordered() -> None:
    assert violations([*reversed(WELL), *WELL]) == []
    assert Facts(WELL).unfinished_journeys == set()
    assert Facts(WELL).unfinished_applications == set()


def test_what_has_not_ended_is_named() -> None:
    assert Facts(WELL[:6]).unfinished_journeys == {"journey"}
    assert Facts(WELL[:-1]).unfinished_applications == {"application"}


@pytest.mark.parametrize("missing", [VERIFIED, MATCHED, CREATED])
def test_a_certificate_without_a_proof_is_found(missing: Record) -> None:
    found = violations([each for each in WELL if each is not missing])
    assert [text[:2] for text in found] == ["1:", "1:"]


def test_a_proof_that_came_later_is_none() -> None:
    late = record("face.matched", "journey", 30)
    assert any("face.matched" in text for text in violations([late if each is MATCHED else each for each in WELL]))


@pytest.mark.parametrize(
    ("number", "records"),
    [
        ("2", [*WELL, issued("journey", 7, "5b", "SIGN")]),
        ("2", [*WELL, issued("journey", 7, "a0", "AUTH")]),
        ("3", signed_with("a0")),
        ("3", signed_with("ff")),
        ("3", signed_with("5a", citizen="somebody else")),
        ("3", [*WELL, revoked(6)]),
        ("4", [*WELL, decided(20, "p2")]),
        ("4", [*WELL, decided(20, "p7")]),
        ("5", [*WELL, record("journey.closed", "journey", 9, outcome="failed")]),
    ],
)
def test_every_violation_is_found_and_named_by_its_number(number: str, records: list[Record]) -> None:
    assert {text[0] for text in violations(records)} == {number}


def test_a_certificate_revoked_after_the_signature_is_no_violation() -> None:
    assert violations([*WELL, revoked(8)]) == []


def test_one_id_for_two_facts_and_a_key_that_is_not_the_subject_are_found() -> None:
    twin = replace(CLOSED, offset=-1, value={"outcome": "failed"})
    assert any("one id" in text for text in violations([*WELL, twin]))
    assert any("keyed" in text for text in violations([*WELL[:-1], replace(WELL[-1], key="other")]))
