"""The key ceremony: root, issuing authorities, organisation seal, time-stamps and responders, from one configuration.

The first run makes keys and certificates, every later one loads and verifies them; a run that was cut
short is finished by the next (the intent of each signature lies beside the certificates before the key is
used). Written to the directory:

``root.pem``, ``seal.pem``, ``tsa.pem``,
``<label>.pem`` of each issuing authority      the certificates
``issuing.json``                               the issuing authorities in order, for the running service
``issuers.pem``                                certificates of those that are not revoked, for services that verify
``chain.pem``                                  all of theirs and the root's, for relying parties
``root-crl.pem``                               the root's list of revoked authorities
``revoked.json``                               the operator's revoked certificates, for the running service
``seal.p12``                                   the seal's key and chain, for the service that seals
``*.intent``                                   what was about to be signed
``ceremony.jsonl``, ``ceremony.txt``           the transcript: each step with its time and fingerprints, no secrets
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from services.ca.authority.generations import Generation
from services.ca.authority.hierarchy import (
    MANIFEST,
    ROOT,
    SEAL,
    TSA,
    Hierarchy,
    HierarchyError,
    issuing_for,
    load,
    manifest,
    ocsp_label,
    read_certificate,
    require_none_forgotten,
)
from services.ca.authority.issuers import Issuer, PrivateKey, public_digest
from services.ca.ceremony.config import CeremonyConfig, read_config
from services.ca.ceremony.revocations import require_none_stolen, stated, write_revoked, write_root_list
from services.ca.ceremony.seal_export import holds_seal, seal_file
from services.ca.ceremony.transcript import Fact, Transcript
from services.ca.issuance.lint import LintError, lint
from services.ca.issuance.orders import Order
from services.ca.issuance.steps import Intent, prepare, resume
from services.ca.keys.configured import ceremony_keys
from services.ca.keys.files import PUBLIC, taking_turns, write_new, write_over
from services.ca.keys.store import KeyMissingError, KeyStore, KeyStoreError, SigningKeyKind
from services.ca.model import profiles
from services.ca.model.ids import SERIAL_OCTETS, serial_number
from services.ca.model.subject import Authority, Holder, Organisation

Entropy = Callable[[int], bytes]


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
    moment = now.replace(microsecond=0)
    with taking_turns(config.directory / ".ceremony.lock"):
        transcript = Transcript(config.directory, moment, _held(config))
        hierarchy = _Ceremony(config, keystore, moment, entropy, transcript).perform()
        transcript.close()
    return hierarchy


@dataclass(frozen=True, slots=True)
class _Member:
    label: str
    profile: profiles.Profile
    holder: Holder
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class _Signer:
    issuer: Issuer
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class _Ceremony:
    config: CeremonyConfig
    keystore: KeyStore
    now: datetime
    entropy: Entropy
    transcript: Transcript

    def perform(self) -> Hierarchy:
        labels = {each.label for each in self.config.issuing}
        require_none_forgotten(self.config.directory, labels, self.now)
        root, issuing, own = self._root(), self._issuing(), self._own()
        above = self._certify_root(root)
        generations = tuple(
            Generation.of(member.label, self._certify(member, above), each.issues_from)
            for each, member in zip(self.config.issuing, issuing, strict=True)
        )
        revoked, stolen = stated(self.config, generations, self.now)
        generations = tuple(each.among(revoked) for each in generations)
        if stolen:
            require_none_stolen(self._serving(generations), stolen)
        keys = {member.label: member.key for member in issuing}
        seal, tsa = (self._certify_own(member, generations, keys) for member in own)
        Hierarchy(read_certificate(self.config.directory, ROOT), generations, seal, tsa, revoked).require_in_force(
            self.now
        )
        write_over(self._path(MANIFEST), manifest(generations), mode=PUBLIC)
        write_revoked(self.config.directory, revoked, self.transcript)
        hierarchy = load(self.config.directory, self.now)
        self._write_derived(hierarchy, own[0].key)
        write_root_list(self.config.directory, revoked, above.issuer, above.key, self.transcript)
        return hierarchy

    def _root(self) -> _Member:
        holder = Authority(organisation=self.config.organisation, common_name=self.config.root.name)
        return _Member(ROOT, profiles.ROOT, holder, self._key(ROOT, self.config.root.key))

    def _issuing(self) -> tuple[_Member, ...]:
        """Return the issuing authorities; each has a key besides that answers for it."""
        members = []
        for each in self.config.issuing:
            holder = Authority(organisation=self.config.organisation, common_name=each.name)
            members.append(_Member(each.label, profiles.ISSUING, holder, self._key(each.label, each.key)))
            self._key(ocsp_label(each.label), each.ocsp_key)
        return tuple(members)

    def _own(self) -> tuple[_Member, _Member]:
        config = self.config
        seal = Organisation(name=config.organisation, bin=config.bin, common_name=config.seal.name)
        tsa = Authority(organisation=config.organisation, common_name=config.tsa.name)
        return (
            _Member(SEAL, profiles.ORGANISATION_SEAL, seal, self._key(SEAL, SigningKeyKind.P256)),
            _Member(TSA, profiles.TSA, tsa, self._key(TSA, SigningKeyKind.P256)),
        )

    def _certify_root(self, root: _Member) -> _Signer:
        own = Issuer.root(ROOT, root.holder, root.key.public_key())
        return _Signer(Issuer.of(ROOT, self._certify(root, _Signer(own, root.key))), root.key)

    def _certify_own(
        self, member: _Member, generations: tuple[Generation, ...], keys: Mapping[str, PrivateKey]
    ) -> x509.Certificate:
        issuer = self._issuer_of(member, generations)
        return self._certify(member, _Signer(issuer, keys[issuer.label]))

    def _issuer_of(self, member: _Member, generations: tuple[Generation, ...]) -> Issuer:
        """Return the authority that issues now, or the one that an intent left behind was meant for."""
        path = self._path(f"{member.label}.intent")
        if path.exists():
            label = Intent.model_validate_json(path.read_bytes()).issuer
            meant = next(each for each in generations if each.label == label)
            if meant.revoked is None or self._path(f"{member.label}.pem").exists():
                return meant.issuer
            raise HierarchyError(f"{path.name} was meant for «{label}», which is revoked: take it away")
        until = self.now + member.profile.validity
        return issuing_for(generations, member.key.public_key(), self.now, until).issuer

    def _key(self, label: str, kind: SigningKeyKind) -> PrivateKey:
        try:
            return self.keystore.load(label)
        except KeyMissingError:
            if self._path(f"{label}.pem").exists():
                raise  # a certificate without its key is a lost key, never a reason to make a new one
        key = self.keystore.create(label, kind)
        self.transcript.note("key created", label, kind=kind, key_sha256=public_digest(key.public_key()))
        return key

    def _certify(self, member: _Member, signer: _Signer) -> x509.Certificate:
        path = self._path(f"{member.label}.pem")
        if path.exists():
            certificate = read_certificate(self.config.directory, member.label)
            if certificate.public_key() != member.key.public_key():
                raise HierarchyError(
                    f"{path.name} belongs to another key than «{member.label}» in the key store: "
                    "bring both from the same backup"
                )
            return certificate
        intent = self._intent(member, signer.issuer)
        order = intent.order(member.holder, member.key.public_key())
        certificate = resume(intent, order, signer.issuer, self.config.publication, signer.key)
        write_new(path, certificate.public_bytes(Encoding.PEM), mode=PUBLIC)
        self.transcript.note(
            "certificate signed",
            member.label,
            by=signer.issuer.label,
            subject=certificate.subject.rfc4514_string(),
            serial_number=intent.serial_number,
            valid_from=certificate.not_valid_before_utc.isoformat(),
            valid_until=certificate.not_valid_after_utc.isoformat(),
            certificate_sha256=certificate.fingerprint(hashes.SHA256()).hex(),
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
            not_before=member.profile.not_before(self.now),
        )
        publication = self.config.publication
        intent = Intent.of(order, lint(prepare(order, issuer, publication), order, issuer, publication), publication)
        write_new(path, intent.model_dump_json().encode(), mode=PUBLIC)
        self.transcript.note("intent", member.label, serial_number=intent.serial_number, tbs_sha256=intent.tbs_sha256)
        return intent

    def _write_derived(self, hierarchy: Hierarchy, seal_key: PrivateKey) -> None:
        write_over(self._path("chain.pem"), hierarchy.chain_pem, mode=PUBLIC)
        write_over(self._path("issuers.pem"), hierarchy.issuers_pem, mode=PUBLIC)
        passphrase = self.config.seal_passphrase.get_secret_value().encode()
        path = self._path("seal.p12")
        if not (path.exists() and holds_seal(path.read_bytes(), passphrase, hierarchy.seal)):
            write_over(path, seal_file(hierarchy, seal_key, passphrase))
            self.transcript.note("seal exported", SEAL)

    def _serving(self, generations: tuple[Generation, ...]) -> dict[str, PrivateKey]:
        """Return the keys that go on serving, by label: all but those of the root and of revoked authorities."""
        issuing = [each.label for each in generations if each.revoked is None]
        labels = [SEAL, TSA, *issuing, *(ocsp_label(each.label) for each in generations)]
        return {label: self.keystore.load(label) for label in labels}

    def _path(self, name: str) -> Path:
        return self.config.directory / name


def _held(config: CeremonyConfig) -> Mapping[str, Fact]:
    witnesses = list(config.witnesses)
    return {"organisation": config.organisation, "configuration_sha256": config.digest, "witnesses": witnesses}


def hold(file: Path, directory: Path, keys: Path, secrets: Mapping[str, str], **instead: str) -> Hierarchy:
    """Hold the ceremony by a configuration file, now. Everybody does it this way.

    Args:
        directory: where certificates and transcript go.
        keys: where encrypted keys lie.
        secrets: by the names of environment variables: see the command's help.
        instead: settings that the caller knows better than the file, such as ``base_url``.

    Raises:
        HierarchyError, KeyStoreError, LintError: as `perform`.
        ValidationError, ValueError, OSError: the configuration can't be read, or asks for something impossible.
    """
    config = read_config(file, directory, secrets.get("CA_SEAL_PASSPHRASE", ""), **instead)
    return perform(config, ceremony_keys(config.token, keys, secrets), datetime.now(UTC))


def main(arguments: list[str] | None = None) -> int:
    """Hold the ceremony from the command line. Secrets come from the environment, never from arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ca.ceremony",
        description="Make or verify root, issuing authorities, organisation seal, time-stamp authority and responders.",
        epilog="Environment: CA_KEYSTORE_PASSPHRASE opens encrypted keys, CA_SEAL_PASSPHRASE protects seal.p12, "
        "CA_TOKEN_PIN and CA_ROOT_TOKEN_PIN log in to tokens.",
    )
    parser.add_argument("--config", type=Path, required=True, help="TOML, such as deploy/ceremony.toml")
    parser.add_argument("--dir", type=Path, required=True, help="where certificates and transcript go")
    parser.add_argument("--keys", type=Path, help="where the encrypted keys lie (default: DIR/keys)")
    given = parser.parse_args(arguments)
    try:
        hierarchy = hold(given.config, given.dir, given.keys or given.dir / "keys", os.environ)
    except (HierarchyError, KeyStoreError, LintError, ValidationError, OSError, ValueError) as error:
        sys.stderr.write(f"The ceremony stopped: {error}\n")
        return 1
    issuing = {each.label: each.certificate for each in hierarchy.generations}
    for label, certificate in ({ROOT: hierarchy.root} | issuing | hierarchy.own).items():
        sys.stdout.write(f"{label:16} SHA-256 {certificate.fingerprint(hashes.SHA256()).hex(':')}\n")
    return 0
