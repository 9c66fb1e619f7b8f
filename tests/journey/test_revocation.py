"""Certificates that end early: what rests on them goes back, newer ones replace them, a failed journey leaves none."""

from cryptography import x509

from deploy.embedded.people import attach, family_of
from deploy.embedded.process import Server
from deploy.embedded.town import Together
from libs.citizen.cli.person import newest_code
from libs.citizen.enrolment import KeyPairs
from libs.citizen.progress import wait_until
from libs.citizen.revocation import revoke_by_code, signed_request
from libs.citizen.signing import signer
from libs.common.core.values import utc_now
from tests.journey.steps import at_certificates, authority_is, ended, hanging, refused, serial_of
from tests.journey.town import WAITING, Town


async def test_an_application_signed_with_a_certificate_revoked_before_the_decision_is_returned(town: Town) -> None:
    person = town.person()
    eds, session = await town.eds(person), await town.sign_in(person)
    submitted = await town.apply(person, session, eds)
    await reached(town, submitted.application_id, "checked")
    asked = await signed_request(serial_of(eds.sign), "keyCompromise", eds.auth, utc_now())
    await town.services.ca.revoke_signed(asked.request, asked.signature)
    await reached(town, submitted.application_id, "returned")
    with refused("application.returned"):
        await town.services.kandas.decide(town.officer, submitted.application_id, "p1", "granted")
    with refused("certificate.revoked"):
        await town.kandas(session).submit(submitted.application_id, signer(eds.sign))
    (returned,) = (await town.told()).of(submitted.application_id, "kandas.returned")
    assert returned.value["reason"] == "certificate.revoked"

    renewed = await town.eds(person)
    await town.kandas(session).submit(submitted.application_id, signer(renewed.sign))
    assert (await town.decide(submitted.application_id)).status == "decided"
    signed = (await town.told()).of(submitted.application_id, "kandas.submitted")
    assert [each.value["certificate_serial"] for each in signed] == [serial_of(eds.sign), serial_of(renewed.sign)]


async def test_a_citizen_who_lost_the_keys_revokes_with_pin_and_code_and_a_pin_alone_does_not(town: Town) -> None:
    person = town.person()
    eds, session = await town.eds(person), await town.sign_in(person)
    serial = serial_of(eds.sign)
    with refused("token.wrong_role"):
        await town.services.ca.revoke(session.token, serial, "keyCompromise")
    await revoke_by_code(town.services, session, serial, "keyCompromise", Phone(town))
    told = await town.told()
    (revoked,) = [each for each in told.all("cert.revoked") if each.value["serial"] == serial]
    assert revoked.value["reason"] == "keyCompromise"
    (requested,) = [each for each in told.all("revocation.requested") if each.value["serial"] == serial]
    assert [each.topic for each in told.all("otp.confirmed") if each.subject == requested.subject] == ["otp.confirmed"]
    assert serial in await on_the_list(town, {serial})


class Phone:
    """The citizen's phone, which is the development inbox."""

    def __init__(self, town: Town) -> None:
        self._town = town

    async def code(self, journey_id: str) -> str:
        return await newest_code(self._town.services, journey_id)


async def test_a_second_journey_of_a_citizen_supersedes_the_certificates_of_the_first(town: Town) -> None:
    person = town.person()
    first = await town.eds(person)
    second = await town.eds(person)
    old = {serial_of(first.sign), serial_of(first.auth)}
    new = {serial_of(second.sign), serial_of(second.auth)}
    told = await town.told()
    revoked = {each.value["serial"]: each.value["reason"] for each in told.all("cert.revoked")}
    assert {serial: revoked.get(serial) for serial in old} == dict.fromkeys(old, "superseded")
    assert not new & revoked.keys()

    session = await town.sign_in(person)
    cabinet = await town.services.identity.cabinet(session)
    assert {each.serial: each.revoked for each in cabinet.certificates} == {
        **dict.fromkeys(old, True),
        **dict.fromkeys(new, False),
    }
    listed = await on_the_list(town, old)
    assert not listed & new
    with refused("certificate.revoked"):
        application_id = await town.kandas(session).open(family_of(person), attach)
        await town.kandas(session).submit(application_id, signer(first.sign))


async def test_a_journey_that_expires_after_its_certificates_were_issued_takes_them_back(
    town: Town, together: Together, broker_process: Server
) -> None:
    """The news of the certificates does not reach identity in time, for the broker hangs until the deadline passed."""
    await together.stop("identity")
    await together.start("identity", told={"IDENTITY_RULES__ENROLMENT": "PT20S", "IDENTITY_RULES__GRACE": "PT0S"})
    try:
        person = town.person()
        ticket = await town.set_out(person)
        await at_certificates(town, person, ticket)
        pairs = KeyPairs.make()
        with hanging(broker_process):
            await town.services.ca.enrol(ticket, pairs.sign_csr, pairs.auth_csr, ticket.journey_id)
            issued = await authority_is(town, ticket, "issued")
            assert await ended(town, ticket) == "journey.expired"
    finally:
        await together.stop("identity")
        await together.start("identity")
    serials = {each.serial for each in issued.certificates}
    assert await on_the_list(town, serials) >= serials
    told = await town.told()
    revoked = {each.value["serial"]: each.value["reason"] for each in told.of(ticket.journey_id, "cert.revoked")}
    assert revoked == dict.fromkeys(serials, "cessationOfOperation")
    view = await wait_until(
        lambda: town.services.identity.journey(ticket),
        lambda view: all(each.revoked for each in view.certificates),
        seconds=lambda _: WAITING.machines,
    )
    assert (view.outcome, {each.serial for each in view.certificates}) == ("expired", serials)


async def reached(town: Town, application_id: str, status: str) -> None:
    """Wait until the applicant sees an application in this state."""
    await wait_until(
        lambda: town.services.kandas.application(town.sessions[application_id], application_id),
        lambda view: view.status == status,
        seconds=lambda _: WAITING.machines,
    )


async def on_the_list(town: Town, serials: set[str]) -> set[str]:
    """Wait until the revocation list has these serial numbers, and give all that it has."""

    async def look() -> set[str]:
        crl = x509.load_pem_x509_crl(await town.services.ca.crl("issuing", 0))
        return {f"{entry.serial_number:x}" for entry in crl}

    return await wait_until(look, lambda listed: serials <= listed, seconds=lambda _: WAITING.machines)
