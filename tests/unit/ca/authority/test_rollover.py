"""A new generation of the issuing authority: it takes over, and the one before answers for what it issued."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus

from libs.common.pki.certificate_use import PERSON_SIGN
from services.ca.authority.hierarchy import HierarchyError, load
from services.ca.keys.store import SigningKeyKind
from services.ca.model.certificate import Certificate
from services.ca.model.ids import ShardId
from tests.unit.ca.hierarchies import EC, NOW, RSA, CertificationAuthority, establish
from tests.unit.ca.judges import AT, judged_by_openssl, lint_certificate, run
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import CITIZEN, JOURNEY, NEWER, World, csrs, key

NEXT = EC.model_copy(update={"label": "issuing-2", "name": "NCA Issuing I3 (test)", "key": SigningKeyKind.P384})
LATER = NOW + timedelta(days=100)
TEN_YEARS = timedelta(days=3650)
OTHER = NOW + timedelta(days=150)


def read(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.text.value.pem.encode())


async def rolled_over(home: Path, world: World) -> tuple[OcspHost, Certificate]:
    """A citizen is certified; then the ceremony is held again with one more generation."""
    before = await OcspHost(world, establish(home)).open()
    await before.lists.start()
    (old, _) = await before.issued()
    world.now = LATER
    after = await OcspHost(world, establish(home, LATER, (EC, NEXT, RSA))).open()
    await after.lists.start()
    await after.wake_due()
    return after, old


async def test_new_certificates_come_from_the_new_generation_and_old_ones_still_verify(tmp_path: Path) -> None:
    counter, old = await rolled_over(tmp_path / "ca", World())
    await counter.opened(NEWER)
    (new, _) = await counter.issued(NEWER, first_key=11)

    assert (old.issuer, new.issuer) == (EC.label, NEXT.label)
    hierarchy = counter.authority.hierarchy
    read(new).verify_directly_issued_by(hierarchy.generation(NEXT.label).certificate)
    await judged_by_openssl(counter, new, tmp_path)
    for each in (old, new):
        der = read(each).public_bytes(Encoding.DER)
        assert hierarchy.trust.verify(der, counter.world.now, PERSON_SIGN) == read(each)


async def test_a_certificate_of_the_old_generation_is_revoked_by_the_old_key_long_after(tmp_path: Path) -> None:
    counter, old = await rolled_over(tmp_path / "ca", World())
    above = counter.authority.hierarchy.generation(EC.label)
    assert (await counter.asked(counter.question(read(old), issuer=above.certificate))).certificate_status is (
        OCSPCertStatus.GOOD
    )
    await judged_by_openssl(counter, old, tmp_path)
    await counter.revocations.by_clerk(old.serial, "keyCompromise", CITIZEN)
    await counter.wake_due()

    counter.world.now += timedelta(seconds=5)
    await judged_by_openssl(counter, old, tmp_path, revoked=True)
    answer = await counter.asked(counter.question(read(old), issuer=above.certificate))
    assert answer.certificate_status is OCSPCertStatus.REVOKED
    answer.certificates[0].verify_directly_issued_by(above.certificate)


async def test_an_intent_of_the_old_generation_is_signed_by_the_old_key_after_the_roll_over(tmp_path: Path) -> None:
    """The crash that loses a signature, and the roll-over, fall together."""
    world, home = World(), tmp_path / "ca"
    before = OcspHost(world, establish(home))
    await before.opened()
    await before.request(JOURNEY, *csrs())
    await before.service.wake(JOURNEY, world.now)  # one step: the intents are recorded, nothing is signed
    world.now += timedelta(minutes=2)
    after = await OcspHost(world, establish(home, world.now, (EC, NEXT, RSA))).open()
    await after.wake_due()

    (sign, auth) = await after.certificates()
    assert (sign.issuer, auth.issuer) == (EC.label, EC.label)
    read(sign).verify_directly_issued_by(after.authority.hierarchy.generation(EC.label).certificate)


@pytest.mark.parametrize(("moment", "label"), [(LATER, EC.label), (OTHER, NEXT.label)])
def test_the_new_generation_is_published_before_it_issues_if_so_configured(
    tmp_path: Path, moment: datetime, label: str
) -> None:
    establish(tmp_path)
    waiting = NEXT.model_copy(update={"issues_from": OTHER})
    authority = establish(tmp_path, LATER, (EC, waiting, RSA))
    hierarchy = load(tmp_path, moment)

    assert hierarchy.issuing_for(authority.key.public_key(), moment, moment + timedelta(days=365)).label == label
    assert NEXT.label in (tmp_path / "issuing.json").read_text()
    assert len(x509.load_pem_x509_certificates((tmp_path / "issuers.pem").read_bytes())) == 3


def test_the_ceremony_makes_one_more_generation_and_touches_nothing_else(tmp_path: Path) -> None:
    establish(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.pem")}
    establish(tmp_path, LATER, (EC, NEXT, RSA))
    after = {path.name: path.read_bytes() for path in tmp_path.glob("*.pem")}

    changed = {name for name, content in after.items() if before.get(name) != content}
    assert changed == {"issuing-2.pem", "issuers.pem", "chain.pem", "root-crl.pem"}


def test_a_generation_is_not_left_out_before_its_end(tmp_path: Path) -> None:
    establish(tmp_path)
    with pytest.raises(HierarchyError, match="leaves out «issuing»"):
        establish(tmp_path, LATER, (NEXT, RSA))


def test_an_ended_generation_needs_no_key_and_vouches_for_its_own_time_only(tmp_path: Path) -> None:
    """Its key may be destroyed; what was signed while it lived can still be verified for that time."""
    old = establish(tmp_path)
    certificate = old.issue(old.order(key(1).public_key()))
    renew(tmp_path)
    ninth = NOW + timedelta(days=9 * 365)
    twins = (EC, NEXT, RSA, RSA.model_copy(update={"label": "issuing-rsa-2", "name": "NCA Issuing I4 (test)"}))
    establish(tmp_path, ninth, twins)
    end = NOW + TEN_YEARS + timedelta(days=1)
    renew(tmp_path)
    hierarchy = establish(tmp_path, end, twins).hierarchy

    assert [each.label for each in hierarchy.live(end)] == [NEXT.label, "issuing-rsa-2"]
    der = certificate.public_bytes(Encoding.DER)
    assert hierarchy.trust.verify(der, NOW + timedelta(days=7), PERSON_SIGN) == certificate


def renew(home: Path) -> None:
    """Take the seal's and the time-stamps' certificates away, so that the ceremony makes new ones."""
    for label in ("seal", "tsa"):
        for suffix in (".pem", ".intent"):
            (home / f"{label}{suffix}").unlink()


@pytest.mark.parametrize("label", [EC.label, NEXT.label, RSA.label])
def test_every_generations_certificate_satisfies_pkilint_and_openssl(tmp_path: Path, label: str) -> None:
    authority: CertificationAuthority = establish(tmp_path, issuing=(EC, NEXT, RSA))
    certificate = authority.hierarchy.generation(label).certificate

    assert lint_certificate(certificate.public_bytes(Encoding.DER)) == []
    run("openssl", "verify", "-x509_strict", "-attime", AT, "-CAfile", tmp_path / "root.pem", "-crl_check",
        "-CRLfile", tmp_path / "root-crl.pem", tmp_path / f"{label}.pem")  # fmt: skip


async def test_the_lists_of_an_ended_generation_are_signed_no_more(tmp_path: Path) -> None:
    world, twins = World(), (EC, RSA, NEXT, RSA.model_copy(update={"label": "issuing-rsa-2", "name": "I4 (test)"}))
    before = OcspHost(world, establish(tmp_path))
    await before.lists.start()
    await before.wake_due()
    renew(tmp_path)
    establish(tmp_path, NOW + timedelta(days=9 * 365), twins)
    renew(tmp_path)
    world.now = NOW + TEN_YEARS + timedelta(days=1)
    after = OcspHost(world, establish(tmp_path, world.now, twins))
    old, new = ShardId(EC.label, 0), ShardId(NEXT.label, 0)
    last = await after.lists.revocation_list(old)
    await after.lists.start()
    await after.wake_due()

    assert await after.lists.revocation_list(old) == last
    assert await after.lists.revocation_list(new) is not None
