"""Citizens who go the whole way, several at once."""

import asyncio

from tests.journey.invariants import DECISIONS, PROOFS
from tests.journey.town import Town

AT_ONCE = 4


async def test_several_families_at_once_end_with_two_certificates_and_one_decision_a_person(town: Town) -> None:
    people = [town.person() for _ in range(AT_ONCE)]
    async with asyncio.TaskGroup() as group:
        ways = [group.create_task(town.whole_way(person)) for person in people]
    told = await town.told()
    for eds, view in (way.result() for way in ways):
        assert view.status == "decided"
        assert [person.outcome for person in view.persons] == ["granted"] * 3
        decided = told.of(view.application_id, *DECISIONS)
        assert sorted(each.value["person"] for each in decided) == sorted(person.person for person in view.persons)
        assert eds.sign.certificate is not None
        serial = f"{eds.sign.certificate.serial_number:x}"
        (issued,) = (each for each in told.all("cert.issued") if each.value["serial"] == serial)
        assert {each.value["profile"] for each in told.of(issued.subject, "cert.issued")} == {"SIGN", "AUTH"}
        assert len(told.of(issued.subject, "cert.issued", *PROOFS)) == 5
        (closed,) = told.of(issued.subject, "journey.closed")
        assert closed.value["outcome"] == "completed"
