"""The drill: back up, lose the machine, restore, and go on as if nothing had happened."""

import hashlib
import io
import shutil
import stat
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.core.values import utc_now
from libs.common.storage.chain import Head
from libs.common.storage.reservations import Taken
from services.ca.authority.hierarchy import load, ocsp_label
from services.ca.keys.configured import environment_keys
from services.ca.keys.store import EncryptedFiles, KeyMissingError, KeyStoreError, SigningKeyKind
from services.ca.model.certificate import Certificate
from services.ca.model.ids import serial_number
from services.ca.tools import backup
from services.ca.tools.backup import BackupError
from tests.unit.ca.hierarchies import KEYSTORE_PASSPHRASE, NOW, CertificationAuthority, config, establish, keystore
from tests.unit.ca.judges import judged_by_openssl
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import CITIZEN, LEASE, NEWER, World, csrs
from tests.unit.ca.token import MODULE, PIN, new_token

SECRETS = {"CA_KEYSTORE_PASSPHRASE": KEYSTORE_PASSPHRASE.get_secret_value()}
HEAD = Head(17, "ab" * 32)


def backed_up(authority: CertificationAuthority, file: Path) -> Path:
    return backed_up_from(authority.directory, file)


def backed_up_from(home: Path, file: Path) -> Path:
    backup.make(file, home, home / "keys", keystore(home), now=NOW, ledger=HEAD)
    return file


@pytest.fixture
def archive(authority: CertificationAuthority, tmp_path: Path) -> Path:
    return backed_up(authority, tmp_path / "backup.tar")


def reopened(home: Path) -> CertificationAuthority:
    """The authority as a new process finds it on disk."""
    hierarchy, keys = load(home, NOW), keystore(home)
    labels = [each.label for each in hierarchy.generations]
    issuing = {label: keys.load(label) for label in labels}
    responders = {label: keys.load(ocsp_label(label)) for label in labels}
    return CertificationAuthority(home, hierarchy, config(home).publication, issuing, responders)


async def test_after_the_loss_of_the_machine_the_authority_goes_on_and_gives_no_serial_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store survives elsewhere; chance is made to repeat itself, so that only the record prevents a reuse."""
    world, lost = World(), establish(tmp_path / "lost")
    before = await OcspHost(world, lost).open()
    await before.lists.start()
    (sign, auth) = await before.issued()
    file = backed_up(lost, tmp_path / "backup.tar")
    shutil.rmtree(lost.directory)

    home = tmp_path / "found"
    contents = backup.restore(file, home, home / "keys", SECRETS, NOW)
    after = await OcspHost(world, reopened(home)).open()
    repeated = iter([int(sign.serial, 16), int(auth.serial, 16)])
    monkeypatch.setattr(
        "services.ca.issuance.authority.serial_number", lambda chance: next(repeated, serial_number(chance))
    )
    await after.opened(NEWER)
    fresh = await issued_at_last(after)

    assert contents.ledger is not None
    assert (contents.ledger.position, contents.ledger.hash) == (HEAD.position, HEAD.hash)
    assert not {each.serial for each in fresh} & {sign.serial, auth.serial}
    assert next(repeated, None) is None, "the old numbers were drawn, and refused"
    await require_revocable(after, sign, tmp_path)


async def issued_at_last(counter: OcspHost) -> tuple[Certificate, ...]:
    """Issue; a number that is somebody else's fails the try, and the timer tries again with another."""
    await counter.request(NEWER, *csrs(21))
    for _ in range(5):
        with suppress(Taken):
            await counter.wake_due()
        counter.world.now += LEASE
    return await counter.certificates(NEWER)


async def require_revocable(counter: OcspHost, old: Certificate, folder: Path) -> None:
    """The restored key signs the list that openssl finds the old certificate on."""
    await counter.revocations.by_clerk(old.serial, "keyCompromise", CITIZEN)
    await counter.wake_due()
    await judged_by_openssl(counter, old, folder, revoked=True)


def test_the_drill_of_any_day_verifies_a_backup_and_writes_nothing(archive: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    contents = backup.verify(archive, SECRETS, NOW)

    assert set(contents.keys) == {"root", "issuing", "issuing-ocsp", "issuing-rsa", "issuing-rsa-ocsp", "seal", "tsa"}
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_restored_is_the_same_to_the_last_octet_and_keys_are_for_their_owner_alone(
    authority: CertificationAuthority, archive: Path, tmp_path: Path
) -> None:
    home = tmp_path / "found"
    backup.restore(archive, home, home / "keys", SECRETS, NOW)

    files = {path.relative_to(authority.directory) for path in authority.directory.rglob("*") if path.is_file()}
    files = {path for path in files if not path.name.startswith(".")}
    assert {path.relative_to(home) for path in home.rglob("*") if path.is_file()} == files
    for path in files:
        assert (home / path).read_bytes() == (authority.directory / path).read_bytes()
        assert stat.S_IMODE((home / path).stat().st_mode) == stat.S_IMODE((authority.directory / path).stat().st_mode)


def test_a_backup_holds_no_key_in_clear_and_is_for_its_owner_alone(archive: Path) -> None:
    content = archive.read_bytes()
    assert b"BEGIN PRIVATE KEY" not in content
    assert content.count(b"BEGIN ENCRYPTED PRIVATE KEY") == 7
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_a_restoration_replaces_nothing(archive: Path, tmp_path: Path) -> None:
    for occupied in ("certificates", "keys"):
        place = tmp_path / occupied / "full"
        place.mkdir(parents=True)
        (place / "something").write_text("precious")
        empty = tmp_path / occupied / "empty"
        folders = (place, empty) if occupied == "certificates" else (empty, place)
        with pytest.raises(BackupError, match="not empty"):
            backup.restore(archive, *folders, SECRETS, NOW)
        assert [path.name for path in place.iterdir()] == ["something"]


@given(position=st.integers(0), change=st.integers(1, 255))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_backup_is_refused_or_gives_the_very_same_files(archive: Path, position: int, change: int) -> None:
    """What is outside of the listed files, such as padding, may change without harm."""
    octets = bytearray(archive.read_bytes())
    octets[position % len(octets)] ^= change
    damaged = archive.with_suffix(".damaged")
    damaged.write_bytes(octets)
    try:
        found = backup.read(damaged)[1]
    except BackupError:
        return
    assert found == backup.read(archive)[1]


def test_names_that_lead_elsewhere_are_refused(archive: Path, tmp_path: Path) -> None:
    content = b"not ours"
    listed = backup.Contents(made_at=NOW, files={"keys/../../evil": hashlib.sha256(content).hexdigest()}, keys={})
    crafted = tmp_path / "crafted.tar"
    with tarfile.open(crafted, "w") as out:
        for name, octets in (("backup.json", listed.model_dump_json().encode()), ("keys/../../evil", content)):
            member = tarfile.TarInfo(name)
            member.size = len(octets)
            out.addfile(member, io.BytesIO(octets))

    with pytest.raises(BackupError, match="names files"):
        backup.verify(crafted, SECRETS, NOW)
    assert backup.verify(archive, SECRETS, NOW)


def test_a_wrong_passphrase_and_a_foreign_file_say_so(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="wrong passphrase"):
        backup.verify(archive, {"CA_KEYSTORE_PASSPHRASE": "not the passphrase"}, NOW)
    (tmp_path / "foreign").write_bytes(b"no archive")
    with pytest.raises(BackupError, match="no backup"):
        backup.verify(tmp_path / "foreign", SECRETS, NOW)


def test_what_does_not_hold_together_is_not_backed_up(tmp_path: Path) -> None:
    home = establish(tmp_path / "ca").directory
    (home / "keys" / "issuing-rsa-ocsp.key").unlink()

    with pytest.raises(KeyMissingError):
        backup.make(tmp_path / "backup.tar", home, home / "keys", keystore(home), now=NOW)
    assert not (tmp_path / "backup.tar").exists()


@pytest.mark.parametrize("label", ["root", "seal"])
def test_keys_that_the_service_never_uses_are_opened_in_the_drill_too(tmp_path: Path, label: str) -> None:
    """The day on which they are needed is too late to find them broken."""
    home = establish(tmp_path / "ca").directory
    assert {"root", "seal"} <= backup.verify(backed_up_from(home, tmp_path / "whole.tar"), SECRETS, NOW).keys.keys()

    path = home / "keys" / f"{label}.key"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(KeyStoreError, match=f"«{label}» does not open"):
        backed_up_from(home, tmp_path / "cut.tar")
    shutil.copy(home / "keys" / "tsa.key", path)
    with pytest.raises(KeyStoreError, match=rf"«{label}» is not the one in {label}\.pem"):
        backed_up_from(home, tmp_path / "exchanged.tar")


def test_beside_a_token_the_seals_key_is_a_file_that_is_opened_too(tmp_path: Path) -> None:
    token = new_token(tmp_path / "hsm", "ca")
    sent = {"CA_TOKEN_MODULE": str(MODULE), "CA_TOKEN_LABEL": "ca", "CA_TOKEN_PIN": PIN.get_secret_value()}
    folder = tmp_path / "keys"
    EncryptedFiles(folder, KEYSTORE_PASSPHRASE).create("seal", SigningKeyKind.P256)
    token.keys().create("tsa", SigningKeyKind.P256)

    keys = environment_keys(folder, sent | SECRETS)

    assert keys.load("seal").public_key() == EncryptedFiles(folder, KEYSTORE_PASSPHRASE).load("seal").public_key()
    assert keys.load("tsa").public_key() == token.keys().load("tsa").public_key()
    with pytest.raises(KeyStoreError, match="CA_KEYSTORE_PASSPHRASE"):
        environment_keys(folder, sent)


def test_keys_in_a_token_are_known_by_their_digests(authority: CertificationAuthority, tmp_path: Path) -> None:
    """The archive has none of them; a restored token with other keys is noticed."""
    home = authority.directory
    for name in ("one", "two"):
        token = new_token(tmp_path / "hsm", name)
        for label in ("issuing", "tsa"):
            token.keys().create(label, SigningKeyKind.P256)
    made = backup.make(tmp_path / "backup.tar", home, tmp_path / "none", keystore(home), now=NOW)
    sent = {"CA_TOKEN_MODULE": str(MODULE), "CA_TOKEN_LABEL": "one", "CA_TOKEN_PIN": PIN.get_secret_value()}

    assert not [name for name in made.files if name.startswith("keys/")]
    with pytest.raises(KeyStoreError, match=r"not the one in issuing\.pem"):
        backup.verify(tmp_path / "backup.tar", sent, NOW)


def test_the_command_line_makes_verifies_and_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, file, found = establish(tmp_path / "ca", at=utc_now()).directory, tmp_path / "b.tar", tmp_path / "found"
    make = ["make", str(file), "--dir", str(home)]
    monkeypatch.delenv("CA_KEYSTORE_PASSPHRASE", raising=False)
    assert backup.main(make) == 1
    assert "give it as CA_KEYSTORE_PASSPHRASE" in capsys.readouterr().err

    monkeypatch.setenv("CA_KEYSTORE_PASSPHRASE", SECRETS["CA_KEYSTORE_PASSPHRASE"])
    assert backup.main(make) == 0
    assert backup.main(["verify", str(file)]) == 0
    assert backup.main(["restore", str(file), "--dir", str(found)]) == 0
    assert "python -m services.ca.tools.restore" in capsys.readouterr().out
    assert load(found, utc_now()) == load(home, utc_now())
    capsys.readouterr()
    assert backup.main(make) == 1, "a backup is never written over another"
    assert f"there is a file {file} already" in capsys.readouterr().err
