"""Certificates that end early: what rests on them goes back, newer ones replace them, a failed journey leaves none."""

from cryptography import x509

from deploy.embedded.process import Server
from deploy.embedded.services import RunningServices
from libs.citizen.cli.person import newest_code
from libs.citizen.journey.enrolment import KeyPairs
from libs.citizen.journey.progress import wait_until
from libs.citizen.journey.revocation import revoke_by_code, signed_request
from libs.citizen.signing.cms import signer
from libs.common.core.values import utc_now
from tests.fixtures.people import attach, family_of
from tests.journey.actions import at_certificates, authority_is, ended, hanging, refused, serial_of
from tests.journey.harness import WAITING, System


async def test_an_application_signed_with_a_certificate_revoked_before_the_decision_is_returned(system: System) -> None:
    person = system.person()
    eds, session = await system.eds(person), await system.sign_in(person)
    submitted = await system.apply(person, session, eds)
    await reached(system, submitted.application_id, "checked")
    asked = await signed_request(serial_of(eds.sign), "keyCompromise", eds.auth, utc_now())
    await system.services.ca.revoke_signed(asked.request, asked.signature)
    await reached(system, submitted.application_id, "returned")
    with refused("application.returned"):
        await system.services.kandas.decide(system.officer, submitted.application_id, "p1", "granted")
    with refused("certificate.revoked"):
        await system.kandas(session).submit(submitted.application_id, signer(eds.sign))
    (returned,) = (await system.facts()).of(submitted.application_id, "kandas.returned")
    assert returned.value["reason"] == "certificate.revoked"

    renewed = await system.eds(person)
    await system.kandas(session).submit(submitted.application_id, signer(renewed.sign))
    assert (await system.decide(submitted.application_id)).status == "decided"
    signed = (await system.facts()).of(submitted.application_id, "kandas.submitted")
    assert [each.value["certificate_serial"] for each in signed] == [serial_of(eds.sign), serial_of(renewed.sign)]


async def test_a_citizen_who_lost_the_keys_revokes_with_pin_and_code_and_a_pin_alone_does_not(system: System) -> None:
    person = system.person()
    eds, session = await system.eds(person), await system.sign_in(person)
    serial = serial_of(eds.sign)
    with refused("token.wrong_role"):
        await system.services.ca.revoke(session.token, serial, "keyCompromise")
    await revoke_by_code(system.services, session, serial, "keyCompromise", Phone(system))
    facts = await system.facts()
    (revoked,) = [each for each in facts.all("cert.revoked") if each.value["serial"] == serial]
    assert revoked.value["reason"] == "keyCompromise"
    (requested,) = [each for each in facts.all("revocation.requested") if each.value["serial"] == serial]
    assert [each.topic for each in facts.all("otp.confirmed") if each.subject == requested.subject] == ["otp.confirmed"]
    assert serial in await on_the_list(system, {serial})


class Phone:
    """The citizen's phone, which is the development inbox."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def code(self, journey_id: str) -> str:
        return await newest_code(self._system.services, journey_id)


async def test_a_second_journey_of_a_citizen_supersedes_the_certificates_of_the_first(system: System) -> None:
    person = system.person()
    first = await system.eds(person)
    second = await system.eds(person)
    old = {serial_of(first.sign), serial_of(first.auth)}
    new = {serial_of(second.sign), serial_of(second.auth)}
    facts = await system.facts()
    revoked = {each.value["serial"]: each.value["reason"] for each in facts.all("cert.revoked")}
    assert {serial: revoked.get(serial) for serial in old} == dict.fromkeys(old, "superseded")
    assert not new & revoked.keys()

    session = await system.sign_in(person)
    cabinet = await system.services.identity.cabinet(session)
    assert {each.serial: each.revoked for each in cabinet.certificates} == {
        **dict.fromkeys(old, True),
        **dict.fromkeys(new, False),
    }
    listed = await on_the_list(system, old)
    assert not listed & new
    with refused("certificate.revoked"):
        application_id = await system.kandas(session).open(family_of(person), attach)
        await system.kandas(session).submit(application_id, signer(first.sign))


async def test_a_journey_that_expires_after_its_certificates_were_issued_takes_them_back(
    system: System, running: RunningServices, broker_process: Server
) -> None:
    """The news of the certificates does not reach identity in time, for the broker hangs until the deadline passed."""
    await running.stop("identity")
    await running.start("identity", overrides={"IDENTITY_RULES__ENROLMENT": "PT20S", "IDENTITY_RULES__GRACE": "PT0S"})
    try:
        person = system.person()
        ticket = await system.begin(person)
        await at_certificates(system, person, ticket)
        pairs = KeyPairs.make()
        with hanging(broker_process):
            await system.services.ca.enrol(ticket, pairs.sign_csr, pairs.auth_csr, ticket.journey_id)
            issued = await authority_is(system, ticket, "issued")
            assert await ended(system, ticket) == "journey.expired"
    finally:
        await running.stop("identity")
        await running.start("identity")
    serials = {each.serial for each in issued.certificates}
    assert await on_the_list(system, serials) >= serials
    facts = await system.facts()
    revoked = {each.value["serial"]: each.value["reason"] for each in facts.of(ticket.journey_id, "cert.revoked")}
    assert revoked == dict.fromkeys(serials, "cessationOfOperation")
    view = await wait_until(
        lambda: system.services.identity.journey(ticket),
        lambda view: all(each.revoked for each in view.certificates),
        seconds=lambda _: WAITING.machines,
    )
    assert (view.outcome, {each.serial for each in view.certificates}) == ("expired", serials)


async def reached(system: System, application_id: str, status: str) -> None:
    """Wait until the applicant sees an application in this state."""
    await wait_until(
        lambda: system.services.kandas.application(system.sessions[application_id], application_id),
        lambda view: view.status == status,
        seconds=lambda _: WAITING.machines,
    )


async def on_the_list(system: System, serials: set[str]) -> set[str]:
    """Wait until the revocation list has these serial numbers, and give all that it has."""

    async def listed_serials() -> set[str]:
        crl = x509.load_pem_x509_crl(await system.services.ca.crl("issuing", 0))
        return {f"{entry.serial_number:x}" for entry in crl}

    return await wait_until(listed_serials, lambda listed: serials <= listed, seconds=lambda _: WAITING.machines)
