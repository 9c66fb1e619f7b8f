"""Checkpoints vouch for the ledger's head, are told once each, and show an outside judge what they are."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509 import ObjectIdentifier

from libs.common.testing.faults import Crash, Faults
from services.ca.authority.hierarchy import TSA
from services.ca.collections import CHECKPOINTS
from services.ca.keys.store import require_ec
from services.ca.ledger.acts import Checkpointed, ConfigurationChanged
from services.ca.ledger.checkpoints import Checkpoint, Checkpoints
from services.ca.ledger.stamps import StampRefused, verify
from services.ca.timestamp.api import TimeStamping
from services.ca.timestamp.clock import WatchedClock
from services.ca.timestamp.stamping import TimeStampAuthority
from tests.unit.ca.hierarchies import CertificationAuthority, establish, keystore, pem
from tests.unit.ca.judges import run
from tests.unit.ca.ledger.test_ledger import CONFIGURATION
from tests.unit.ca.office import Office, World

EVERY = timedelta(hours=1)


class Witnessed(Office):
    """An office that makes checkpoints."""

    def __init__(self, world: World, authority: CertificationAuthority, faults: Faults | None = None) -> None:
        super().__init__(world, authority, faults)
        self.authority = authority
        key = require_ec(keystore(authority.directory).load(TSA), TSA)
        tolerance = timedelta(milliseconds=500)
        self.drift = 0.0
        self.watched = WatchedClock(world.clock, lambda: world.now.timestamp() + self.drift, tolerance)
        tsa = TimeStampAuthority(authority.hierarchy.tsa, key, ObjectIdentifier("1.2.3"), tolerance)
        self.kind = self.engine.open(CHECKPOINTS)
        self.checkpoints = Checkpoints(
            self.kind.aggregates,
            self.ledger,
            TimeStamping(tsa, self.watched, lambda octets: bytes(range(octets))).over,
            configuration=CONFIGURATION,
            every=EVERY,
            clock=world.clock,
        )
        self.timers += ((self.kind, self.engine.timers(self.kind, self.checkpoints.wake)),)


@pytest.fixture
def office(world: World, authority: CertificationAuthority) -> Witnessed:
    return Witnessed(world, authority)


async def checkpoint(office: Witnessed) -> Checkpoint:
    newest = await office.checkpoints.newest()
    assert newest is not None
    return newest


async def test_the_head_is_vouched_for_told_and_kept_in_the_ledger(
    world: World, office: Witnessed, authority: CertificationAuthority, tmp_path: Path
) -> None:
    await office.checkpoints.start()
    await office.issued()
    await office.wake_due()
    newest = await checkpoint(office)
    assert newest.hash == world.chain.entries[newest.position - 1].hash
    assert [(each["position"], each["hash"]) for each in world.sent("ledger.checkpointed")] == [
        (newest.position, newest.hash)
    ]
    last = await office.ledger.last("ledger.checkpointed")
    assert last is not None
    assert isinstance(last.act, Checkpointed)
    assert last.act.token == newest.token
    token = base64.b64decode(newest.token)
    assert verify(token, bytes.fromhex(newest.hash), authority.trust).time == world.now
    for name, content in (("token.tsr", token), ("root.pem", pem(authority.hierarchy.root))):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "chain.pem").write_bytes(authority.hierarchy.chain_pem)
    judge = ("openssl", "ts", "-verify", "-in", tmp_path / "token.tsr", "-CAfile", tmp_path / "root.pem")
    at = ("-attime", str(int(world.now.timestamp())))
    assert "OK" in run(*judge, "-untrusted", tmp_path / "chain.pem", *at, "-digest", newest.hash)
    run(*judge, "-untrusted", tmp_path / "chain.pem", *at, "-digest", "00" * 32, refused=True)


async def test_a_ledger_that_stands_still_gets_no_further_checkpoint_and_one_that_grows_does(
    world: World, office: Witnessed
) -> None:
    await office.checkpoints.start()
    await office.wake_due()
    for _ in range(3):
        world.now += EVERY
        await office.wake_due()
    assert len(world.sent("ledger.checkpointed")) == 1
    await office.issued()
    world.now += EVERY
    await office.wake_due()
    first, second = (each["position"] for each in world.sent("ledger.checkpointed"))
    assert second > first


async def test_a_crash_at_any_step_leaves_one_checkpoint_told_once(authority: CertificationAuthority) -> None:
    counted = Faults()
    await _due(World(), authority, counted)
    for step in range(1, counted.steps + 1):
        world = World()
        with pytest.raises(Crash):
            await _due(world, authority, Faults(step))
        world.now += timedelta(minutes=1)
        office = Witnessed(world, authority)
        await office.checkpoints.start()
        await office.wake_due()
        await office.kind.outbox.sweep()
        sent = {each["position"] for each in world.sent("ledger.checkpointed")}
        on_record = [e for e in world.chain.entries if e.fact.kind == "ledger.checkpointed"]
        assert (len(sent), len(on_record)) == (1, 1), f"step {step}"


async def _due(world: World, authority: CertificationAuthority, faults: Faults) -> None:
    office = Witnessed(world, authority, faults)
    await office.checkpoints.start()
    await office.wake_due()


async def test_while_the_clock_is_in_doubt_nothing_is_vouched_for_and_later_it_is(
    world: World, office: Witnessed
) -> None:
    await office.checkpoints.start()
    office.drift = 60.0
    await office.wake_due()
    assert await office.checkpoints.newest() is None
    for _ in range(8):
        world.now += timedelta(minutes=1)
        await office.wake_due()
    assert (await checkpoint(office)).position == 1


async def test_what_the_authority_works_with_is_on_record_from_the_start(office: Witnessed) -> None:
    await office.checkpoints.start()
    await office.checkpoints.start()
    (entry,) = office.world.chain.entries
    act = office.ledger.read(entry)
    assert isinstance(act, ConfigurationChanged)
    assert act.after == CONFIGURATION


@pytest.mark.parametrize("spoil", ["digest", "signature", "refusal", "rubbish", "stranger"])
async def test_a_stamp_that_is_not_ours_over_that_digest_is_refused(
    office: Witnessed, authority: CertificationAuthority, spoil: str, tmp_path: Path
) -> None:
    await office.checkpoints.start()
    await office.wake_due()
    newest = await checkpoint(office)
    token, digest, anchors = base64.b64decode(newest.token), bytes.fromhex(newest.hash), authority.trust
    match spoil:
        case "digest":
            digest = hashlib.sha256(b"other").digest()
        case "signature":
            token = token[:-1] + bytes([token[-1] ^ 1])
        case "refusal":
            token = bytes.fromhex("30053003020102")
        case "rubbish":
            token = token[:50]
        case _:
            anchors = establish(tmp_path).trust
    with pytest.raises(StampRefused):
        verify(token, digest, anchors)
