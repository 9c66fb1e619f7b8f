"""Key stores of other programs: a wrong password told apart from a foreign key, and forms for old programs."""

import subprocess
from pathlib import Path

import pytest
from asn1crypto import pkcs12 as asn1_pkcs12  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.citizen.errors import KeystoreError
from libs.citizen.keys.foreign_stores import StoreFault, fault_of
from libs.citizen.keys.keystore import KeyEntry, pack, unpack
from libs.citizen.keys.private_keys import make_key
from libs.citizen.texts import explain

HERE = Path(__file__).parent / "key_stores"
PASSWORD = "Invented-2026-pass"  # noqa: S105 - of files made for this test
GOST = (HERE / "gost-kz-2015.p12").read_bytes()
PBMAC1 = (HERE / "pbmac1-rfc9579.p12").read_bytes()


def refusal(data: bytes, password: str = PASSWORD) -> str:
    with pytest.raises(KeystoreError) as caught:
        unpack(data, password)
    assert "[" not in explain(caught.value).text
    return caught.value.key


def test_a_gost_key_with_the_right_password_is_called_what_it_is() -> None:
    # 1.2.398.3.10.1.1.2.2: GOST 34.10-2015 of the national profile.
    assert refusal(GOST) == "keystore.gost_key"


def test_a_wrong_password_is_told_apart_from_it() -> None:
    assert refusal(GOST, "another") == "keystore.unreadable"
    assert refusal(GOST, "") == "keystore.unreadable"


@pytest.mark.parametrize("place", [20, 150, 300])
def test_a_damaged_file_is_not_called_sound(place: int) -> None:
    damaged = bytearray(GOST)
    damaged[place] ^= 1
    assert refusal(bytes(damaged)) == "keystore.unreadable"


def test_a_store_with_the_mac_of_rfc_9579_opens_without_a_warning() -> None:
    assert unpack(PBMAC1, PASSWORD).key.key_size == 256
    assert refusal(PBMAC1, "another") == "keystore.unreadable"


def openssl(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and certificate of each kind that OpenSSL makes."""
    made = tmp_path_factory.mktemp("stores")
    for kind, options in {"ed25519": [], "rsa": ["-pkeyopt", "rsa_keygen_bits:2048"]}.items():
        openssl(made, "genpkey", "-algorithm", kind, *options, "-out", f"{kind}.pem")
        openssl(made, "req", "-x509", "-key", f"{kind}.pem", "-subj", "/CN=x", "-out", f"{kind}.crt")
    return made


def export(folder: Path, kind: str, *options: str) -> bytes:
    files = ["-inkey", f"{kind}.pem", "-in", f"{kind}.crt"]
    return openssl(folder, "pkcs12", "-export", *files, "-passout", f"pass:{PASSWORD}", *options)


@pytest.mark.parametrize(
    "options",
    [
        ["-legacy"],  # RC2-40 for the certificate, triple DES for the key, MAC by SHA-1: as OpenSSL 1 and Java 8 write
        ["-macalg", "sha1"],
        ["-macalg", "sha384", "-iter", "1"],
        ["-macalg", "sha512", "-maciter"],
        ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "NONE"],
        ["-keypbe", "NONE", "-certpbe", "NONE"],
        ["-nomac"],
    ],
    ids=" ".join,
)
def test_stores_of_other_writers_open(folder: Path, options: list[str]) -> None:
    assert unpack(export(folder, "rsa", *options), PASSWORD).key.key_size == 2048


def test_a_key_of_another_kind_is_no_key_to_sign_with(folder: Path) -> None:
    assert refusal(export(folder, "ed25519")) == "keystore.no_key"


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        (["-keypbe", "PBE-SHA1-3DES", "-certpbe", "NONE"], StoreFault.GOST_KEY),
        (["-keypbe", "AES-256-CBC", "-certpbe", "NONE"], StoreFault.GOST_KEY),
        (["-keypbe", "NONE", "-certpbe", "NONE"], StoreFault.GOST_KEY),
        (["-legacy", "-keypbe", "PBE-SHA1-RC2-40", "-certpbe", "NONE"], StoreFault.FOREIGN_KEY),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value.name,
)
def test_a_gost_key_is_known_under_every_encryption_that_programs_use(
    folder: Path, scheme: list[str], fault: StoreFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are RSA's: which arc counts as GOST is what the test moves, for no tool here makes such keys."""
    monkeypatch.setattr("libs.citizen.keys.foreign_stores._GOST", ("1.2.840.113549.1.1.",))
    data = export(folder, "rsa", *scheme)
    assert fault_of(data, PASSWORD) is fault
    assert fault_of(data, "another") is StoreFault.UNREADABLE


@pytest.mark.parametrize("rounds", [2**31 - 1, 2**62])
def test_a_file_that_asks_for_endless_rounds_is_not_given_them(rounds: int) -> None:
    store = asn1_pkcs12.Pfx.load(GOST)
    store["mac_data"]["iterations"] = rounds
    assert fault_of(store.dump(force=True), PASSWORD) is StoreFault.UNREADABLE


@settings(deadline=None)
@given(st.integers(0, len(GOST) - 1), st.integers(0, 255))
def test_whatever_is_changed_in_a_store_it_has_an_answer(place: int, octet: int) -> None:
    changed = bytearray(GOST)
    changed[place] = octet
    if place >= len(GOST) - 2:
        return  # the rounds of the MAC: thousands of them each
    assert fault_of(bytes(changed), PASSWORD) in StoreFault


def test_a_compatible_store_is_what_older_programs_read(tmp_path: Path) -> None:
    (tmp_path / "old.p12").write_bytes(pack(KeyEntry(make_key()), PASSWORD, compatible=True))
    command = ["pkcs12", "-in", "old.p12", "-passin", f"pass:{PASSWORD}", "-info", "-nodes", "-legacy"]
    done = subprocess.run(["openssl", *command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "MAC: sha1, Iteration 2048" in done.stderr
    assert "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048" in done.stderr
    listed = ["-list", "-storetype", "PKCS12", "-keystore", "old.p12", "-storepass", PASSWORD]
    subprocess.run(["keytool", *listed], cwd=tmp_path, capture_output=True, check=True)
    assert unpack((tmp_path / "old.p12").read_bytes(), PASSWORD)
    assert refusal((tmp_path / "old.p12").read_bytes(), "another") == "keystore.unreadable"
