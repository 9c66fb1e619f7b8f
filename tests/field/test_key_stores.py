"""Key stores of other programs: a wrong password told apart from a foreign key, and forms for old programs."""

import hashlib
import hmac
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import algos, cms, core  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import pkcs12 as asn1_pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.citizen.errors import KeystoreError
from libs.citizen.keys.foreign_stores import MAC_KEY, StoreFault, derive, fault_of
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


STREEBOG_512 = "1.2.643.7.1.1.2.3"  # RFC 7836: the MAC of Russian national key stores


def with_mac(safe: bytes, password: str = PASSWORD, *, digest: str = "sha256", salt: bytes = b"saltsalt") -> bytes:
    """Return a store of this content with a MAC of RFC 7292."""
    length = hashlib.new(digest, usedforsecurity=False).digest_size
    key = derive(password, salt, rounds=2, purpose=MAC_KEY, length=length, digest=digest)
    return with_digest(safe, digest, hmac.digest(key, safe, digest), salt)


def with_pbmac1(safe: bytes, digest: str = "sha256", key_length: int = 32) -> bytes:
    """Return a store of this content with a MAC of RFC 9579, 4: the salt and rounds outside count for nothing."""
    kdf = {"salt": core.OctetString(b"8 octets"), "iteration_count": 2, "key_length": key_length}
    parameters = (
        algos.KdfAlgorithm(
            {
                "algorithm": "pbkdf2",
                "parameters": algos.Pbkdf2Params({**kdf, "prf": {"algorithm": digest}}),
            }
        ).dump()
        + algos.HmacAlgorithm({"algorithm": digest}).dump()
    )
    key = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), b"8 octets", 2, min(key_length, 64) or 1)
    sequence = core.Sequence()
    sequence.contents = parameters
    return with_digest(safe, "1.2.840.113549.1.5.14", hmac.digest(key, safe, digest), b"NOT USED", sequence)


def with_digest(safe: bytes, algorithm: str, digest: bytes, salt: bytes, parameters: Any = None) -> bytes:
    named = {"algorithm": algorithm, "parameters": parameters or core.Null()}
    mac = {"mac": {"digest_algorithm": named, "digest": digest}, "mac_salt": salt, "iterations": 2}
    return asn1_pkcs12.Pfx({"version": 3, "auth_safe": data_of(safe), "mac_data": mac}).dump()  # type: ignore[no-any-return]


def data_of(safe: bytes) -> cms.ContentInfo:
    return cms.ContentInfo({"content_type": "data", "content": core.OctetString(safe)})


def safe_of(store: bytes) -> bytes:
    return asn1_pkcs12.Pfx.load(store)["auth_safe"]["content"].native  # type: ignore[no-any-return]


def without_mac(store: bytes) -> bytes:
    """RFC 7292, 4: macData is optional."""
    return asn1_pkcs12.Pfx({"version": 3, "auth_safe": data_of(safe_of(store))}).dump()  # type: ignore[no-any-return]


def in_ber(tag: int, content: bytes) -> bytes:
    """Encode with the indefinite length (X.690, 8.1.3.6), as Java programs on Bouncy Castle write."""
    return bytes([tag, 0x80]) + content + b"\0\0"


def octets_in_ber(octets: bytes, each: int = 100) -> bytes:
    parts = (octets[at : at + each] for at in range(0, len(octets), each))
    return in_ber(0x24, b"".join(core.OctetString(part).dump() for part in parts))


def info_in_ber(octets: bytes) -> bytes:
    return in_ber(0x30, cms.ContentType("data").dump() + in_ber(0xA0, octets_in_ber(octets)))


def store_in_ber(store: bytes) -> bytes:
    """Write the whole store anew with indefinite lengths and octets in pieces, and its MAC over that."""
    contents = [each["content"].native for each in asn1_pkcs12.Pfx.load(store).authenticated_safe]
    safe = in_ber(0x30, b"".join(map(info_in_ber, contents)))
    mac = asn1_pkcs12.Pfx.load(with_mac(safe))["mac_data"].dump()
    return in_ber(0x30, core.Integer(3).dump() + info_in_ber(safe) + mac)


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha224", "sha384", "sha512", "sha512_256", "sha3_256"])
def test_a_gost_key_is_known_whatever_digest_the_mac_has(digest: str) -> None:
    store = with_mac(safe_of(GOST), digest=digest)
    assert refusal(store) == "keystore.gost_key"
    assert refusal(store, "another") == "keystore.unreadable"


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_a_gost_key_is_known_under_the_mac_of_rfc_9579(digest: str) -> None:
    store = with_pbmac1(safe_of(GOST), digest)
    assert refusal(store) == "keystore.gost_key"
    assert refusal(store, "another") == "keystore.unreadable"
    assert unpack(with_pbmac1(safe_of(PBMAC1), digest), PASSWORD).key.key_size == 256


def test_a_gost_key_is_known_where_the_store_has_no_mac() -> None:
    """A key that was decrypted shows the password to be right as well."""
    assert refusal(without_mac(GOST)) == "keystore.gost_key"
    assert refusal(without_mac(GOST), "another") == "keystore.unreadable"


@pytest.mark.parametrize("password", ["Құпия-сөз-2026", "😀-2026", ""])
def test_the_mac_is_by_the_password_in_utf_16(password: str) -> None:
    """RFC 7292, B.1. A key that the password of the MAC does not decrypt is no GOST key to our knowledge."""
    assert refusal(with_mac(safe_of(GOST), password), password) == "keystore.foreign_key"
    assert refusal(with_mac(safe_of(GOST), password)) == "keystore.unreadable"


def test_a_store_in_ber_is_read_like_one_in_der() -> None:
    assert refusal(store_in_ber(GOST)) == "keystore.gost_key"
    assert refusal(store_in_ber(GOST), "another") == "keystore.unreadable"
    assert unpack(store_in_ber(PBMAC1), PASSWORD).key.key_size == 256


def test_where_the_mac_is_by_an_unknown_digest_nothing_is_said_of_the_password() -> None:
    store = with_digest(safe_of(GOST), STREEBOG_512, bytes(64), b"saltsalt")
    assert refusal(store) == "keystore.gost_key"  # here the key could be decrypted
    assert refusal(store, "another") == "keystore.unchecked"


@pytest.mark.parametrize("length", [0, 65, 2**40])
def test_a_key_for_the_mac_that_nothing_needs_is_not_derived(length: int) -> None:
    assert refusal(with_pbmac1(safe_of(GOST), key_length=length)) == "keystore.unreadable"


def test_a_mac_without_salt_is_read_too() -> None:
    assert refusal(with_mac(safe_of(GOST), salt=b"")) == "keystore.gost_key"


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
@given(st.sampled_from([with_pbmac1(safe_of(GOST)), without_mac(GOST), with_mac(safe_of(GOST))]), st.data())
def test_whatever_is_changed_in_a_store_it_has_an_answer(store: bytes, data: st.DataObject) -> None:
    changed = bytearray(store)
    place = data.draw(st.integers(0, len(store) - 1), label="place")
    if bytes(changed[place - 2 : place]) == b"\2\2":
        return  # rounds in two octets: thousands of them each
    changed[place] = data.draw(st.integers(0, 255), label="octet")
    assert fault_of(bytes(changed), PASSWORD) in StoreFault
    assert fault_of(bytes(changed[:place]), PASSWORD) is StoreFault.UNREADABLE


@given(st.binary(max_size=40))
def test_without_a_mac_a_wrong_password_is_not_taken_for_a_right_one(password: bytes) -> None:
    text = password.decode("latin-1")
    assert fault_of(without_mac(GOST), text) is StoreFault.UNREADABLE


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
