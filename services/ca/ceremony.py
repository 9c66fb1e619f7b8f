"""The key ceremony: root, issuing authority, organisation seal, time-stamps and responder, from one configuration.

The first run makes keys and certificates, every later one loads and verifies them; a run that was cut
short is finished by the next (the intent of each signature lies beside the certificates before the key is
used). Written to the directory:

``root.pem``, ``issuing.pem``,
``seal.pem``, ``tsa.pem``                      the certificates
``chain.pem``                                  issuing and root, for relying parties
``root-crl.pem``                               the root's list of revoked authorities
``seal.p12``                                   the seal's key and chain, for the service that seals
``*.intent``                                   what was about to be signed
``ceremony.jsonl``                             the transcript: each step with its time and fingerprints
"""

import argparse
import fcntl
import json
import os
import secrets
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat, pkcs12
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from services.ca import profiles
from services.ca.crl import ROOT_LIFETIME, Edition, sign_crl
from services.ca.files import PUBLIC, write_new, write_over
from services.ca.hierarchy import (
    ISSUING,
    OCSP,
    ROOT,
    ROOT_LIST,
    SEAL,
    TSA,
    Hierarchy,
    HierarchyError,
    load,
    read_certificate,
)
from services.ca.holders import Authority, Organisation
from services.ca.issuance import Intent, prepare, resume
from services.ca.issuers import Issuer, PrivateKey
from services.ca.keys import EncryptedFiles, KeyKind, KeyMissingError, KeyStore, KeyStoreError
from services.ca.lint import LintError, lint
from services.ca.orders import SERIAL_OCTETS, Order, serial_number

_PKCS12_ROUNDS: Final = 100_000

Entropy = Callable[[int], bytes]


def _ascii(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isascii():
        raise ValueError("use ASCII characters only: Java's key stores refuse other passwords")
    return secret


class CeremonyConfig(BaseModel):
    """What the authorities and the seal are called, where they are published, where the files go.

    ``base_url`` is plain http, as RFC 5280, 8, advises for what is signed anyway.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    directory: Path
    organisation: str
    bin: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
    root_name: str
    issuing_name: str
    seal_name: str
    base_url: Annotated[str, StringConstraints(pattern=r"^http://[!-~]+[^/]$")]
    tsa_name: str = "Time-Stamp Authority"
    ocsp: bool = True
    seal_passphrase: Annotated[SecretStr, Field(min_length=8), AfterValidator(_ascii)]

    @property
    def publication(self) -> profiles.Publication:
        """Where certificates say they are published."""
        return profiles.Publication(self.base_url, self.ocsp)


def perform(
    config: CeremonyConfig, keystore: KeyStore, now: datetime, entropy: Entropy = secrets.token_bytes
) -> Hierarchy:
    """Make what is missing, verify what is there, and write the derived files.

    Safe to run at every start, and by several processes at once on one directory: they take turns.

    Raises:
        HierarchyError: the certificates form no valid chain, or a key does not fit its certificate.
        KeyStoreError: a key can't be opened, or a certificate's key is gone.
        LintError: an intent left by an earlier run does not fit this configuration.
    """
    config.directory.mkdir(parents=True, exist_ok=True)
    with _turn(config.directory):
        return _Ceremony(config, keystore, now.replace(microsecond=0), entropy).perform()


@dataclass(frozen=True, slots=True)
class _Member:
    label: str
    profile: profiles.Profile
    holder: Authority | Organisation
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class _Ceremony:
    config: CeremonyConfig
    keystore: KeyStore
    now: datetime
    entropy: Entropy

    def perform(self) -> Hierarchy:
        root, issuing, seal, tsa = self._members()
        self._key(OCSP, KeyKind.P256)
        own = Issuer.root(ROOT, root.holder, root.key.public_key())
        above = Issuer.of(ROOT, self._certify(root, own, root.key))
        issuer = Issuer.of(ISSUING, self._certify(issuing, above, root.key))
        for member in (seal, tsa):
            self._certify(member, issuer, issuing.key)
        hierarchy = load(self.config.directory, self.now)
        self._write_derived(hierarchy, seal.key)
        self._write_root_crl(above, root.key)
        return hierarchy

    def _members(self) -> tuple[_Member, _Member, _Member, _Member]:
        config = self.config
        root = Authority(organisation=config.organisation, common_name=config.root_name)
        issuing = Authority(organisation=config.organisation, common_name=config.issuing_name)
        seal = Organisation(name=config.organisation, bin=config.bin, common_name=config.seal_name)
        tsa = Authority(organisation=config.organisation, common_name=config.tsa_name)
        return (
            _Member(ROOT, profiles.ROOT, root, self._key(ROOT, KeyKind.P384)),
            _Member(ISSUING, profiles.ISSUING, issuing, self._key(ISSUING, KeyKind.P256)),
            _Member(SEAL, profiles.ORGANISATION_SEAL, seal, self._key(SEAL, KeyKind.P256)),
            _Member(TSA, profiles.TSA, tsa, self._key(TSA, KeyKind.P256)),
        )

    def _key(self, label: str, kind: KeyKind) -> PrivateKey:
        try:
            return self.keystore.load(label)
        except KeyMissingError:
            if self._path(f"{label}.pem").exists():
                raise  # a certificate without its key is a lost key, never a reason to make a new one
        key = self.keystore.create(label, kind)
        self._note("key created", label, kind=kind, key_sha256=_digest(key))
        return key

    def _certify(self, member: _Member, issuer: Issuer, issuer_key: PrivateKey) -> x509.Certificate:
        path = self._path(f"{member.label}.pem")
        if path.exists():
            certificate = read_certificate(self.config.directory, member.label)
            if certificate.public_key() != member.key.public_key():
                raise HierarchyError(
                    f"{path.name} belongs to another key than «{member.label}» in the key store: "
                    "bring both from the same backup"
                )
            return certificate
        intent = self._intent(member, issuer)
        public_key = member.key.public_key()
        certificate = resume(
            intent, intent.order(member.holder, public_key), issuer, self.config.publication, issuer_key
        )
        write_new(path, certificate.public_bytes(Encoding.PEM), mode=PUBLIC)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        self._note(
            "certificate signed",
            member.label,
            serial_number=intent.serial_number,
            tbs_sha256=intent.tbs_sha256,
            certificate_sha256=fingerprint,
        )
        return certificate

    def _intent(self, member: _Member, issuer: Issuer) -> Intent:
        """Read the intent an earlier run left behind, or record a new one."""
        path = self._path(f"{member.label}.intent")
        if path.exists():
            return Intent.model_validate_json(path.read_bytes())
        order = Order(
            profile=member.profile,
            holder=member.holder,
            public_key=member.key.public_key(),
            serial_number=serial_number(self.entropy(SERIAL_OCTETS)),
            not_before=self.now,
        )
        publication = self.config.publication
        intent = Intent.of(order, lint(prepare(order, issuer, publication), order, issuer, publication), publication)
        write_new(path, intent.model_dump_json().encode(), mode=PUBLIC)
        self._note("intent", member.label, serial_number=intent.serial_number, tbs_sha256=intent.tbs_sha256)
        return intent

    def _write_derived(self, hierarchy: Hierarchy, seal_key: PrivateKey) -> None:
        write_over(self._path("chain.pem"), hierarchy.chain_pem, mode=PUBLIC)
        passphrase = self.config.seal_passphrase.get_secret_value().encode()
        path = self._path("seal.p12")
        if not (path.exists() and _opens(path.read_bytes(), passphrase, hierarchy.seal)):
            write_over(path, _pkcs12(hierarchy, seal_key, passphrase))
            self._note("seal exported", SEAL)

    def _write_root_crl(self, root: Issuer, key: PrivateKey) -> None:
        """Publish the (empty) list of revoked authorities, again once half of its time is over."""
        path, number = self._path(ROOT_LIST), 1
        if path.exists():
            present = x509.load_pem_x509_crl(path.read_bytes())
            if self.now < present.last_update_utc + ROOT_LIFETIME / 2:
                return
            number += present.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        edition = Edition(
            number=number,
            url=self.config.publication.crl(ROOT, 0),
            this_update=self.now,
            lifetime=ROOT_LIFETIME,
            authorities=True,
        )
        crl = sign_crl([], edition, root, key)
        write_over(path, crl.public_bytes(Encoding.PEM), mode=PUBLIC)
        self._note("revocation list signed", ROOT, number=number)

    def _path(self, name: str) -> Path:
        return self.config.directory / name

    def _note(self, step: str, label: str, **facts: str | int) -> None:
        line = {"time": self.now.isoformat(), "step": step, "label": label, **facts}
        with self._path("ceremony.jsonl").open("a", encoding="utf-8") as transcript:
            transcript.write(json.dumps(line, ensure_ascii=False) + "\n")


def _digest(key: PrivateKey) -> str:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()


def _pkcs12(hierarchy: Hierarchy, key: PrivateKey, passphrase: bytes) -> bytes:
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_PKCS12_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase)
    )
    authorities = [hierarchy.issuing, hierarchy.root]
    return pkcs12.serialize_key_and_certificates(SEAL.encode(), key, hierarchy.seal, authorities, encryption)


def _opens(content: bytes, passphrase: bytes, seal: x509.Certificate) -> bool:
    try:
        return pkcs12.load_key_and_certificates(content, passphrase)[1] == seal
    except ValueError:  # another passphrase was configured since: the file is made anew
        return False


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    with (directory / ".ceremony.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Hold the ceremony from the command line. Passphrases come from the environment, never from arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.ceremony",
        description="Make or verify root, issuing authority, organisation seal, time-stamp authority and responder.",
        epilog="Environment: CA_KEYSTORE_PASSPHRASE opens the keys, CA_SEAL_PASSPHRASE protects seal.p12.",
    )
    parser.add_argument("--config", type=Path, required=True, help="TOML: organisation, bin, names, base_url")
    parser.add_argument("--dir", type=Path, required=True, help="where certificates and transcript go")
    parser.add_argument("--keys", type=Path, help="where the encrypted keys lie (default: DIR/keys)")
    given = parser.parse_args(arguments)
    try:
        facts = tomllib.loads(given.config.read_text(encoding="utf-8"))
        secret = os.environ.get("CA_SEAL_PASSPHRASE", "")
        config = CeremonyConfig.model_validate(facts | {"directory": given.dir, "seal_passphrase": secret})
        passphrase = SecretStr(os.environ.get("CA_KEYSTORE_PASSPHRASE", ""))
        keystore = EncryptedFiles(given.keys or given.dir / "keys", passphrase)
        hierarchy = perform(config, keystore, datetime.now(UTC))
    except (HierarchyError, KeyStoreError, LintError, ValidationError, OSError, ValueError) as error:
        sys.stderr.write(f"The ceremony stopped: {error}\n")
        return 1
    certificates = {ROOT: hierarchy.root, ISSUING: hierarchy.issuing, **hierarchy.own}
    for label, certificate in certificates.items():
        sys.stdout.write(f"{label:8} SHA-256 {certificate.fingerprint(hashes.SHA256()).hex(':')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
