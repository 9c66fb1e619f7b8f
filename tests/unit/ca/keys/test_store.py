from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from pydantic import SecretStr

from services.ca.keys.store import EncryptedFiles, KeyMissingError, KeyStoreError, SigningKeyKind
from tests.unit.ca.judges import run

PASSPHRASE = SecretStr("sixteen characters")


@pytest.fixture
def store(tmp_path: Path) -> EncryptedFiles:
    return EncryptedFiles(tmp_path / "keys", PASSPHRASE)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(SigningKeyKind.P256, ec.SECP256R1), (SigningKeyKind.P384, ec.SECP384R1), (SigningKeyKind.RSA3072, 3072)],
)
def test_a_created_key_is_loaded_by_its_label(
    store: EncryptedFiles, kind: SigningKeyKind, expected: type[ec.EllipticCurve] | int
) -> None:
    created = store.create("issuing", kind)

    loaded = store.load("issuing")

    assert loaded.public_key() == created.public_key()
    if isinstance(loaded, rsa.RSAPrivateKey):
        assert loaded.key_size == expected
    else:
        assert type(loaded.curve) is expected


def test_a_key_is_encrypted_pkcs8_with_aes_256_and_opens_elsewhere(store: EncryptedFiles, tmp_path: Path) -> None:
    store.create("issuing", SigningKeyKind.P256)
    file = tmp_path / "keys" / "issuing.key"

    assert file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert "aes-256-cbc" in run("openssl", "asn1parse", "-in", file)
    run("openssl", "pkey", "-in", file, "-passin", f"pass:{PASSPHRASE.get_secret_value()}", "-noout")


def test_a_key_is_never_replaced(store: EncryptedFiles) -> None:
    first = store.create("issuing", SigningKeyKind.P256)

    with pytest.raises(KeyStoreError, match="never replaced"):
        store.create("issuing", SigningKeyKind.P256)
    assert store.load("issuing").public_key() == first.public_key()


def test_a_draft_left_by_a_crash_is_no_key(store: EncryptedFiles, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / ".issuing.key.x1").write_bytes(b"-----BEGIN ENCR")

    with pytest.raises(KeyMissingError):
        store.load("issuing")
    store.create("issuing", SigningKeyKind.P256)


def test_a_failed_write_leaves_nothing(store: EncryptedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("services.ca.keys.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.create("issuing", SigningKeyKind.P256)
    assert list((tmp_path / "keys").iterdir()) == []


@pytest.mark.parametrize("label", ["", "../root", "Root", "a/b", "-x", "x-", "й", "a" * 65])
def test_a_label_never_leads_out_of_the_store(store: EncryptedFiles, label: str) -> None:
    with pytest.raises(KeyStoreError, match="label"):
        store.load(label)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_says_where_to_look(store: EncryptedFiles, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "issuing.key").write_bytes(content)

    with pytest.raises(KeyStoreError, match="restore the backup"):
        store.load("issuing")


def test_a_key_of_a_foreign_kind_or_without_encryption_is_not_used(store: EncryptedFiles, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    secret = BestAvailableEncryption(PASSPHRASE.get_secret_value().encode())
    foreign = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
    (tmp_path / "keys" / "issuing.key").write_bytes(foreign)
    with pytest.raises(KeyStoreError, match="neither EC nor RSA"):
        store.load("issuing")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(KeyStoreError, match="too short"):
        EncryptedFiles(Path("keys"), SecretStr("fifteen letters"))


def test_the_passphrase_shows_nowhere(store: EncryptedFiles) -> None:
    assert PASSPHRASE.get_secret_value() not in f"{store!r}{vars(store)}"
