from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.der import serial_text
from services.ca.crl import Edition, Revocation, sign_crl
from tests.unit.ca.authority import NOW, CertificationAuthority, pem
from tests.unit.ca.judges import AT, lint_crl, run

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
SHARD = "http://pki.test.kz/issuing/crl/7.crl"
EDITION = Edition(number=41, url=SHARD, this_update=NOW)
REASONS = [reason for reason in x509.ReasonFlags if reason is not x509.ReasonFlags.remove_from_crl]


def make(
    authority: CertificationAuthority, *revocations: Revocation, edition: Edition = EDITION
) -> x509.CertificateRevocationList:
    return sign_crl(revocations, edition, authority.issuer, authority.key)


def verify(authority: CertificationAuthority, crl: Path, certificate: Path, *, refused: bool) -> str:
    home = authority.directory
    return run("openssl", "verify", "-attime", AT, "-crl_check", "-extended_crl", "-x509_strict", "-CAfile",
               home / "root.pem", "-untrusted", home / "issuing.pem", "-CRLfile", crl, certificate,
               refused=refused)  # fmt: skip


@pytest.mark.parametrize("entries", [0, 1, 300])
def test_pkilint_and_openssl_accept_the_list(authority: CertificationAuthority, tmp_path: Path, entries: int) -> None:
    revoked = [Revocation((1 << 126) + n, NOW, REASONS[n % len(REASONS)]) for n in range(entries)]
    crl = make(authority, *revoked)
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    (tmp_path / "issuing.pem").write_bytes(pem(authority.issuing))

    assert lint_crl(crl.public_bytes(Encoding.DER)) == []
    shown = run("openssl", "crl", "-in", tmp_path / "crl.pem", "-CAfile", tmp_path / "issuing.pem", "-noout", "-text")
    assert "verify OK" in shown
    assert shown.count("Serial Number:") == entries
    assert "Next Update: Mar  3 09:00:00 2026 GMT" in shown


def test_openssl_refuses_the_revoked_certificate_and_accepts_its_neighbour(
    authority: CertificationAuthority, tmp_path: Path
) -> None:
    revoked, live = (authority.issue(authority.order(KEY)) for _ in range(2))
    crl = make(authority, Revocation(revoked.serial_number, NOW, x509.ReasonFlags.superseded))
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    (tmp_path / "revoked.pem").write_bytes(pem(revoked))
    (tmp_path / "live.pem").write_bytes(pem(live))

    verify(authority, tmp_path / "crl.pem", tmp_path / "live.pem", refused=False)
    assert "certificate revoked" in verify(authority, tmp_path / "crl.pem", tmp_path / "revoked.pem", refused=True)


def test_another_shards_list_does_not_answer_for_a_certificate(
    authority: CertificationAuthority, tmp_path: Path
) -> None:
    certificate = authority.issue(authority.order(KEY))
    crl = make(authority, edition=Edition(number=1, url=SHARD.replace("/7.", "/8."), this_update=NOW))
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    (tmp_path / "certificate.pem").write_bytes(pem(certificate))

    said = verify(authority, tmp_path / "crl.pem", tmp_path / "certificate.pem", refused=True)
    assert "CRL scope" in said or "unable to get certificate CRL" in said


def test_the_list_says_whose_it_is_and_for_what(authority: CertificationAuthority) -> None:
    extensions = make(authority).extensions

    point = extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert point.critical
    assert point.value.full_name == [x509.UniformResourceIdentifier(SHARD)]
    assert point.value.only_contains_user_certs
    assert extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 41
    assert identifier == authority.issuer.key_identifier


def test_an_unspecified_reason_is_left_out(authority: CertificationAuthority) -> None:
    crl = make(authority, Revocation(5, NOW), Revocation(6, NOW, x509.ReasonFlags.key_compromise))

    entries = {entry.serial_number: [extension.value for extension in entry.extensions] for entry in crl}
    assert entries == {5: [], 6: [x509.CRLReason(x509.ReasonFlags.key_compromise)]}


def test_a_shard_signed_again_is_the_same_to_the_last_octet(authority: CertificationAuthority) -> None:
    revocation = Revocation(5, NOW)

    assert make(authority, revocation) == make(authority, revocation)


def test_a_certificate_is_revoked_once(authority: CertificationAuthority) -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        make(authority, Revocation(5, NOW), Revocation(5, NOW - timedelta(days=1)))


def test_a_stranger_signs_no_list(authority: CertificationAuthority) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        sign_crl([], EDITION, authority.issuer, ec.generate_private_key(ec.SECP256R1()))


def test_nothing_is_taken_off_a_complete_list() -> None:
    with pytest.raises(ValueError, match="delta"):
        Revocation(5, NOW, x509.ReasonFlags.remove_from_crl)


def test_a_serial_number_is_written_in_whole_octets() -> None:
    assert [serial_text(number) for number in (0, 1, 0xABC, 1 << 126)] == ["00", "01", "0abc", "4" + "0" * 31]
