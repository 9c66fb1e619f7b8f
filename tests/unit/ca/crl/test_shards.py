"""Revocation lists as they are served: signed, renewed in time, holding every revocation, believed by OpenSSL."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.core.values import to_millis
from libs.common.testing.faults import Crash, Faults
from services.ca.crl import shards
from services.ca.crl.shards import RENEW_AFTER
from services.ca.crl.signing import BACKDATED, LIFETIME
from services.ca.model.ids import ShardId
from tests.unit.ca.hierarchies import EC, NOW, CertificationAuthority
from tests.unit.ca.judges import lint_crl, run
from tests.unit.ca.office import CITIZEN, LEASE, Office, World


async def edition(office: Office, number: int) -> x509.CertificateRevocationList:
    der = await office.lists.revocation_list(ShardId(EC.label, number))
    assert der is not None
    return x509.load_der_x509_crl(der)


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_a_list_is_begun_once() -> None:
    begun = shards.open_list(None, NOW)
    assert begun is not None
    assert shards.wake_at(begun.state) == NOW
    assert shards.open_list(begun.state, NOW) is None


async def test_every_list_is_served_empty_before_anything_was_revoked_and_no_other(
    office: Office, authority: CertificationAuthority
) -> None:
    assert await office.lists.revocation_list(ShardId(EC.label, 0)) is None
    for _ in range(2):
        await office.lists.start()
        await office.wake_due()
    for number in range(2):
        crl = await edition(office, number)
        assert crl.is_signature_valid(authority.key.public_key())
        assert (len(crl), number_of(crl)) == (0, to_millis(NOW))
        assert lint_crl(crl.public_bytes(Encoding.DER)) == []
    for nowhere in (2, -1, 10**30):
        assert await office.lists.revocation_list(ShardId(EC.label, nowhere)) is None


async def test_a_list_is_signed_anew_long_before_the_old_edition_ends_with_a_growing_number(
    world: World, office: Office
) -> None:
    await office.lists.start()
    await office.wake_due()
    first = await edition(office, 0)
    world.now += RENEW_AFTER - timedelta(seconds=1)
    await office.wake_due()
    assert await edition(office, 0) == first
    world.now += timedelta(seconds=1)
    await office.wake_due()
    second = await edition(office, 0)
    assert number_of(first) < number_of(second)
    assert second.last_update_utc == world.now - BACKDATED
    assert second.next_update_utc == world.now - BACKDATED + LIFETIME
    assert first.next_update_utc is not None
    assert 2 * RENEW_AFTER < LIFETIME - BACKDATED, "two failures must not leave relying parties without a list"


async def test_a_signing_that_fails_is_made_good_by_the_timer(
    world: World, office: Office, authority: CertificationAuthority
) -> None:
    await office.lists.start()
    with pytest.raises(Crash):
        await Office(world, authority, Faults(6)).wake_due()
    world.now += LEASE
    await office.wake_due()
    assert len(await edition(office, 0)) == len(await edition(office, 1)) == 0


async def test_openssl_believes_the_list_and_refuses_only_the_revoked_certificate(
    world: World, office: Office, authority: CertificationAuthority, tmp_path: Path
) -> None:
    await office.lists.start()
    sign, auth = await office.issued()
    world.now += LEASE
    await office.revocations.by_clerk(sign.serial, "keyCompromise", CITIZEN)
    await office.wake_due()
    crl = await edition(office, sign.crl_shard)
    revoked = crl[0]
    assert len(crl) == 1
    assert f"{revoked.serial_number:x}" == sign.serial
    assert revoked.revocation_date_utc == world.now
    assert revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    at, home = str(int(world.now.timestamp()) + 1), authority.directory
    for certificate, refused in ((sign, True), (auth, False)):
        crl = await edition(office, certificate.crl_shard)
        (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
        (tmp_path / "certificate.pem").write_text(certificate.text.value.pem)
        shown = run("openssl", "crl", "-in", tmp_path / "crl.pem", "-CAfile", home / "issuing.pem", "-noout")
        assert "verify OK" in shown
        said = run("openssl", "verify", "-attime", at, "-crl_check", "-extended_crl", "-CAfile", home / "root.pem",
                   "-untrusted", home / "issuing.pem", "-CRLfile", tmp_path / "crl.pem",
                   tmp_path / "certificate.pem", refused=refused)  # fmt: skip
        assert ("certificate revoked" in said) is refused


async def test_what_was_issued_this_moment_counts_on_a_machine_whose_clock_is_behind(
    world: World, office: Office, authority: CertificationAuthority, tmp_path: Path
) -> None:
    """Certificate, authority and list alike (as Let's Encrypt dates back its certificates, by an hour)."""
    await office.lists.start()
    sign, _ = await office.issued()
    crl = await edition(office, sign.crl_shard)
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    (tmp_path / "certificate.pem").write_text(sign.text.value.pem)
    home, behind = authority.directory, str(int((world.now - timedelta(minutes=5)).timestamp()))

    said = run("openssl", "verify", "-attime", behind, "-crl_check", "-extended_crl", "-CAfile", home / "root.pem",
               "-untrusted", home / "issuing.pem", "-CRLfile", tmp_path / "crl.pem",
               tmp_path / "certificate.pem")  # fmt: skip

    assert "OK" in said
    assert sign.issued_at == world.now.replace(microsecond=0)


async def test_a_certificate_points_to_the_very_list_that_answers_for_it(
    office: Office, authority: CertificationAuthority
) -> None:
    await office.lists.start()
    for each in await office.issued():
        read = x509.load_pem_x509_certificate(each.text.value.pem.encode())
        points = read.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        crl = await edition(office, each.crl_shard)
        answers = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        address = x509.UniformResourceIdentifier(authority.publication.crl(EC.label, each.crl_shard))
        assert answers.full_name == points[0].full_name == [address]
