"""What citizens and strangers get wrong: each is refused with its reason, and nothing is lost by it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.embedded.services import RunningServices
from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.cli.person import newest_code
from libs.citizen.errors import JourneyEnded
from libs.citizen.journey.enrolment import Eds
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.keys.requests import make_request
from libs.citizen.signing.cms import sign_detached
from libs.common.core.values import utc_now
from tests.fixtures.people import PIN, Invented, attach, bench_camera, family_of, invent
from tests.journey.actions import at_certificates, refused
from tests.journey.harness import PEOPLE, System

TRIES = 5


async def test_an_iin_that_is_malformed_or_unknown_begins_no_journey(system: System) -> None:
    before = len((await system.facts()).all("journey.started"))
    person, stranger = system.person(), invent(PEOPLE + 7)
    with refused("iin.malformed"):
        await system.services.identity.start(person.iin[:-1] + str((int(person.iin[-1]) + 1) % 10), person.phone)
    with refused("iin.unknown"):
        await system.services.identity.start(stranger.iin, stranger.phone)
    assert len((await system.facts()).all("journey.started")) == before


async def test_wrong_codes_use_up_their_tries_and_then_even_the_right_one_is_refused(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    code = await newest_code(system.services, ticket.journey_id)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    with refused("otp.wrong_code", tries_left=2):
        await system.services.otp.verify(ticket, wrong)
    with refused("otp.wrong_code", tries_left=1):
        await system.services.otp.verify(ticket, wrong)
    for digits in (wrong, code):
        with refused("otp.tries_used_up"):
            await system.services.otp.verify(ticket, digits)
    with refused("otp.too_soon"):
        await system.services.otp.resend(ticket)
    (rejected,) = (await system.facts()).of(ticket.journey_id, "otp.rejected")
    assert (rejected.value["reason"], rejected.value["final"]) == ("tries_used_up", False)
    assert (await system.services.identity.journey(ticket)).waits_for == "citizen.code"


async def test_after_a_wrong_code_the_right_one_counts_also_when_it_is_repeated(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    code = await newest_code(system.services, ticket.journey_id)
    with refused("otp.wrong_code", tries_left=2):
        await system.services.otp.verify(ticket, f"{(int(code) + 1) % 1_000_000:06d}")
    for _ in range(3):
        await system.services.otp.verify(ticket, code)
    await system.way(person, ticket).complete()
    assert len((await system.facts()).of(ticket.journey_id, "otp.verified")) == 1


async def test_a_late_code_is_replaced_by_another_and_the_journey_goes_on(
    system: System, running: RunningServices
) -> None:
    await running.stop("otp")
    await running.start("otp", overrides={"OTP_RULES__CODE_LIFETIME": "PT0.5S", "OTP_RULES__RESEND_AFTER": "PT0S"})
    person = system.person()
    ticket = await system.begin(person)
    late = await newest_code(system.services, ticket.journey_id)
    await asyncio.sleep(1)  # twice as long as a code lives here
    with refused("otp.expired"):
        await system.services.otp.verify(ticket, late)
    await running.stop("otp")
    await running.start("otp")
    await system.services.otp.resend(ticket)
    fresh = await newest_code(system.services, ticket.journey_id, {late})
    await system.services.otp.verify(ticket, fresh)
    await system.way(person, ticket).complete()
    facts = await system.facts()
    assert [each.value["reason"] for each in facts.of(ticket.journey_id, "otp.rejected")] == ["expired"]
    assert [each.value["number"] for each in facts.of(ticket.journey_id, "otp.sent")] == [1, 2]


async def test_another_persons_card_costs_a_try_and_ones_own_then_passes(system: System) -> None:
    person, other = system.person(), system.person()
    cards = [bench_camera(other), bench_camera(person)]

    async def camera(challenge: Sequence[str]) -> Mapping[Part, Upload]:
        return await cards.pop(0)(challenge)

    ticket = await system.begin(person)
    await system.way(person, ticket, camera).complete()
    (rejected,) = (await system.facts()).of(ticket.journey_id, "face.rejected")
    assert "document.of_another_person" in rejected.value["reasons"]
    assert (rejected.value["tries_left"], rejected.value["final"]) == (TRIES - 1, False)


async def test_five_times_another_persons_card_ends_the_journey_without_certificates(system: System) -> None:
    person, other = system.person(), system.person()
    ticket = await system.begin(person)
    with pytest.raises(JourneyEnded) as ended:
        await system.way(person, ticket, bench_camera(other)).complete()
    assert ended.value.key == "journey.face_rejected"
    facts = await system.facts()
    assert [each.value["final"] for each in facts.of(ticket.journey_id, "face.rejected")] == [False] * 4 + [True]
    assert facts.of(ticket.journey_id, "face.matched", "digital_id.created", "cert.issued") == []
    (closed,) = facts.of(ticket.journey_id, "journey.closed")
    assert closed.value["outcome"] == "failed"


async def test_requests_that_cannot_be_honoured_are_refused_and_good_ones_then_taken(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    await at_certificates(system, person, ticket)
    good, other = (make_request(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    bad = {
        "csr.malformed": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "csr.key_curve": _request(ec.generate_private_key(ec.SECP224R1())),
        "csr.foreign_key_type": _request(ed25519.Ed25519PrivateKey.generate()),
        "csr.bad_signature": _tampered(good),
    }
    for number, (key, request) in enumerate(bad.items()):
        with refused(key):
            await system.services.ca.enrol(ticket, request, other, f"{ticket.journey_id}-{number}")
    await system.way(person, ticket).complete()
    facts = await system.facts()
    assert {each.value["reason"] for each in facts.of(ticket.journey_id, "cert.refused")} == bad.keys()
    assert len(facts.of(ticket.journey_id, "cert.issued")) == 2


async def test_a_pin_too_simple_is_refused_and_a_wrong_one_opens_no_cabinet(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    with refused("journey.face_missing"):
        await system.services.identity.create_digital_id(ticket, PIN)
    await system.way(person, ticket)._prove_phone()
    await system.way(person, ticket)._prove_face()
    with refused("pin.too_simple"):
        await system.services.identity.create_digital_id(ticket, "123456")
    await system.way(person, ticket).complete()
    with refused("pin.wrong"):
        await system.services.identity.sign_in(person.iin, "916273")
    assert (await system.sign_in(person)).token


async def test_only_the_applicants_own_signature_over_the_application_counts(system: System) -> None:
    person, stranger = system.person(), system.person()
    own, strange = await system.eds(person), await system.eds(stranger)
    session = await system.sign_in(person)
    application_id = await system.kandas(session).open(family_of(person), attach)
    document = await system.services.kandas.document(session, application_id)

    async def send(entry: KeyEntry, signed: bytes = document) -> None:
        signature = await sign_detached(signed, entry, utc_now())
        await system.services.kandas.sign(session, application_id, signature)

    with refused("signature.not_applicant"):
        await send(strange.sign)
    with refused("signature.forged"):
        await send(replace(own.sign, key=strange.sign.key))
    with refused("signature.look_alike"):
        await send(_look_alike(own))
    with refused("signature.wrong_document"):
        await send(own.sign, document.replace(b"KZ-75", b"KZ-71"))
    with refused("signature.malformed"):
        await system.services.kandas.sign(session, application_id, b"\x30\x03\x02\x01\x01")
    with refused("application.unknown"):
        await _of_another(system, stranger, application_id, own)
    assert (await system.facts()).of(application_id, "kandas.submitted") == []
    await send(own.sign)
    system.sessions[application_id] = session
    assert (await system.decide(application_id)).status == "decided"


async def _of_another(system: System, stranger: Invented, application_id: str, eds: Eds) -> None:
    session = await system.sign_in(stranger)
    await system.services.kandas.sign(session, application_id, await sign_detached(b"{}", eds.sign, utc_now()))


def _request(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
    return request.public_bytes(Encoding.PEM).decode()


def _tampered(pem: str) -> str:
    """The same request, with one bit of its signature changed."""
    changed = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(Encoding.DER))
    changed[-1] ^= 1
    return x509.load_der_x509_csr(bytes(changed)).public_bytes(Encoding.PEM).decode()


def _look_alike(own: Eds) -> KeyEntry:
    """A certificate with every word of the real one, by an authority with every word of ours, but other keys."""
    real = own.sign.certificate
    assert real is not None
    issuing = own.sign.chain[0]
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    return KeyEntry(key, _copied(real, key, authority), (_copied(issuing, authority, authority),))


def _copied(
    real: x509.Certificate, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(real.subject)
        .issuer_name(real.issuer)
        .public_key(key.public_key())
        .serial_number(real.serial_number)
        .not_valid_before(real.not_valid_before_utc)
        .not_valid_after(real.not_valid_after_utc - timedelta(seconds=1))
    )
    for extension in real.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(signer, hashes.SHA256())
