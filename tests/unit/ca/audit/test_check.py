"""The check finds nothing where all is well, and each thing that is not, by its own key."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.contracts.events import Event, Meta, decode
from libs.common.delivery.decisions import Decision
from libs.common.storage.chain import Entry, Head
from services.ca.audit.gather import Sources, gather, read_topics
from services.ca.audit.rules import Times
from services.ca.authority.hierarchy import ROOT_LIST
from services.ca.crl.shards import CrlEdition
from services.ca.crl.signing import CrlFields, sign_list
from services.ca.enrolment import states
from services.ca.issuance.authority import IssuingAuthority
from services.ca.ledger import recording
from services.ca.ledger.acts import Archived, CertificateIntended, Checkpointed
from services.ca.model.ids import ShardId
from services.ca.status.records import Statuses
from services.ca.tools.check import AuditReport, lines, report
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.ledger.test_checkpoints import Witnessed
from tests.unit.ca.office import JOURNEY, KEYRING, NEWER, World, closed, csrs

LATER = timedelta(hours=2)
ANYBODY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a77"


class Audited(Witnessed):
    """An office whose books are looked at."""

    async def report(self, *, topics: bool = True, witnesses: tuple[tuple[str, Checkpointed], ...] = ()) -> AuditReport:
        sources = Sources(
            enrolments=self.enrolments.aggregates,
            lists=self.list_kind.aggregates,
            pages=self.world.records["pages"],
            statuses=Statuses(self.world.records["statuses"]),
            book=self.world.book,
            chain=self.world.chain,
            ledger=self.ledger,
            hierarchy=self.authority.hierarchy,
            root_list=self.authority.directory / ROOT_LIST,
            keyring=KEYRING,
        )
        evidence = await gather(sources, witnesses, self.authority.publication.base_url)
        if topics:
            await read_topics(evidence, self.sent())
        return report(evidence, Times(now=self.world.now, settled=self.world.now - timedelta(minutes=1)))

    async def found(self, **options: Any) -> set[str]:
        return {each.key for each in (await self.report(**options)).findings}

    async def sent(self) -> AsyncIterator[tuple[Event, Meta]]:
        kinds: dict[str, type[Event]] = {CertIssued.topic: CertIssued, CertRevoked.topic: CertRevoked}
        for each in self.world.log.published:
            if each.topic in kinds:
                yield decode(kinds[each.topic], each.meta, each.value.encode(), KEYRING), each.meta

    def tamper(self, kind: str, key: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a stored state behind the service's back."""
        rows = self.world.rows[kind].rows
        state = json.loads(json.dumps(rows[key].state))
        change(state)
        rows[key] = replace(rows[key], state=state)

    def forge(self, position: int, **changes: Any) -> None:
        """Change an entry of the ledger behind the service's back."""
        entries = self.world.chain.entries
        entries[position - 1] = replace(entries[position - 1], **changes)


@pytest.fixture
async def office(world: World, authority: CertificationAuthority) -> Audited:
    """A day in the life: one citizen with two sets, a revocation, a failed journey; all settled and vouched for."""
    office = Audited(world, authority)
    await office.lists.start()
    await office.checkpoints.start()
    await office.issued()
    await office.receive(closed("completed"))
    (sign, _) = await office.issued(NEWER, 3)
    await office.revocations.by_clerk(sign.serial, "keyCompromise", "clerk-1")
    await office.wake_due()
    await office.issued(ANYBODY, 5)
    await office.receive(closed("failed"), ANYBODY)
    await office.wake_due()
    world.now += LATER
    await office.wake_due()
    return office


async def test_where_all_is_well_nothing_is_found_and_the_report_says_what_was_looked_at(office: Audited) -> None:
    result = await office.report()
    assert result.findings == ()
    assert (result.enrolments, result.issued, result.revoked, result.lists) == (
        3,
        6,
        6,
        len(office.world.rows["lists"].rows) + 1,
    )
    assert result.entries == len(office.world.chain.entries)
    assert result.checkpoints >= 1
    assert lines(result)[-1] == "All is well."


def entry_of(office: Audited, kind: str) -> Entry:
    return next(each for each in office.world.chain.entries if each.fact.kind == kind)


def altered_payload(office: Audited) -> None:
    entry = entry_of(office, "certificate.revoked")
    office.forge(
        entry.position, fact=replace(entry.fact, payload=entry.fact.payload.replace("superseded", "unspecified"))
    )


def removed_entry(office: Audited) -> None:
    del office.world.chain.entries[3]


def shortened(office: Audited) -> None:
    del office.world.chain.entries[4:]


def rewritten(office: Audited) -> None:
    """A whole new chain, flawless by itself, without one act."""
    head, entries = Head(0, "0" * 64), []
    for each in office.world.chain.entries:
        if each.fact.kind != "revocation.asked":
            entries.append(Entry.after(head, each.at, each.fact))
            head = entries[-1].head
    office.world.chain.entries[:] = entries


def lost_enrolment(office: Audited) -> None:
    del office.world.rows["enrolments"].rows[JOURNEY]


def undone_revocation(office: Audited) -> None:
    def change(state: dict[str, Any]) -> None:
        for each in state["certificates"]:
            each |= {"revoked_at": None, "revoked_for": None}

    office.tamper("enrolments", JOURNEY, change)


def other_reason(office: Audited) -> None:
    office.tamper("enrolments", JOURNEY, lambda state: state["certificates"][0].update(revoked_for="unspecified"))


def unlisted(office: Audited) -> None:
    rows = office.world.rows["lists"].rows
    for key in tuple(rows):
        rows[key] = replace(rows[key], state=dict(rows[key].state) | {"issue": _first_edition(office, key)})


def _first_edition(office: Audited, key: str) -> dict[str, Any]:
    """An empty list, signed by the authority, as somebody who puts back an older edition would."""
    authority = office.authority
    issuing = IssuingAuthority(authority.hierarchy, authority.publication, authority.keys, shards=2)
    place, now = ShardId.parse(key), office.world.now
    edition = CrlFields(number=1, url=authority.publication.crl(place.issuer, place.number), this_update=now)
    frame = sign_list([], edition, issuing.hierarchy.generation(place.issuer).issuer, issuing.keys[place.issuer])
    issue = CrlEdition(
        number=1,
        signed_at=now,
        this_update=now,
        next_update=edition.next_update,
        before=frame.before.hex(),
        after=frame.after.hex(),
        sha256=hashlib.sha256(frame.before + frame.after).hexdigest(),
    )
    return issue.model_dump(mode="json")


def unreserved(office: Audited) -> None:
    for name in [name for name in office.world.book.owners if name[0] == "serial"]:
        del office.world.book.owners[name]


def never_sent(office: Audited) -> None:
    untold(office, JOURNEY, "cert.issued")


def revocation_never_sent(office: Audited) -> None:
    untold(office, JOURNEY, "cert.revoked")


def untold(office: Audited, journey: str, topic: str) -> None:
    kept = [e for e in office.world.log.published if (e.topic, e.meta.subject) != (topic, journey)]
    office.world.log.published[:] = kept


def in_two_journeys(office: Audited) -> None:
    rows = office.world.rows["enrolments"].rows
    office.tamper("enrolments", NEWER, lambda state: state["certificates"][1].update(serial=_serials(rows[JOURNEY])[1]))


def _serials(row: Any) -> list[str]:
    return [each["serial"] for each in row.state["certificates"]]


def crl_of_a_stranger(office: Audited) -> None:
    def change(state: dict[str, Any]) -> None:
        after = bytearray.fromhex(state["issue"]["after"])
        after[-1] ^= 1
        state["issue"]["after"] = after.hex()

    office.tamper("lists", next(iter(office.world.rows["lists"].rows)), change)


def cut_off(office: Audited) -> None:
    chain = office.world.chain
    chain.begins = chain.entries[2].head
    del chain.entries[:3]


def sealed_for_others(office: Audited) -> None:
    entry = entry_of(office, "certificate.intended")
    payload = json.loads(entry.fact.payload)
    payload["record"]["box"] = base64.b64encode(bytes(64)).decode()
    office.forge(entry.position, fact=replace(entry.fact, payload=json.dumps(payload)))


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (altered_payload, {"ledger.broken", "store.other_revocation"}),
        (removed_entry, {"ledger.broken"}),
        (sealed_for_others, {"ledger.broken", "ledger.unreadable", "ledger.no_intent"}),
        (cut_off, {"ledger.cut"}),
        (lost_enrolment, {"store.certificate_missing", "topic.certificate_only", "topic.revocation_only"}),
        (undone_revocation, {"store.revocation_missing", "topic.revocation_only", "store.listed_only"}),
        (other_reason, {"store.other_revocation", "store.listed_only"}),
        (unlisted, {"list.revocation_missing", "list.backwards"}),
        (crl_of_a_stranger, {"list.invalid"}),
        (unreserved, {"serial.not_reserved"}),
        (never_sent, {"topic.certificate_missing"}),
        (revocation_never_sent, {"topic.revocation_missing"}),
        (in_two_journeys, {"serial.twice", "certificate.lint"}),
    ],
)
async def test_each_harm_is_found_by_its_name(
    office: Audited, harm: Callable[[Audited], None], expected: set[str]
) -> None:
    harm(office)
    result = await office.report()
    assert expected <= result.found.keys()
    assert result.errors > 0
    assert lines(result)[-1] != "All is well."


async def test_of_a_disaster_everything_is_counted_and_the_beginning_is_shown(
    office: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ca.tools.check.KEPT", 2)
    unreserved(office)

    result = await office.report()

    assert (result.found["serial.not_reserved"], len(result.findings)) == (result.errors, 2)
    assert result.errors == result.issued


@pytest.mark.parametrize(("harm", "expected"), [(shortened, "ledger.shortened"), (rewritten, "ledger.rewritten")])
async def test_a_chain_that_holds_by_itself_is_found_out_by_a_checkpoint_kept_elsewhere(
    office: Audited, harm: Callable[[Audited], None], expected: str
) -> None:
    newest = await office.checkpoints.newest()
    assert newest is not None
    kept = Checkpointed.model_validate(newest.model_dump())
    assert await office.found(witnesses=(("vault", kept),)) == set()
    harm(office)
    assert expected in await office.found(witnesses=(("vault", kept),))


async def test_a_checkpoint_that_nobody_vouched_for_is_told_and_not_believed(office: Audited) -> None:
    newest = await office.checkpoints.newest()
    assert newest is not None
    forged = Checkpointed(position=10_000, hash="ab" * 32, token=newest.token)
    rubbish = Checkpointed(position=10_000, hash="zz", token="!")  # noqa: S106 - a time-stamp, or what pretends to be one
    assert await office.found(witnesses=(("topic", forged), ("file", rubbish))) == {"checkpoint.invalid"}


async def test_topics_that_were_lost_as_a_whole_are_a_warning_because_nothing_can_be_compared(office: Audited) -> None:
    office.world.log.published.clear()
    result = await office.report()
    assert ({each.key for each in result.findings}, result.errors) == ({"topic.short"}, 0)


async def test_the_topics_are_left_out_when_asked_and_nothing_is_said_about_them(office: Audited) -> None:
    never_sent(office)
    assert await office.found(topics=False) == set()


async def test_a_signature_that_may_exist_and_is_neither_stored_nor_revoked_is_found(
    world: World, office: Audited
) -> None:
    journey = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a88"
    await office.opened(journey)
    await office.request(journey, *csrs(7))
    intents = await _signed_and_gone(office, journey)
    world.now += LATER
    await office.wake_due()
    findings = [each for each in (await office.report()).findings if each.key == "signature.unaccounted"]
    assert {each.about for each in findings} == {each.serial for each in intents}


async def _signed_and_gone(office: Audited, journey: str) -> list[CertificateIntended]:
    """Bring a journey up to its intents on record, then lose it, as an older release or a backup would."""
    rows = office.world.rows["enrolments"].rows
    before = rows[journey]
    await office.wake_due()
    gone = office.world.chain.entries
    keep = [e for e in gone if not (e.fact.about == journey and e.fact.kind == "certificate.issued")]
    sent = [office.ledger.read(e) for e in keep if e.fact.about == journey]
    relinked, head = [], Head(0, "0" * 64)
    for each in keep:
        if each.fact.kind != "ledger.checkpointed":
            relinked.append(Entry.after(head, each.at, each.fact))
            head = relinked[-1].head
    gone[:] = relinked
    office.world.log.published[:] = [e for e in office.world.log.published if e.meta.subject != journey]
    rows[journey] = replace(before, state={"kind": "closed", "reason": "journey.failed"}, wake_at=None, outbox=())
    return [each for each in sent if isinstance(each, CertificateIntended)]


async def test_what_is_just_happening_is_not_judged(world: World, office: Audited) -> None:
    journey = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a99"
    await office.issued(journey, 9)
    del office.world.rows["enrolments"].rows[journey]
    assert await office.found() == set()
    world.now += LATER
    assert "store.certificate_missing" in await office.found()


async def test_a_journey_that_stands_still_before_the_signature_is_a_warning(world: World, office: Audited) -> None:
    journey = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a66"
    await office.opened(journey)
    await office.request(journey, *csrs(11))
    wake_at = office.world.rows["enrolments"].rows[journey].wake_at
    assert wake_at is not None
    assert await office.timers[0][1].run_once(journey, wake_at)
    state = await office.enrolments.aggregates.get(journey)
    assert isinstance(state, states.Issuing)
    await office.ledger.record(journey, *(recording.intended(each.value) for each in state.intents))
    world.now += timedelta(minutes=10)
    result = await office.report()
    assert {(each.key, each.severity) for each in result.findings} == {("issuance.stuck", "warning")}
    assert result.errors == 0


async def test_a_cut_that_an_act_on_record_tells_of_is_no_finding(office: Audited) -> None:
    chain = office.world.chain
    head = chain.entries[4].head
    await office.ledger.record("authority", Archived(position=head.position, hash=head.hash, archive_sha256="00" * 32))
    await chain.cut(head)
    assert await Audited(office.world, office.authority).found() == set()


async def test_an_ocsp_answer_that_differs_from_the_decision_is_found(office: Audited) -> None:
    rows = office.world.records["statuses"].rows
    revoked = [row for row in rows.values() if "at" in row]
    del revoked[0]["at"]
    revoked[1]["reason"] = "keyCompromise" if revoked[1]["reason"] != "keyCompromise" else "superseded"
    assert await office.found() == {"status.revocation_missing", "status.other_revocation"}


async def test_two_signatures_of_the_same_bytes_on_record_are_no_finding(office: Audited) -> None:
    """What a crash leaves behind where a token signs: it never makes the same signature twice."""
    state = await office.enrolments.aggregates.get(JOURNEY)
    assert isinstance(state, states.Issued)
    act = recording.issued(x509.load_pem_x509_certificate(state.certificates[0].text.value.pem.encode()))
    other = act.model_copy(
        update={"signature": "00", "after": act.after.model_copy(update={"certificate_sha256": "11" * 32})}
    )
    await office.ledger.record(JOURNEY, other)
    assert await office.found() == set()


async def test_an_altered_certificate_is_found_by_its_signature_and_by_the_lint(office: Audited) -> None:
    """The holder's name is another than the one the certificate was issued for."""
    state = await office.enrolments.aggregates.get(NEWER)
    assert isinstance(state, states.Issued)
    other = await office.enrolments.aggregates.get(JOURNEY)
    assert isinstance(other, states.Issued)
    swapped = (state.certificates[0], state.certificates[1].model_copy(update={"text": other.certificates[1].text}))
    changed = state.model_copy(update={"certificates": swapped})
    await office.enrolments.aggregates.apply(NEWER, lambda _: Decision(changed))
    found = await office.found()
    assert {"certificate.lint", "store.other_certificate"} <= found
