"""What the authority did and was about to do is on record: before the key signs, once, in order, and sealed."""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from libs.common.storage.chain import breaks
from libs.common.testing.faults import Crash, Faults
from services.ca.authority.issuers import Issuer, PrivateKey
from services.ca.crl.signing import CrlFields, RevokedEntries, sign_list
from services.ca.ledger import acts, recording
from services.ca.ledger.acts import (
    ACTS,
    CertificateIntended,
    CertificateIssued,
    CertificateRevoked,
    Configuration,
    ListIntended,
    ListSigned,
    RevocationAsked,
)
from tests.unit.ca.hierarchies import PERSON, CertificationAuthority
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import CITIZEN, JOURNEY, LEASE, Office, World, closed, csrs

CONFIGURATION = Configuration(
    issuer_keys=("aa",),
    responder_keys=("bb",),
    tsa_certificate_sha256="cc",
    tsa_policy="1.2.3",
    clock_tolerance_ms=500,
    crl_shards=1,
    base_url="http://pki.test.kz/pki",
)


def recorded(office: Office) -> Sequence[acts.Act]:
    return [office.ledger.read(entry) for entry in office.world.chain.entries]


def watch_keys(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have every use of the issuing key checked against what is on record at that moment."""
    signed: list[str] = []
    sign = Issuer.sign

    def watched(self: Issuer, key: PrivateKey, data: bytes) -> bytes:
        digest = hashlib.sha256(data).hexdigest()
        assert any(f'"tbs_sha256":"{digest}"' in entry.fact.payload for entry in world.chain.entries), "not on record"
        signed.append(digest)
        return sign(self, key, data)

    def watched_crl(entries: Sequence[RevokedEntries], edition: CrlFields, *rest: Any) -> Any:
        intents = [ACTS.validate_json(e.fact.payload) for e in world.chain.entries if e.fact.kind == "list.intended"]
        meant = [each.after for each in intents if isinstance(each, ListIntended)]
        assert (edition.number, edition.this_update, sum(each.count for each in entries)) in [
            (each.number, each.this_update, each.entries) for each in meant
        ]
        signed.append("list")
        monkeypatch.setattr(Issuer, "sign", sign)  # the list's own signature is what was just looked at
        try:
            return sign_list(entries, edition, *rest)
        finally:
            monkeypatch.setattr(Issuer, "sign", watched)

    monkeypatch.setattr(Issuer, "sign", watched)
    monkeypatch.setattr("services.ca.crl.signing.sign_list", watched_crl)
    return signed


async def test_no_key_signs_what_is_not_on_record_before(
    world: World, authority: CertificationAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = OcspHost(world, authority)
    signed = watch_keys(world, monkeypatch)
    await counter.open()
    (sign, _) = await counter.issued()
    await counter.revocations.by_clerk(sign.serial, "keyCompromise", CITIZEN)
    await counter.wake_due()
    assert len(signed) == 5, "the two responders', two of the citizen, and a list"


async def test_an_issuance_and_a_revocation_stand_with_what_was_before_and_what_after(office: Office) -> None:
    (sign, auth) = await office.issued()
    await office.revocations.by_clerk(sign.serial, "keyCompromise", "clerk-7")
    await office.wake_due()
    sent = recorded(office)
    kinds = [each.kind for each in sent]
    assert kinds == [
        "certificate.intended",
        "certificate.intended",
        "certificate.issued",
        "certificate.issued",
        "revocation.asked",
        "certificate.revoked",
        "list.intended",
        "list.signed",
    ]
    intended, issued, asked, revoked, listed = (sent[n] for n in (0, 2, 4, 5, 7))
    signed = recording.certificate(sign)
    assert isinstance(intended, CertificateIntended)
    assert intended.after.tbs_sha256 == hashlib.sha256(signed.tbs_certificate_bytes).hexdigest()
    assert isinstance(issued, CertificateIssued)
    assert (issued.serial, issued.before, intended.citizen_id) == (sign.serial, intended.after, CITIZEN)
    assert bytes.fromhex(issued.signature) == signed.signature
    assert isinstance(asked, RevocationAsked)
    assert (asked.serial, asked.role, asked.by, asked.reason) == (sign.serial, "clerk", "clerk-7", "keyCompromise")
    assert isinstance(revoked, CertificateRevoked)
    assert revoked.before == issued.after
    assert (revoked.after.reason, revoked.after.at) == ("keyCompromise", office.world.now)
    assert isinstance(listed, ListSigned)
    assert (listed.before, listed.after.entries) == (None, 1)
    assert auth.serial in {each.serial for each in sent if isinstance(each, CertificateIssued)}
    assert {each.fact.about for each in office.world.chain.entries} == {JOURNEY, f"list/{sign.issuer}/{sign.crl_shard}"}
    assert list(breaks(office.world.chain.entries)) == []


def _about(fact: str) -> str:
    """Give the act and the serial number it is about."""
    return "/".join(fact.split("/")[:2])


async def test_a_crash_at_any_step_leaves_each_act_once_and_nothing_told_that_is_not_on_record(
    authority: CertificationAuthority,
) -> None:
    counted, world = Faults(), World()
    await _requested(world, authority)
    await Office(world, authority, counted).wake_due()
    for step in range(1, counted.steps + 1):
        world = World()
        await _requested(world, authority)
        with pytest.raises(Crash):
            await Office(world, authority, Faults(step)).wake_due()
        on_record = {_about(entry.fact.id) for entry in world.chain.entries}
        assert {f"issued/{each['serial']}" for each in world.sent("cert.issued")} <= on_record
        world.now += LEASE
        office = Office(world, authority)
        await office.wake_due()
        serials = [each.serial for each in await office.certificates()]
        ids = [_about(entry.fact.id) for entry in world.chain.entries]
        assert ids == [f"intended/{each}" for each in serials] + [f"issued/{each}" for each in serials], f"step {step}"
        assert list(breaks(world.chain.entries)) == []


async def _requested(world: World, authority: CertificationAuthority) -> None:
    office = Office(world, authority)
    await office.opened()
    await office.request(JOURNEY, *csrs())


async def test_a_journey_that_ends_badly_has_its_revocations_on_record_with_the_time_and_reason_told(
    world: World, office: Office
) -> None:
    await office.issued()
    world.now += LEASE
    await office.receive(closed("failed"))
    await office.wake_due()
    revoked = [each for each in recorded(office) if isinstance(each, CertificateRevoked)]
    sent = world.sent("cert.revoked")
    assert [(each.serial, each.after.reason) for each in revoked] == [(each["serial"], each["reason"]) for each in sent]
    assert len(revoked) == 2


async def test_nothing_personal_stands_in_clear(world: World, office: Office) -> None:
    (sign, _) = await office.issued()
    text = "".join(entry.fact.payload + entry.fact.id + entry.fact.about for entry in world.chain.entries)
    tbs = recording.certificate(sign).tbs_certificate_bytes
    planted = (
        PERSON.iin,
        PERSON.surname,
        PERSON.given_name,
        base64.b64encode(PERSON.iin.encode()).decode(),
        base64.b64encode(tbs).decode()[:200],
        tbs.hex()[:200],
    )
    assert [each for each in planted if each in text] == []


async def test_what_is_sealed_is_read_by_whoever_holds_the_key(office: Office) -> None:
    await office.issued()
    (intended, *_) = recorded(office)
    assert isinstance(intended, CertificateIntended)
    assert intended.holder is not None
    assert intended.holder.value.iin == PERSON.iin


async def test_what_the_authority_works_with_is_recorded_when_it_changes_also_back_and_by_one_of_many_replicas(
    world: World, authority: CertificationAuthority
) -> None:
    other = CONFIGURATION.model_copy(update={"tsa_policy": "1.2.4"})
    for configuration in (CONFIGURATION, CONFIGURATION, other, CONFIGURATION):
        offices = [Office(world, authority) for _ in range(3)]
        await asyncio.gather(*(each.ledger.configure(configuration) for each in offices))
    sent = [each for each in recorded(Office(world, authority)) if isinstance(each, acts.ConfigurationChanged)]
    assert [(each.before, each.after) for each in sent] == [
        (None, CONFIGURATION),
        (CONFIGURATION, other),
        (other, CONFIGURATION),
    ]
