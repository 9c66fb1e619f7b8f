"""Renewal over all services: the code and the present key give new certificates, and no face is asked for."""

from uuid import uuid4

from libs.citizen.signing.cms import signer
from tests.journey.actions import refused, serial_of
from tests.journey.harness import System
from tests.journey.invariants import violations


async def test_a_citizen_renews_without_a_face_check_and_goes_on_with_the_new_certificate(system: System) -> None:
    person = system.person()
    first, session = await system.eds(person), await system.sign_in(person)
    ticket = await system.services.identity.renew(session, person.phone, None, str(uuid4()))
    way = system.way(person, ticket)
    way.present = signer(first.sign)
    await way._prove_phone()
    with refused("capture.not_open"):
        await system.services.biometrics.capture(ticket)
    second = await way.complete()

    facts = await system.facts()
    topics = {each.topic for each in facts.records if each.subject == ticket.journey_id}
    assert not {"face.matched", "digital_id.created"} & topics
    old = {serial_of(first.sign), serial_of(first.auth)}
    revoked = {each.value["serial"]: each.value["reason"] for each in facts.all("cert.revoked")}
    assert {serial: revoked.get(serial) for serial in old} == dict.fromkeys(old, "superseded")
    assert (
        violations([each for each in facts.records if each.subject == ticket.journey_id])
        == [f"1: certificates were renewed in journey {ticket.journey_id} by a citizen who had none"] * 2
    ), "seen alone, without the first journey's records, a renewal is what must not be"
    assert violations(facts.records) == []
    submitted = await system.apply(person, session, second)
    assert submitted.application_id
