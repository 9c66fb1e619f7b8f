"""A key of the operator's own was stolen: what a ceremony states is refused by everybody, ourselves included."""

import base64
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponse
from pydantic import ValidationError

from libs.common.pki.der import serial_text
from services.ca.authority.hierarchy import ROOT_LIST, HierarchyError, load
from services.ca.authority.revoked import REVOKED, read_revoked
from services.ca.ceremony.config import RevokedConfig
from services.ca.ledger.acts import Checkpointed
from services.ca.model.ids import ShardId
from services.ca.revocation.operators import OperatorsRevocations
from services.ca.verification.service import VerificationRequest, VerificationService
from services.kandas.documents.seal import Seal
from tests.unit.ca.audit.test_check import Audited
from tests.unit.ca.authority.test_rollover import NEXT
from tests.unit.ca.hierarchies import EC, NOW, RSA, SEAL_PASSPHRASE, CertificationAuthority, establish, pem
from tests.unit.ca.judges import lint_crl, run
from tests.unit.ca.ledger.test_checkpoints import checkpoint
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import JOURNEY, NEWER, World, csrs, key
from tests.unit.ca.signing import DATA, OurStamps, Signer

STOLEN = NOW + timedelta(days=10)
HELD = NOW + timedelta(days=12)
"""The ceremony after the theft."""
BOTH = (EC, NEXT, RSA)


def stated(certificate: x509.Certificate | str, reason: str = "keyCompromise", at: datetime = STOLEN) -> RevokedConfig:
    """One ``[[revoked]]``: an issuing authority by its label, others by number."""
    name = {"label": certificate} if isinstance(certificate, str) else {"serial": number(certificate)}
    return RevokedConfig.model_validate({"at": at, "reason": reason, **name})


def number(certificate: x509.Certificate) -> str:
    return serial_text(certificate.serial_number)


def put_aside(home: Path, *labels: str, key_too: bool = False) -> None:
    """Take certificates out of use as the procedure says: the file stays under another name."""
    for label in labels:
        (home / f"{label}.pem").rename(home / f"{label}-before.pem")
        (home / f"{label}.intent").unlink()
        if key_too:
            (home / "keys" / f"{label}.key").unlink()


@pytest.fixture
def home(authority: CertificationAuthority, tmp_path: Path) -> Path:
    return shutil.copytree(authority.directory, tmp_path / "ca")


async def open_counter(world: World, authority: CertificationAuthority) -> OcspHost:
    """One replica, started as the service starts."""
    counter = OcspHost(world, authority)
    await counter.lists.start()
    await operators(counter).start()
    return await counter.open()


def operators(counter: OcspHost) -> OperatorsRevocations:
    return OperatorsRevocations(
        counter.authority.hierarchy,
        statuses=counter.statuses,
        lists=counter.lists,
        ledger=counter.ledger,
        clock=counter.world.clock,
    )


def without_issuing(home: Path, reason: str = "keyCompromise") -> CertificationAuthority:
    """Hold the ceremony after the EC issuing key was stolen: another generation, another seal, another TSA."""
    put_aside(home, "seal", "tsa")
    return establish(home, HELD, BOTH, (stated(EC.label, reason),))


async def fallen(world: World, home: Path, reason: str = "keyCompromise") -> tuple[OcspHost, x509.Certificate]:
    """A citizen is certified; then the authority that did it is revoked."""
    before = await open_counter(world, establish(home))
    certificate = await before.citizen()
    world.now = HELD
    return await open_counter(world, without_issuing(home, reason)), certificate


async def judged(counter: OcspHost, certificate: x509.Certificate, folder: Path, *, depth: str, refused: bool) -> None:
    """Let OpenSSL follow the chain, with the lists of the certificate's issuer and of the root."""
    place = ShardId.named_in(certificate)
    der = await counter.lists.revocation_list(place)
    assert der is not None
    home = counter.authority.directory
    own = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    (folder / "lists.pem").write_bytes(own + (home / ROOT_LIST).read_bytes())
    (folder / "one.pem").write_bytes(pem(certificate))
    at = str(int(counter.world.now.timestamp()) + 1)
    said = run("openssl", "verify", "-x509_strict", "-attime", at, depth, "-extended_crl", "-CAfile", home / "root.pem",
               "-untrusted", home / "chain.pem", "-CRLfile", folder / "lists.pem", folder / "one.pem",
               refused=refused)  # fmt: skip
    assert ("certificate revoked" in said) is refused


async def answered(counter: OcspHost, certificate: x509.Certificate, label: str = EC.label) -> OCSPResponse:
    issuer = counter.authority.hierarchy.generation(label).certificate
    return await counter.asked(counter.question(certificate, issuer=issuer))


async def test_openssl_refuses_a_citizens_certificate_once_its_issuing_authority_is_on_the_roots_list(
    world: World, home: Path, tmp_path: Path
) -> None:
    before = await open_counter(world, establish(home))
    certificate = await before.citizen()
    world.now += timedelta(minutes=1)
    await judged(before, certificate, tmp_path, depth="-crl_check_all", refused=False)
    world.now = HELD
    after = await open_counter(world, without_issuing(home))

    await judged(after, certificate, tmp_path, depth="-crl_check_all", refused=True)
    (listed,) = x509.load_pem_x509_crl((home / ROOT_LIST).read_bytes())
    assert listed.revocation_date_utc == STOLEN
    assert listed.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.ca_compromise
    assert lint_crl(x509.load_pem_x509_crl((home / ROOT_LIST).read_bytes()).public_bytes(Encoding.DER)) == []


async def test_the_next_generation_issues_and_openssl_accepts_that_with_all_lists(
    world: World, home: Path, tmp_path: Path
) -> None:
    after, _ = await fallen(world, home)
    await after.opened(NEWER)
    (new, _) = await after.issued(NEWER, first_key=11)

    assert new.issuer == NEXT.label
    world.now += timedelta(seconds=5)
    certificate = x509.load_pem_x509_certificate(new.text.value.pem.encode())
    await judged(after, certificate, tmp_path, depth="-crl_check_all", refused=False)
    for own in after.authority.hierarchy.own.values():
        await judged(after, own, tmp_path, depth="-crl_check_all", refused=False)


async def test_an_intent_of_a_revoked_authority_is_not_signed_any_more(world: World, home: Path) -> None:
    before = await open_counter(world, establish(home))
    await before.opened()
    await before.request(JOURNEY, *csrs())
    await before.service.wake(JOURNEY, world.now)  # one step: the intents are recorded, nothing is signed
    world.now = HELD
    after = await open_counter(world, without_issuing(home))
    await after.wake_due()

    assert await after.state() == "void"
    assert [each["final"] for each in world.sent("cert.refused")] == [True]
    assert world.sent("cert.issued") == []


@pytest.mark.parametrize(
    ("reason", "before_it"), [("superseded", True), ("cessationOfOperation", True), ("keyCompromise", False)]
)
async def test_nothing_under_a_revoked_authority_is_valid_and_before_it_only_if_its_key_was_not_stolen(
    world: World, home: Path, reason: str, *, before_it: bool
) -> None:
    counter, certificate = await fallen(world, home, reason)
    verification = VerificationService(counter.authority.trust, counter.witness, world.clock)
    der = certificate.public_bytes(Encoding.DER)

    now = await verification.certificate(der, VerificationRequest())
    before = await verification.certificate(der, VerificationRequest(at=STOLEN - timedelta(days=1)))

    assert now.reason == "revoked"
    assert (before.reason is None) is before_it
    (_, above) = now.evidence
    assert above.signed is not None
    crl = x509.load_der_x509_crl(above.signed)
    assert crl.get_revoked_certificate_by_serial_number(counter.authority.issuing.serial_number) is not None


@pytest.mark.parametrize(
    ("reason", "at", "found"),
    [
        ("keyCompromise", NOW + timedelta(days=1), "timestamp_revoked"),
        ("keyCompromise", HELD, "timestamp_revoked"),
        ("superseded", NOW + timedelta(days=1), None),
        ("superseded", HELD, "timestamp_revoked"),
    ],
)
async def test_a_time_stamp_by_a_stolen_key_proves_no_time_and_by_a_superseded_one_those_before(
    world: World, home: Path, tmp_path: Path, *, reason: str, at: datetime, found: str | None
) -> None:
    """Whoever has the key writes any time he likes."""
    first = establish(home)
    before = await open_counter(world, first)
    signature = await Signer(await before.citizen(), key(1), tmp_path).stamped(OurStamps(first, at))
    world.now = HELD
    put_aside(home, "tsa", key_too=True)
    counter = await open_counter(world, establish(home, HELD, revoked=(stated(first.hierarchy.tsa, reason),)))
    verification = VerificationService(counter.authority.trust, counter.witness, world.clock)

    (finding,) = (await verification.cms(signature, DATA, VerificationRequest())).findings

    assert finding.reason == found


@pytest.mark.parametrize("label", ["seal", "tsa"])
async def test_a_revoked_seal_or_tsa_is_on_its_issuers_list_and_ocsp_says_so(
    world: World, home: Path, tmp_path: Path, label: str
) -> None:
    old = establish(home).hierarchy.own[label]
    world.now = HELD
    put_aside(home, label, key_too=True)
    counter = await open_counter(world, establish(home, HELD, revoked=(stated(old),)))
    new = counter.authority.hierarchy.own[label]
    world.now += timedelta(seconds=5)

    answer = await answered(counter, old)
    assert (answer.certificate_status, answer.revocation_time_utc) == (OCSPCertStatus.REVOKED, STOLEN)
    assert (await answered(counter, new)).certificate_status is OCSPCertStatus.GOOD
    await judged(counter, old, tmp_path, depth="-crl_check", refused=True)
    await judged(counter, new, tmp_path, depth="-crl_check", refused=False)
    assert new.public_key() != old.public_key()


async def test_a_stolen_responders_key_answers_no_more_and_its_certificate_is_listed(
    world: World, home: Path, tmp_path: Path
) -> None:
    first = establish(home)
    before = await open_counter(world, first)
    (old,) = (await answered(before, first.hierarchy.seal)).certificates
    (home / "responder.pem").write_bytes(pem(old))
    world.now = HELD
    with pytest.raises(HierarchyError, match="«issuing-ocsp» is one that was stolen"):
        establish(home, HELD, revoked=(stated(old),))
    (home / "keys" / "issuing-ocsp.key").unlink()
    counter = await open_counter(world, establish(home, HELD, revoked=(stated(old),)))

    answer = await answered(counter, old)
    (new,) = answer.certificates
    assert answer.certificate_status is OCSPCertStatus.REVOKED
    assert new.public_key() != old.public_key()
    await judged(counter, old, tmp_path, depth="-crl_check", refused=True)


async def test_a_responder_gives_a_revoked_certificate_up_for_another(world: World, home: Path) -> None:
    first = establish(home)
    (old,) = (await answered(await open_counter(world, first), first.hierarchy.seal)).certificates
    (home / "responder.pem").write_bytes(pem(old))
    world.now = HELD
    counter = await open_counter(world, establish(home, HELD, revoked=(stated(old, "superseded"),)))

    (new,) = (await answered(counter, first.hierarchy.seal)).certificates
    assert new.serial_number != old.serial_number
    assert new.public_key() == old.public_key()


async def test_what_is_revoked_is_recorded_and_listed_once_however_often_the_service_starts(
    world: World, home: Path
) -> None:
    old = establish(home).hierarchy.seal
    world.now = HELD
    put_aside(home, "seal", key_too=True)
    counter = await open_counter(world, establish(home, HELD, revoked=(stated(old),)))
    signed = await counter.lists.current(ShardId(EC.label, 0))
    await operators(counter).start()
    await counter.wake_due()

    kinds = [each.fact.id for each in world.chain.entries if each.fact.kind == "certificate.revoked"]
    assert kinds == [f"revoked/{number(old)}"]
    assert await counter.lists.current(ShardId(EC.label, 0)) == signed


class Auditor(Audited, OcspHost):
    """An office with a responder, whose books are looked at."""


async def audited(world: World, home: Path) -> Auditor:
    """An authority and a seal are revoked, and all of it is settled."""
    old = establish(home).hierarchy.seal
    world.now = HELD
    put_aside(home, "seal", "tsa")
    (home / "keys" / "seal.key").unlink()
    office = Auditor(world, establish(home, HELD, BOTH, (stated(EC.label), stated(old))))
    await office.lists.start()
    await operators(office).start()
    await office.open()
    world.now += timedelta(hours=2)
    await office.wake_due()
    return office


async def test_the_check_finds_nothing_where_all_that_is_stated_is_listed(world: World, home: Path) -> None:
    result = await (await audited(world, home)).report()

    assert result.findings == ()
    assert result.revoked == 2


async def test_the_check_finds_a_list_that_lacks_what_was_stated(
    world: World, home: Path, authority: CertificationAuthority
) -> None:
    office = await audited(world, home)
    shutil.copy(authority.directory / ROOT_LIST, home / ROOT_LIST)  # signed by the root, but of before the theft
    above = number(office.authority.issuing)

    assert {(each.key, each.about) for each in (await office.report()).findings} == {("list.revocation_missing", above)}


async def test_the_check_finds_that_the_running_service_was_never_told(world: World, home: Path) -> None:
    office = await audited(world, home)
    world.records["statuses"].rows.clear()
    world.rows["lists"].rows.clear()
    await office.lists.start()
    await office.wake_due()

    assert "list.revocation_missing" in await office.found()


async def test_checkpoints_by_a_stolen_key_stay_as_they_agree_and_a_forged_one_accuses_nobody(
    world: World, home: Path
) -> None:
    """Between theft and ceremony the service itself made some, which later ones vouch for."""
    before = Auditor(world, establish(home))
    world.now = STOLEN + timedelta(days=1)
    await before.checkpoints.start()
    await before.wake_due()
    true = await checkpoint(before)
    forged = Checkpointed(position=true.position, hash="00" * 32, token=stamped(before, bytes(32)))
    world.now = HELD
    put_aside(home, "tsa", key_too=True)
    office = Auditor(world, establish(home, HELD, revoked=(stated(before.authority.hierarchy.tsa),)))
    await office.lists.start()
    await operators(office).start()
    await office.open()
    world.now += timedelta(hours=2)
    await office.wake_due()

    assert await office.found() == set()
    assert await office.found(witnesses=(("forged", forged),)) == {"checkpoint.invalid"}


def stamped(office: Auditor, digest: bytes) -> str:
    return base64.b64encode(OurStamps(office.authority, office.world.now).over(digest)).decode()


def test_kandas_does_not_seal_with_a_revoked_seal(home: Path) -> None:
    old = establish(home).hierarchy.seal
    (home / "seal.p12").rename(home / "seal-before.p12")
    put_aside(home, "seal", key_too=True)
    new = establish(home, HELD, revoked=(stated(old),)).hierarchy.seal

    with pytest.raises(ValueError, match=r"the seal in seal-before\.p12 was revoked"):
        Seal.from_file(home / "seal-before.p12", SEAL_PASSPHRASE, home / REVOKED)
    assert Seal.from_file(home / "seal.p12", SEAL_PASSPHRASE, home / REVOKED).serial_number == number(new)
    assert Seal.from_file(home / "seal-before.p12", SEAL_PASSPHRASE).serial_number == number(old)
    with pytest.raises(FileNotFoundError):
        Seal.from_file(home / "seal.p12", SEAL_PASSPHRASE, home / "none")


def test_the_transcript_tells_what_was_stated_and_that_the_roots_list_was_signed(home: Path) -> None:
    without_issuing(home)
    lines = [json.loads(each) for each in (home / "ceremony.jsonl").read_text(encoding="utf-8").splitlines()]

    (sent,) = (each for each in lines if each["step"] == "revocation stated")
    assert (sent["issuer"], sent["revoked_for"]) == ("root", "keyCompromise")
    assert (lines[-1]["step"], lines[-1]["number"], lines[-1]["entries"]) == ("revocation list signed", 2, 1)
    assert "Stated as revoked" in (home / "ceremony.txt").read_text(encoding="utf-8")


def test_held_again_it_changes_nothing(home: Path) -> None:
    first = without_issuing(home)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    again = establish(home, HELD + timedelta(days=30), BOTH, (stated(EC.label),))

    assert again.hierarchy == first.hierarchy
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_services_that_verify_are_no_longer_given_a_revoked_authority(home: Path) -> None:
    hierarchy = without_issuing(home).hierarchy
    given = x509.load_pem_x509_certificates((home / "issuers.pem").read_bytes())

    assert given == [hierarchy.generation(label).certificate for label in (NEXT.label, RSA.label)]
    assert hierarchy.generation(EC.label).certificate in x509.load_pem_x509_certificates(hierarchy.chain_pem)


def test_what_would_serve_under_a_revoked_certificate_stops_the_ceremony_and_the_service(home: Path) -> None:
    old = establish(home).hierarchy.seal
    for revoked, issuing, complaint in (
        (stated(EC.label), BOTH, "seal.pem is issued by «issuing», revoked: take seal.pem and seal.intent away"),
        (stated(EC.label), (EC, RSA), "every issuing authority for EC keys is revoked"),
        (stated(RSA.label), (EC, RSA), "every issuing authority for RSA keys is revoked"),
        (stated(old), (EC, RSA), "the key «seal» is one that was stolen"),
        (stated(old, "superseded"), (EC, RSA), "seal.pem was revoked at .* take seal.pem and seal.intent away"),
    ):
        with pytest.raises(HierarchyError, match=complaint):
            establish(home, HELD, issuing, (revoked,))
    assert len(x509.load_pem_x509_crl((home / ROOT_LIST).read_bytes())) == 0

    (home / REVOKED).write_bytes((without_issuing(home).directory / REVOKED).read_bytes())
    (home / "tsa-before.pem").rename(home / "tsa.pem")
    with pytest.raises(HierarchyError, match=r"tsa\.pem is issued by «issuing», revoked"):
        load(home, HELD)


def test_a_key_that_was_stolen_is_not_certified_again(home: Path) -> None:
    old = establish(home).hierarchy.tsa
    put_aside(home, "tsa")

    with pytest.raises(HierarchyError, match="the key «tsa» is one that was stolen: take it"):
        establish(home, HELD, revoked=(stated(old),))


def test_every_certificate_that_a_stolen_key_ever_had_is_stated(home: Path) -> None:
    old = establish(home).hierarchy.tsa
    put_aside(home, "tsa")
    renewed = establish(home, NOW + timedelta(days=1)).hierarchy.tsa
    (home / "tsa.pem").rename(home / "tsa-stolen.pem")
    (home / "tsa.intent").unlink()
    (home / "keys" / "tsa.key").unlink()

    with pytest.raises(HierarchyError, match=f"«{number(old)}» bears a stolen key as well"):
        establish(home, HELD, revoked=(stated(renewed),))
    hierarchy = establish(home, HELD, revoked=(stated(renewed), stated(old))).hierarchy
    assert {each.serial for each in hierarchy.revoked} == {number(old), number(renewed)}


def test_without_its_file_a_revoked_authority_does_not_come_back(home: Path) -> None:
    without_issuing(home)
    (home / REVOKED).unlink()

    with pytest.raises(HierarchyError, match=r"root-crl\.pem revokes «issuing», but revoked\.json does not know it"):
        load(home, HELD)


def test_what_is_revoked_stays_so_with_its_time_and_reason_until_its_end(home: Path) -> None:
    without_issuing(home)
    for now_stated in ((), (stated(EC.label, "superseded"),), (stated(EC.label, at=STOLEN - timedelta(days=1)),)):
        with pytest.raises(HierarchyError, match=r"was stated as revoked at .* and stays so"):
            establish(home, HELD, BOTH, now_stated)


def test_only_certificates_that_exist_and_are_the_operators_are_revoked(home: Path, tmp_path: Path) -> None:
    first = establish(home)
    citizen = first.issue(first.order(key(1).public_key()))
    stranger = establish(tmp_path / "stranger").hierarchy.seal
    for each in (citizen, stranger):
        (home / f"{number(each)}.pem").write_bytes(pem(each))
    for revoked, complaint in (
        ((stated("root"),), "a label names an issuing authority alone"),
        ((stated("seal"),), "a label names an issuing authority alone"),
        ((RevokedConfig(serial="0123", at=STOLEN, reason="superseded"),), "no certificate with this serial number"),
        ((stated(citizen),), "is a holder's certificate: a clerk revokes it"),
        ((stated(stranger),), "no authority of this hierarchy issued it"),
        ((stated(first.hierarchy.root),), "a root does not revoke itself"),
        ((stated(first.hierarchy.seal, at=HELD + timedelta(seconds=1)),), "or in the future"),
        ((stated(first.hierarchy.seal, at=NOW - timedelta(hours=2)),), "not within its time"),
        ((stated(EC.label), stated(first.issuing)), "is stated as revoked twice"),
    ):
        with pytest.raises(HierarchyError, match=complaint):
            establish(home, HELD, revoked=revoked)
    assert read_revoked(home) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"serial": "0a", "label": "issuing"},
        {"serial": "xyz"},
        {"serial": "0a", "reason": "certificateHold"},
        {"serial": "0a", "at": "2026-03-02T09:00:00"},
    ],
    ids=str,
)
def test_a_statement_that_cannot_be_understood_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RevokedConfig.model_validate({"at": STOLEN, "reason": "superseded", **wrong})


@pytest.mark.parametrize("shown", ["0A1B", "0a:1b", "a1b"])
def test_a_serial_number_is_known_however_programs_show_it(shown: str) -> None:
    assert RevokedConfig(serial=shown, at=STOLEN, reason="superseded").serial == "0a1b"
