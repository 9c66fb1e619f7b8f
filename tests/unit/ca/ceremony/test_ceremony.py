import json
import multiprocessing
import shutil
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from pydantic import SecretStr, ValidationError

from services.ca.authority.hierarchy import Hierarchy, HierarchyError, load
from services.ca.authority.issuers import PrivateKey
from services.ca.ceremony import steps as ceremony
from services.ca.ceremony.config import CeremonyConfig, NamedConfig
from services.ca.ceremony.steps import perform
from services.ca.crl.signing import BACKDATED
from services.ca.issuance.lint import LintError
from services.ca.keys.files import write_new
from services.ca.keys.store import EncryptedFiles, KeyMissingError, KeyStoreError, SigningKeyKind
from services.ca.model.profiles import ORGANISATION_SEAL
from tests.unit.ca.hierarchies import NOW, SEAL_PASSPHRASE, CertificationAuthority, config, establish, keystore
from tests.unit.ca.judges import AT, run

LABELS = ("root", "issuing", "issuing-rsa", "seal", "tsa")


class PowerCutError(Exception):
    """Stands for a crash: nothing in the code under test knows it."""


class FailingStore:
    """A key store after whose n-th creation the power goes."""

    def __init__(self, inner: EncryptedFiles, creations: int) -> None:
        self.inner = inner
        self.creations = creations

    def load(self, label: str) -> PrivateKey:
        return self.inner.load(label)

    def create(self, label: str, kind: SigningKeyKind) -> PrivateKey:
        key = self.inner.create(label, kind)
        self.creations -= 1
        if self.creations == 0:
            raise PowerCutError
        return key


def public_files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.pem")}


def test_the_second_run_changes_nothing(tmp_path: Path) -> None:
    first = establish(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    second = perform(config(tmp_path), keystore(tmp_path), NOW + timedelta(days=30))

    assert second == first.hierarchy
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_openssl_accepts_the_whole_chain_with_the_roots_revocation_list(authority: CertificationAuthority) -> None:
    home = authority.directory

    run("openssl", "verify", "-x509_strict", "-attime", AT, "-CAfile", home / "root.pem", "-crl_check",
        "-CRLfile", home / "root-crl.pem", home / "issuing.pem")  # fmt: skip
    run("openssl", "verify", "-x509_strict", "-attime", AT, "-purpose", "smimesign", "-CAfile", home / "root.pem",
        "-untrusted", home / "chain.pem", home / "seal.pem")  # fmt: skip


def test_the_seals_key_store_opens_with_keytool_and_openssl(authority: CertificationAuthority) -> None:
    file = authority.directory / "seal.p12"

    assert "PrivateKeyEntry" in run("keytool", "-list", "-keystore", file, "-storepass", SEAL_PASSPHRASE)
    shown = run("openssl", "pkcs12", "-in", file, "-passin", f"pass:{SEAL_PASSPHRASE}", "-info", "-noout")
    assert shown.count("AES-256-CBC") >= 2
    assert "hmacWithSHA256" in shown


def test_keys_are_for_their_owner_alone(authority: CertificationAuthority) -> None:
    secret = [*(authority.directory / "keys").iterdir(), authority.directory / "seal.p12"]

    assert len(secret) == 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE((authority.directory / "keys").stat().st_mode) == 0o700


def test_the_transcript_tells_each_step_and_no_secret(authority: CertificationAuthority) -> None:
    text = (authority.directory / "ceremony.jsonl").read_text(encoding="utf-8")
    steps = [(line["step"], line["label"]) for line in map(json.loads, text.splitlines())]

    assert steps == [
        ("ceremony held", ""),
        ("key created", "root"),
        *(("key created", label) for each in ("issuing", "issuing-rsa") for label in (each, f"{each}-ocsp")),
        *(("key created", label) for label in ("seal", "tsa")),
        *((step, label) for label in LABELS for step in ("intent", "certificate signed")),
        ("seal exported", "seal"),
        ("revocation list signed", "root"),
    ]
    assert SEAL_PASSPHRASE not in text
    assert "PRIVATE" not in text


@pytest.mark.parametrize("creations", range(1, 8))
def test_a_ceremony_cut_short_after_any_key_is_finished_by_the_next(tmp_path: Path, creations: int) -> None:
    with pytest.raises(PowerCutError):
        perform(config(tmp_path), FailingStore(keystore(tmp_path), creations), NOW)

    assert finished(tmp_path) == load(tmp_path, NOW)


@pytest.mark.parametrize("label", LABELS)
def test_a_ceremony_cut_short_between_intent_and_signature_signs_that_very_intent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    """The same serial number and, signatures being deterministic, the same certificate to the last octet."""

    def cut(path: Path, content: bytes, *, mode: int = 0o600) -> None:
        if path.name == f"{label}.pem":
            (tmp_path / "lost").write_bytes(content)  # signed, but never written
            raise PowerCutError
        write_new(path, content, mode=mode)

    with monkeypatch.context() as patch:
        patch.setattr("services.ca.ceremony.steps.write_new", cut)
        with pytest.raises(PowerCutError):
            perform(config(tmp_path), keystore(tmp_path), NOW)
    finished(tmp_path)

    assert (tmp_path / f"{label}.pem").read_bytes() == (tmp_path / "lost").read_bytes()


def test_an_intent_left_behind_is_not_signed_under_another_configuration(tmp_path: Path) -> None:
    establish(tmp_path)
    (tmp_path / "seal.pem").unlink()
    renamed = config(tmp_path).model_copy(update={"seal": NamedConfig(name="Басқа мөр")})

    with pytest.raises(LintError, match="ordered holder"):
        perform(renamed, keystore(tmp_path), NOW)


def test_several_processes_at_the_first_start_make_one_hierarchy(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    racers = [context.Process(target=establish, args=(tmp_path,)) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(300)  # a few seconds of work each, however busy the machine

    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    assert (tmp_path / "ceremony.jsonl").read_text(encoding="utf-8").count("certificate signed") == 5


def test_a_lost_key_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    establish(tmp_path)
    (tmp_path / "keys" / "issuing.key").unlink()

    with pytest.raises(KeyMissingError):
        perform(config(tmp_path), keystore(tmp_path), NOW)


def test_certificates_and_keys_of_different_ceremonies_are_not_mixed(tmp_path: Path) -> None:
    establish(tmp_path / "one")
    establish(tmp_path / "two")
    shutil.copy(tmp_path / "two" / "keys" / "seal.key", tmp_path / "one" / "keys" / "seal.key")

    with pytest.raises(HierarchyError, match="another key"):
        perform(config(tmp_path / "one"), keystore(tmp_path / "one"), NOW)


@pytest.mark.parametrize("label", LABELS)
def test_a_look_alike_certificate_in_the_directory_is_noticed(tmp_path: Path, label: str) -> None:
    establish(tmp_path / "one")
    establish(tmp_path / "two")
    shutil.copy(tmp_path / "two" / f"{label}.pem", tmp_path / "one" / f"{label}.pem")

    with pytest.raises(HierarchyError, match="not issued by"):
        load(tmp_path / "one", NOW)


@pytest.mark.parametrize(
    ("moment", "label"), [(NOW - timedelta(days=1, seconds=1), "root"), (NOW + timedelta(days=4 * 365), "seal")]
)
def test_a_hierarchy_that_is_not_valid_now_is_refused_with_what_to_do(
    authority: CertificationAuthority, moment: datetime, label: str
) -> None:
    with pytest.raises(HierarchyError, match=rf"{label}\.pem is valid from .* hold the ceremony again"):
        load(authority.directory, moment)


def test_an_expired_seal_is_renewed_as_the_refusal_says(tmp_path: Path) -> None:
    establish(tmp_path)
    for name in ("seal.pem", "seal.intent", "tsa.pem", "tsa.intent"):
        (tmp_path / name).unlink()
    later = NOW + timedelta(days=4 * 365)

    renewed = perform(config(tmp_path), keystore(tmp_path), later)

    assert renewed.seal.not_valid_before_utc == later - ORGANISATION_SEAL.backdated
    assert exported(tmp_path, SEAL_PASSPHRASE) == renewed.seal


def test_a_missing_and_a_damaged_certificate_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(HierarchyError, match="hold the ceremony first"):
        load(tmp_path, NOW)
    establish(tmp_path)
    (tmp_path / "issuing.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(HierarchyError, match="restore it from the backup"):
        load(tmp_path, NOW)


def test_a_new_passphrase_for_the_seal_makes_its_file_anew(tmp_path: Path) -> None:
    establish(tmp_path)
    changed = config(tmp_path).model_copy(update={"seal_passphrase": SecretStr("another one")})

    hierarchy = perform(changed, keystore(tmp_path), NOW)

    assert exported(tmp_path, "another one") == hierarchy.seal


def test_the_roots_revocation_list_is_signed_again_after_half_its_time(tmp_path: Path) -> None:
    establish(tmp_path)
    first = x509.load_pem_x509_crl((tmp_path / "root-crl.pem").read_bytes())

    perform(config(tmp_path), keystore(tmp_path), NOW + timedelta(days=91))

    second = x509.load_pem_x509_crl((tmp_path / "root-crl.pem").read_bytes())
    assert [number(crl) for crl in (first, second)] == [1, 2]
    assert second.next_update_utc == NOW + timedelta(days=271) - BACKDATED


def test_a_wrong_passphrase_opens_nothing_and_makes_nothing(tmp_path: Path) -> None:
    establish(tmp_path)
    before = public_files(tmp_path)

    with pytest.raises(KeyStoreError, match="wrong passphrase"):
        perform(config(tmp_path), EncryptedFiles(tmp_path / "keys", SecretStr("not the passphrase")), NOW)
    assert public_files(tmp_path) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"bin": "12"},
        {"base_url": "https://pki.test.kz"},
        {"base_url": "http://pki.test.kz/"},
        {"seal_passphrase": "short"},
        {"seal_passphrase": "құпиясөздер"},
        {"no_such_setting": 1},
    ],
    ids=str,
)
def test_an_impossible_configuration_is_refused_without_repeating_it(wrong: dict[str, object]) -> None:
    given = config(Path("nowhere")).model_dump() | wrong

    with pytest.raises(ValidationError) as caught:
        CeremonyConfig.model_validate(given)
    assert "құпия" not in str(caught.value)


def test_the_command_line_holds_the_ceremony_and_says_what_stopped_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = tmp_path / "ceremony.toml"
    toml.write_text(
        'organisation = "Сынақ"\nbin = "000740000728"\nbase_url = "http://pki.test.kz"\nroot = { name = "R1" }\n'
        'seal = { name = "Мөр" }\n'
        '[[issuing]]\nlabel = "issuing"\nname = "I1"\nkey = "P-256"\n'
        '[[issuing]]\nlabel = "rsa"\nname = "I2"\nkey = "RSA-2048"\n',
        encoding="utf-8",
    )
    arguments = ["--config", str(toml), "--dir", str(tmp_path / "ca")]
    monkeypatch.setenv("CA_SEAL_PASSPHRASE", SEAL_PASSPHRASE)

    assert ceremony.main(arguments) == 1
    assert "give it as CA_KEYSTORE_PASSPHRASE" in capsys.readouterr().err

    monkeypatch.setenv("CA_KEYSTORE_PASSPHRASE", "a passphrase for tests alone")
    assert ceremony.main(arguments) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "root",
        "issuing",
        "rsa",
        "seal",
        "tsa",
    ]


def finished(directory: Path) -> Hierarchy:
    return perform(config(directory), keystore(directory), NOW)


def exported(directory: Path, passphrase: str) -> x509.Certificate | None:
    content = (directory / "seal.p12").read_bytes()
    return pkcs12.load_key_and_certificates(content, passphrase.encode())[1]


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
