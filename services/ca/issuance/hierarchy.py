"""The authorities' certificates as they lie on disk: root, issuing authorities, organisation seal, time-stamps.

There are several issuing authorities: one for each algorithm of citizens' keys, and older generations of both, which
issue no more but still answer for what they issued. ``issuing.json``, written by the ceremony, lists them in order.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.trust import TrustAnchors
from services.ca.issuance.issuers import Issuer, PublicKey

ROOT: Final = "root"
ROOT_LIST: Final = "root-crl.pem"
SEAL: Final = "seal"
TSA: Final = "tsa"
MANIFEST: Final = "issuing.json"


class HierarchyError(Exception):
    """The hierarchy on disk does not hold together: the message says what, and what to do."""


def ocsp_label(issuing: str) -> str:
    """Give the label of the key that answers for an issuing authority.

    There is a key only: its certificate lasts thirty days, and the running service makes it.
    """
    return f"{issuing}-ocsp"


@dataclass(frozen=True, slots=True)
class Generation:
    """One issuing authority: a key, its certificate, and from when on it issues.

    Several may serve one algorithm: the last of those whose time has come issues. ``label`` names its key in the key
    store, its files, and its place in public addresses.
    """

    label: str
    certificate: x509.Certificate
    issues_from: datetime
    issuer: Issuer

    @classmethod
    def of(cls, label: str, certificate: x509.Certificate, issues_from: datetime | None) -> Self:
        """Take an authority from its certificate; it issues from its beginning on, unless told otherwise."""
        begin = issues_from or certificate.not_valid_before_utc
        return cls(label, certificate, begin, Issuer.of(label, certificate))

    def may_certify(self, public_key: PublicKey, at: datetime, until: datetime) -> bool:
        """Tell whether it issues at that time, for keys of this kind, and lives as long as the certificate."""
        kin = isinstance(public_key, rsa.RSAPublicKey) == isinstance(self.issuer.public_key, rsa.RSAPublicKey)
        return kin and self.issues_from <= at and until <= self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """All certificates. Their keys stay in the key store, under the labels of this module and the generations'."""

    root: x509.Certificate
    generations: tuple[Generation, ...]
    seal: x509.Certificate
    tsa: x509.Certificate

    def issuing_for(self, public_key: PublicKey, at: datetime, until: datetime) -> Generation:
        """Give the authority that certifies this key at that time, until then.

        HierarchyError if none does: the present one nears its end, and there is no next one.
        """
        return issuing_for(self.generations, public_key, at, until)

    def generation(self, label: str) -> Generation:
        """Give an issuing authority by its label. HierarchyError if there is none."""
        for each in self.generations:
            if each.label == label:
                return each
        raise HierarchyError(f"there is no issuing authority «{label}» in {MANIFEST}: restore it from the backup")

    def live(self, at: datetime) -> tuple[Generation, ...]:
        """Give those that have not ended: their certificates can be revoked, so they answer for them."""
        return tuple(each for each in self.generations if at <= each.certificate.not_valid_after_utc)

    def above(self, certificate: x509.Certificate) -> Generation:
        """Give the authority that issued a certificate of ours. HierarchyError if none of these did."""
        for each in self.generations:
            if _issued(certificate, each.certificate):
                return each
        raise HierarchyError("a certificate is not issued by any issuing authority of this hierarchy")

    @property
    def own(self) -> dict[str, x509.Certificate]:
        """What the issuing authorities issued to the operator itself, by label."""
        return {SEAL: self.seal, TSA: self.tsa}

    @property
    def certificates(self) -> dict[str, x509.Certificate]:
        """All of them, by label."""
        return {ROOT: self.root, **{each.label: each.certificate for each in self.generations}, **self.own}

    @property
    def trust(self) -> TrustAnchors:
        """Whose certificates count: ours."""
        return TrustAnchors([self.root], [each.certificate for each in self.generations])

    @property
    def issuers_pem(self) -> bytes:
        """The certificates of all issuing authorities."""
        return b"".join(each.certificate.public_bytes(Encoding.PEM) for each in self.generations)

    @property
    def chain_pem(self) -> bytes:
        """The certificates of all issuing authorities, then the root's."""
        return self.issuers_pem + self.root.public_bytes(Encoding.PEM)


def issuing_for(generations: Sequence[Generation], public_key: PublicKey, at: datetime, until: datetime) -> Generation:
    """Give the last that certifies this key at that time, until then. HierarchyError if none does."""
    fitting = [each for each in generations if each.may_certify(public_key, at, until)]
    if not fitting:
        kind = "RSA" if isinstance(public_key, rsa.RSAPublicKey) else "EC"
        raise HierarchyError(
            f"no issuing authority for {kind} keys lives until {until}: "
            "add a generation to the ceremony's configuration and hold it again"
        )
    return fitting[-1]


def load(directory: Path, now: datetime) -> Hierarchy:
    """Read the certificates and verify that they form chains, valid now. HierarchyError otherwise.

    An issuing authority past its end stays: what was signed in its time is still verified.
    """
    root, seal, tsa = (read_certificate(directory, label) for label in (ROOT, SEAL, TSA))
    _require_issued(ROOT, root, root)
    generations = _generations(directory)
    hierarchy = Hierarchy(root, generations, seal, tsa)
    for each in generations:
        _require_issued(each.label, each.certificate, root)
    for label, certificate in hierarchy.own.items():
        if not any(_issued(certificate, each.certificate) for each in generations):
            raise HierarchyError(f"{label}.pem is not issued by the authority above it")
    for label, certificate in {ROOT: root, **hierarchy.own}.items():
        _require_valid(label, certificate, now)
    if not hierarchy.live(now):
        raise HierarchyError("every issuing authority has ended: add a generation and hold the ceremony again")
    return hierarchy


def require_none_forgotten(directory: Path, labels: Collection[str], now: datetime) -> None:
    """Insist that a configuration still has every issuing authority that an earlier ceremony listed.

    One that is left out before its end would leave its certificates without lists and answers. HierarchyError then.
    """
    listed = [label for label, _ in _listed(directory)] if (directory / MANIFEST).exists() else []
    for label in listed:
        end = read_certificate(directory, label).not_valid_after_utc
        if label not in labels and now <= end:
            raise HierarchyError(
                f"the configuration leaves out «{label}», which has to answer for its certificates until {end}: "
                "put it back, and add the new one after it"
            )


def manifest(generations: tuple[Generation, ...]) -> bytes:
    """Write the list of issuing authorities, as `load` reads it."""
    listed = [{"label": each.label, "issues_from": each.issues_from.isoformat()} for each in generations]
    return json.dumps(listed, indent=1).encode() + b"\n"


def read_certificate(directory: Path, label: str) -> x509.Certificate:
    """Read one certificate. HierarchyError if it is missing or damaged."""
    path = directory / f"{label}.pem"
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise HierarchyError(f"{path.name} is no certificate: restore it from the backup") from error


def _generations(directory: Path) -> tuple[Generation, ...]:
    return tuple(Generation.of(label, read_certificate(directory, label), begin) for label, begin in _listed(directory))


def _listed(directory: Path) -> list[tuple[str, datetime]]:
    try:
        listed = json.loads(_read(directory / MANIFEST))
        return [(each["label"], datetime.fromisoformat(each["issues_from"])) for each in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise HierarchyError(f"{MANIFEST} is damaged: restore it from the backup") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise HierarchyError(f"there is no {path.name} in {path.parent}: hold the ceremony first") from None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _require_issued(label: str, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not _issued(certificate, issuer):
        raise HierarchyError(f"{label}.pem is not issued by the authority above it")


def _require_valid(label: str, certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise HierarchyError(
            f"{label}.pem is valid from {certificate.not_valid_before_utc} to "
            f"{certificate.not_valid_after_utc}, not now: check the clock, or renew it "
            f"(take {label}.pem and {label}.intent away and hold the ceremony again)"
        )
