"""Citizens who go the whole way, several at once."""

import asyncio

from tests.journey.harness import System
from tests.journey.invariants import DECISIONS, PROOFS

AT_ONCE = 4


async def test_several_families_at_once_end_with_two_certificates_and_one_decision_a_person(system: System) -> None:
    people = [system.person() for _ in range(AT_ONCE)]
    async with asyncio.TaskGroup() as group:
        ways = [group.create_task(system.whole_way(person)) for person in people]
    facts = await system.facts()
    for eds, view in (way.result() for way in ways):
        assert view.status == "decided"
        assert [person.outcome for person in view.persons] == ["granted"] * 3
        decided = facts.of(view.application_id, *DECISIONS)
        assert sorted(each.value["person"] for each in decided) == sorted(person.person for person in view.persons)
        assert eds.sign.certificate is not None
        serial = f"{eds.sign.certificate.serial_number:x}"
        (issued,) = (each for each in facts.all("cert.issued") if each.value["serial"] == serial)
        assert {each.value["profile"] for each in facts.of(issued.subject, "cert.issued")} == {"SIGN", "AUTH"}
        assert len(facts.of(issued.subject, "cert.issued", *PROOFS)) == 5
        (closed,) = facts.of(issued.subject, "journey.closed")
        assert closed.value["outcome"] == "completed"
