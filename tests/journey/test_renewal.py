"""Renewal over all services: the code and the present key give new certificates, and no face is asked for."""

from uuid import uuid4

from libs.citizen.signing import signer
from tests.journey.invariants import violations
from tests.journey.steps import refused, serial_of
from tests.journey.town import Town


async def test_a_citizen_renews_without_a_face_check_and_goes_on_with_the_new_certificate(town: Town) -> None:
    person = town.person()
    first, session = await town.eds(person), await town.sign_in(person)
    ticket = await town.services.identity.renew(session, person.phone, None, str(uuid4()))
    way = town.way(person, ticket)
    way.present = signer(first.sign)
    await way._prove_phone()
    with refused("capture.not_open"):
        await town.services.biometrics.capture(ticket)
    second = await way.complete()

    told = await town.told()
    topics = {each.topic for each in told.records if each.subject == ticket.journey_id}
    assert not {"face.matched", "digital_id.created"} & topics
    old = {serial_of(first.sign), serial_of(first.auth)}
    revoked = {each.value["serial"]: each.value["reason"] for each in told.all("cert.revoked")}
    assert {serial: revoked.get(serial) for serial in old} == dict.fromkeys(old, "superseded")
    assert (
        violations([each for each in told.records if each.subject == ticket.journey_id])
        == [f"1: certificates were renewed in journey {ticket.journey_id} by a citizen who had none"] * 2
    ), "seen alone, without the first journey's records, a renewal is what must not be"
    assert violations(told.records) == []
    submitted = await town.apply(person, session, second)
    assert submitted.application_id
