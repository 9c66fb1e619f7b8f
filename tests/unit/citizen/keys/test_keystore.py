"""Key stores, judged by the programs that citizens and relying parties use."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import example, given
from hypothesis import strategies as st

from libs.citizen.errors import KeystoreError, PasswordRefused
from libs.citizen.files import write_private
from libs.citizen.keys.keystore import ROUNDS, KeyEntry, file_name, pack, unpack, write_entry
from libs.citizen.keys.passwords import check_password, new_password
from libs.citizen.keys.private_keys import KeyAlgorithm, make_key
from libs.citizen.texts import explain
from tests.unit.citizen.conftest import Judge
from tests.unit.citizen.factories import PASSWORD, Authority

KINDS = [KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.RSA_2048]


@pytest.mark.parametrize(
    ("kind", "rounds"), [(KeyAlgorithm.EC_P256, ROUNDS), (KeyAlgorithm.EC_P384, 3000), (KeyAlgorithm.RSA_2048, 3000)]
)
def test_openssl_java_gnutls_and_nss_open_the_key_store(
    kind: KeyAlgorithm, rounds: int, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    entry = authority.entry(kind=kind)
    store = tmp_path / "sign.p12"
    write_private(store, pack(entry, PASSWORD, rounds=rounds))

    opened = judge("openssl", "pkcs12", "-in", str(store), "-passin", f"pass:{PASSWORD}", "-info", "-noout")
    assert f"MAC: sha256, Iteration {rounds}" in opened
    assert opened.count(f"PBES2, PBKDF2, AES-256-CBC, Iteration {rounds}, PRF hmacWithSHA256") == 2

    listed = judge("keytool", "-list", "-v", "-storetype", "PKCS12", "-keystore", str(store), "-storepass", PASSWORD)
    assert f"Alias name: {entry.key_id}" in listed
    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 3" in listed

    shown = judge("certtool", "--p12-info", "--inder", "--infile", str(store), "--password", PASSWORD)
    assert f"Friendly name: {entry.key_id}" in shown
    assert "MAC: SHA256 (2.16.840.1.101.3.4.2.1)" in shown

    database = f"sql:{tmp_path}"
    judge("certutil", "-N", "-d", database, "--empty-password")
    judge("pk12util", "-i", str(store), "-W", PASSWORD, "-d", database)
    assert entry.key_id in judge("certutil", "-K", "-d", database)


@pytest.mark.parametrize("kind", KINDS)
def test_every_program_opens_the_compatible_key_store(
    kind: KeyAlgorithm, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    """What older programs read, by name: triple DES and a MAC by SHA-1, 2048 rounds each. Newer ones read it too."""
    entry = authority.entry(kind=kind)
    store = write_entry(tmp_path, entry, PASSWORD, compatible=True)

    opened = judge("openssl", "pkcs12", "-in", str(store), "-passin", f"pass:{PASSWORD}", "-info", "-noout", "-legacy")
    assert "MAC: sha1, Iteration 2048" in opened
    assert opened.count("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048") == 2
    listed = judge("keytool", "-list", "-v", "-storetype", "PKCS12", "-keystore", str(store), "-storepass", PASSWORD)
    assert f"Alias name: {entry.key_id}" in listed
    assert "Certificate chain length: 3" in listed
    judge("certtool", "--p12-info", "--inder", "--infile", str(store), "--password", PASSWORD)
    judge("certutil", "-N", "-d", f"sql:{tmp_path}", "--empty-password")
    judge("pk12util", "-i", str(store), "-W", PASSWORD, "-d", f"sql:{tmp_path}")

    assert _bits(unpack(store.read_bytes(), PASSWORD)) == _bits(entry)
    with pytest.raises(KeystoreError, match="unreadable"):
        unpack(store.read_bytes(), PASSWORD + "x")


def test_a_wrong_password_opens_the_key_store_nowhere(authority: Authority, judge: Judge, tmp_path: Path) -> None:
    store = tmp_path / "sign.p12"
    store.write_bytes(pack(authority.entry(), PASSWORD, rounds=1000))
    with pytest.raises(KeystoreError) as refused:
        unpack(store.read_bytes(), PASSWORD + "x")
    assert "Either the password is wrong" in explain(refused.value).text
    assert refused.value.key == "keystore.unreadable"
    judge("openssl", "pkcs12", "-in", str(store), "-passin", "pass:wrong", "-noout", accept=False)


def test_the_mac_notices_a_changed_byte(authority: Authority) -> None:
    store = bytearray(pack(authority.entry(), PASSWORD, rounds=1000))
    store[len(store) // 2] ^= 1
    with pytest.raises(KeystoreError):
        unpack(bytes(store), PASSWORD)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_store_gives_back_what_was_put_in(kind: KeyAlgorithm, authority: Authority) -> None:
    entry = authority.entry(kind=kind)
    opened = unpack(pack(entry, PASSWORD, rounds=1000), PASSWORD)
    assert opened.certificate == entry.certificate
    assert opened.chain == entry.chain
    assert _bits(opened) == _bits(entry)


def test_a_key_that_waits_for_its_certificate_can_be_stored() -> None:
    entry = KeyEntry(make_key())
    opened = unpack(pack(entry, PASSWORD, rounds=1000), PASSWORD)
    assert opened.certificate is None
    assert _bits(opened) == _bits(entry)


def test_files_are_named_in_the_national_form(authority: Authority) -> None:
    for kind, algorithm in (
        (KeyAlgorithm.EC_P256, "EC256"),
        (KeyAlgorithm.EC_P384, "EC384"),
        (KeyAlgorithm.RSA_2048, "RSA256"),
    ):
        sign, auth = authority.entry(kind=kind), authority.entry("AUTH", kind)
        assert sign.certificate is not None
        assert auth.certificate is not None
        assert file_name(sign.certificate) == f"{algorithm}_{sign.key_id}.p12"
        assert file_name(auth.certificate) == f"AUTH_{algorithm}_{auth.key_id}.p12"


def test_only_the_owner_can_read_a_key_store(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_private(tmp_path / "new" / "sign.p12", b"secret")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new" / "sign.p12").stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_older_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "sign.p12"
    write_private(store, b"old")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_private(store, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["sign.p12"]
    assert store.read_bytes() == b"old"


@given(st.text(min_size=1).filter(lambda text: not text.isascii()))
@example("Дала-желі-42-батпырауық")
@example("correct horse battery stapl\u0435")
def test_a_password_beyond_ascii_is_refused_with_the_reason(password: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_password(password)
    assert "Java" in explain(refused.value).text
    assert refused.value.key == "password.not_ascii"


@given(st.text(st.characters(max_codepoint=31)).filter(bool))
def test_control_characters_are_refused_too(password: str) -> None:
    with pytest.raises(PasswordRefused):
        check_password(PASSWORD + password)


@pytest.mark.parametrize(
    ("password", "key"),
    [
        ("", "password.too_short"),
        ("Ab3-x9.qw", "password.too_short"),
        ("a" * 40, "password.too_simple"),
        ("9" * 5 + "12345678", "password.too_simple"),
        (" " + PASSWORD, "password.edge_space"),
        (PASSWORD * 10, "password.too_long"),
    ],
)
def test_a_weak_password_is_refused(password: str, key: str, authority: Authority) -> None:
    with pytest.raises(PasswordRefused) as refused:
        pack(authority.entry(), password)
    assert refused.value.key == key


def test_java_really_refuses_what_the_policy_says_it_refuses(
    authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    """The reason given to the citizen is a fact about Java; should it ever change, so should the policy."""
    store = tmp_path / "sign.p12"
    store.write_bytes(pack(authority.entry(), PASSWORD, rounds=1000))
    other = tmp_path / "other.p12"
    refused = judge(
        "keytool", "-importkeystore", "-noprompt", "-srckeystore", str(store), "-srcstorepass", PASSWORD,
        "-destkeystore", str(other), "-deststoretype", "PKCS12", "-deststorepass", "Құпия-сөз-42-дала",
        accept=False,
    )  # fmt: skip
    assert "not ASCII" in refused


def test_generated_passwords_pass_the_policy_and_differ() -> None:
    made = {check_password(new_password()) for _ in range(200)}
    assert len(made) == 200


def _bits(entry: KeyEntry) -> bytes:
    return entry.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_the_default_is_many_rounds() -> None:
    assert ROUNDS >= 600_000
