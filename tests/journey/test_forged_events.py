"""Attacks by whoever can write to the topics, on the real services: what nobody's producer signed leads to nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.contracts.events import Meta
from libs.common.contracts.http.identity import JourneyStep
from libs.common.contracts.signatures import EventSigner
from libs.common.contracts.topics import TOPICS
from libs.common.core.values import utc_now
from libs.common.testing.event_keys import keys_of
from tests.journey.actions import at_certificates, authority_is
from tests.journey.harness import System
from tests.journey.records import Record
from tests.journey.test_hostile_events import Hostile, dead_letters, producer, write

TOPIC = {topic.name: topic for topic in TOPICS}


@dataclass
class Attacker:
    """Writes to every topic, and has a key of their own or that of one service which they took over."""

    system: System
    writing: AIOKafkaProducer

    def __post_init__(self) -> None:
        stolen = keys_of(self.system.installation.folder / "keys")["otp"]
        self.signers = (None, EventSigner(Ed25519PrivateKey.generate()), EventSigner(stolen))

    async def forge(self, topic: str, subject: str, value: Mapping[str, object], id_: str | None = None) -> None:
        """Write a fact unsigned, with an own key and with otp's key, and wait until every reader has refused it."""
        meta = Meta(id_ or str(uuid4()), TOPIC[topic].event.type(), TOPIC[topic].producer, utc_now(), subject, subject)
        key, octets, headers = subject.encode(), json.dumps(value).encode(), meta.headers()
        places = set()
        for signer in self.signers:
            signature = () if signer is None else (signer.sign(topic, key, headers, octets),)
            places.add(
                await write(self.system, self.writing, topic, Hostile(topic, key, octets, (*headers, *signature)))
            )
        for reader in TOPIC[topic].consumers:
            failures = await dead_letters(self.system, topic, reader, places)
            assert all(failures[place].startswith("ForgedMessage") for place in places), failures


async def fact(system: System, topic: str, subject: str) -> Record:
    (found,) = [each for each in (await system.facts()).all(topic) if each.subject == subject]
    return found


async def test_a_forged_face_match_yields_no_digital_id_and_no_certificates(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    await system.way(person, ticket)._prove_phone()
    async with producer(system) as writing:
        attacker = Attacker(system, writing)
        await attacker.forge("face.matched", ticket.journey_id, {"model": "m1"})
        created = {"citizen_id": str(uuid4()), "person_ref": "0" * 32}
        await attacker.forge("digital_id.created", ticket.journey_id, created)
    assert (await system.services.identity.journey(ticket)).step == JourneyStep.FACE
    await authority_is(system, ticket, "collecting")
    # The attack cost the citizen nothing.
    await at_certificates(system, person, ticket)


async def test_a_forged_end_of_a_journey_revokes_no_certificate(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    await system.way(person, ticket).complete()
    async with producer(system) as writing:
        closed = {"outcome": "failed", "reason": "journey.failed"}
        await Attacker(system, writing).forge("journey.closed", ticket.journey_id, closed)
    facts = await system.facts()
    assert not [each for each in facts.all("cert.revoked") if each.subject == ticket.journey_id]


async def test_a_sealed_record_of_a_stranger_does_not_name_them_in_ones_own_journey(system: System) -> None:
    victim, attacker = system.person(), system.person()
    stolen = await fact(system, "journey.started", (await system.begin(victim)).journey_id)
    own = await system.begin(attacker)
    async with producer(system) as writing:
        await Attacker(system, writing).forge("journey.started", own.journey_id, dict(stolen.value), stolen.id)
    eds = await system.way(attacker, own).complete()
    assert eds.sign.certificate is not None
    subject = eds.sign.certificate.subject.rfc4514_string()
    assert attacker.iin in subject
    assert victim.iin not in subject
