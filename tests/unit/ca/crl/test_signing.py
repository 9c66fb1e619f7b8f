from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.pki.der import serial_text
from services.ca.crl import signing as crl_module
from services.ca.crl.signing import CrlFields, RevokedEntries, entry, sign_list
from services.ca.model.certificate import REASONS
from tests.unit.ca.hierarchies import NOW, CertificationAuthority, pem
from tests.unit.ca.judges import AT, lint_crl, run

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
SHARD = "http://pki.test.kz/issuing/crl/7.crl"
EDITION = CrlFields(number=41, url=SHARD, this_update=NOW)


def make(
    authority: CertificationAuthority, *entries: tuple[int, str], edition: CrlFields = EDITION
) -> x509.CertificateRevocationList:
    listed = [entry(number, NOW, reason) for number, reason in entries]
    frame = sign_list([RevokedEntries.read(each) for each in listed], edition, authority.issuer, authority.key)
    return x509.load_der_x509_crl(b"".join((frame.before, *listed, frame.after)))


def verify(authority: CertificationAuthority, crl: Path, certificate: Path, *, refused: bool) -> str:
    home = authority.directory
    return run("openssl", "verify", "-attime", AT, "-crl_check", "-extended_crl", "-x509_strict", "-CAfile",
               home / "root.pem", "-untrusted", home / "issuing.pem", "-CRLfile", crl, certificate,
               refused=refused)  # fmt: skip


@pytest.mark.parametrize("entries", [0, 1, 300])
def test_pkilint_and_openssl_accept_the_list(authority: CertificationAuthority, tmp_path: Path, entries: int) -> None:
    revoked = [((1 << 126) + n, REASONS[n % len(REASONS)]) for n in range(entries)]
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
    crl = make(authority, (revoked.serial_number, "superseded"))
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    (tmp_path / "revoked.pem").write_bytes(pem(revoked))
    (tmp_path / "live.pem").write_bytes(pem(live))

    verify(authority, tmp_path / "crl.pem", tmp_path / "live.pem", refused=False)
    assert "certificate revoked" in verify(authority, tmp_path / "crl.pem", tmp_path / "revoked.pem", refused=True)


def test_another_shards_list_does_not_answer_for_a_certificate(
    authority: CertificationAuthority, tmp_path: Path
) -> None:
    certificate = authority.issue(authority.order(KEY))
    crl = make(authority, edition=CrlFields(number=1, url=SHARD.replace("/7.", "/8."), this_update=NOW))
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
    crl = make(authority, (5, "unspecified"), (6, "keyCompromise"))

    entries = {entry.serial_number: [extension.value for extension in entry.extensions] for entry in crl}
    assert entries == {5: [], 6: [x509.CRLReason(x509.ReasonFlags.key_compromise)]}


def test_a_list_signed_again_is_the_same_to_the_last_octet(authority: CertificationAuthority) -> None:
    assert make(authority, (5, "unspecified")) == make(authority, (5, "unspecified"))


def test_a_stranger_signs_no_list(authority: CertificationAuthority) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        sign_list([], EDITION, authority.issuer, ec.generate_private_key(ec.SECP256R1()))


NO_ENTRIES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda whole: whole[:-1],
    "a length too many": lambda whole: whole + whole[:-1],
    "something behind": lambda whole: whole + b"\x05\x00",
    "no time": lambda _: b"\x30\x03\x02\x01\x05",
    "a serial number in BER": lambda whole: whole.replace(b"\x02\x01\x05", b"\x02\x02\x00\x05").replace(
        b"\x30\x12", b"\x30\x13"
    ),
    "no DER": lambda _: b"\x30\x80\x00\x00",
}


@pytest.mark.parametrize("wrong", NO_ENTRIES)
def test_octets_that_are_no_entries_make_no_list(wrong: str) -> None:
    whole = entry(5, NOW, "unspecified")
    assert RevokedEntries.read(whole).count == 1
    with pytest.raises(ValueError, match="parsing"):
        RevokedEntries.read(NO_ENTRIES[wrong](whole))


MOMENTS = st.integers(631_152_000, 3_155_760_000).map(lambda second: datetime.fromtimestamp(second, UTC))
"""From 1990 to 2070: both forms of a time (RFC 5280, 5.1.2.4)."""
REVOKED = st.tuples(st.integers(1, (1 << 159) - 1), MOMENTS, st.sampled_from(REASONS))


@given(lists=st.lists(st.lists(REVOKED, max_size=12), max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_of_entries_read_apart_is_what_the_full_parser_reads(
    authority: CertificationAuthority, lists: list[list[tuple[int, datetime, str]]]
) -> None:
    """Whatever its length: no octet of the signed list is left to belief."""
    pages = [RevokedEntries.read(b"".join(entry(*revoked) for revoked in each)) for each in lists]

    frame = sign_list(pages, EDITION, authority.issuer, authority.key)

    crl = x509.load_der_x509_crl(b"".join((frame.before, *(each.octets for each in pages), frame.after)))
    assert crl.is_signature_valid(authority.issuer.public_key)
    assert [(each.serial_number, each.revocation_date_utc, reason(each)) for each in crl] == list(chain(*lists))
    assert sum(each.count for each in pages) == len(crl)
    assert (crl.issuer, crl.last_update_utc, crl.next_update_utc) == (
        authority.issuing.subject, NOW, EDITION.next_update,
    )  # fmt: skip
    assert len(crl.extensions) == 3


def reason(each: x509.RevokedCertificate) -> str:
    known = [extension.value.reason for extension in each.extensions if isinstance(extension.value, x509.CRLReason)]
    return known[0].value if known else "unspecified"


@pytest.mark.parametrize("wrong", ["this_update", "url", "number"])
def test_a_frame_that_does_not_read_as_what_was_meant_is_not_handed_out(
    authority: CertificationAuthority, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """As if the encoder went wrong."""
    changed: dict[str, Any] = {
        "this_update": NOW + timedelta(seconds=1),
        "url": SHARD.replace("/7.", "/8."),
        "number": 42,
    }
    other = replace(EDITION, **{wrong: changed[wrong]})
    opening, closing = crl_module._opening, crl_module._closing
    monkeypatch.setattr(crl_module, "_opening", lambda _, issuer: opening(other, issuer))
    monkeypatch.setattr(crl_module, "_closing", lambda _, issuer: closing(other, issuer))

    with pytest.raises(ValueError, match="must not be published"):
        sign_list([], EDITION, authority.issuer, authority.key)


def test_what_cannot_happen_to_a_certificate_of_ours_is_no_reason_nor_an_authoritys_one_to_a_holders() -> None:
    for reason in ("removeFromCRL", "certificateHold", "aACompromise"):
        with pytest.raises(KeyError):
            entry(5, NOW, reason)
    assert "cACompromise" not in REASONS


@pytest.mark.parametrize("number", [1, 127, 128, (1 << 126) + 1])
def test_an_entry_is_what_others_write(number: int) -> None:
    builder = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW)
    other = builder.add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False).build()
    assert other.extensions[0].value.public_bytes() in entry(number, NOW, "superseded")


def test_gnutls_believes_the_list(authority: CertificationAuthority, tmp_path: Path) -> None:
    crl = make(authority, ((1 << 126) + 1, "keyCompromise"), ((1 << 126) + 2, "unspecified"))
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    shown = run("certtool", "--crl-info", "--infile", tmp_path / "crl.pem")
    assert "Revoked certificates (2)" in shown


def test_a_serial_number_is_written_in_whole_octets() -> None:
    assert [serial_text(number) for number in (0, 1, 0xABC, 1 << 126)] == ["00", "01", "0abc", "4" + "0" * 31]
