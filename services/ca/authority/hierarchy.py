"""The authorities' certificates as they lie on disk: root, issuing authorities, organisation seal, time-stamps.

There are several issuing authorities: one for each algorithm of citizens' keys, and older generations of both, which
issue no more but still answer for what they issued. ``issuing.json``, written by the ceremony, lists them in order.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.pki.trust import TrustAnchors
from services.ca.authority.generations import Generation
from services.ca.authority.issuers import PublicKey
from services.ca.authority.revoked import REVOKED, RevokedCertificate, found, read_revoked

ROOT: Final = "root"
ROOT_LIST: Final = "root-crl.pem"
SEAL: Final = "seal"
TSA: Final = "tsa"
MANIFEST: Final = "issuing.json"


class HierarchyError(Exception):
    """The hierarchy on disk does not hold together: the message says what, and what to do."""


def ocsp_label(issuing: str) -> str:
    """Return the label of the key that answers for an issuing authority.

    There is a key only: its certificate lasts thirty days, and the running service makes it.
    """
    return f"{issuing}-ocsp"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """All certificates. Their keys stay in the key store, under the labels of this module and the generations'."""

    root: x509.Certificate
    generations: tuple[Generation, ...]
    seal: x509.Certificate
    tsa: x509.Certificate
    revoked: tuple[RevokedCertificate, ...] = ()

    def issuing_for(self, public_key: PublicKey, at: datetime, until: datetime) -> Generation:
        """Return the authority that certifies this key at that time, until then.

        HierarchyError if none does: the present one nears its end, and there is no next one.
        """
        return issuing_for(self.generations, public_key, at, until)

    def generation(self, label: str) -> Generation:
        """Return an issuing authority by its label. HierarchyError if there is none."""
        for each in self.generations:
            if each.label == label:
                return each
        raise HierarchyError(f"there is no issuing authority «{label}» in {MANIFEST}: restore it from the backup")

    def live(self, at: datetime) -> tuple[Generation, ...]:
        """Return those that have not ended: their certificates can be revoked, so they answer for them."""
        return tuple(each for each in self.generations if at <= each.certificate.not_valid_after_utc)

    def above(self, certificate: x509.Certificate) -> Generation:
        """Return the authority that issued a certificate of ours. HierarchyError if none of these did."""
        for each in self.generations:
            if issued(certificate, each.certificate):
                return each
        raise HierarchyError("a certificate is not issued by any issuing authority of this hierarchy")

    def revocation_above(self, certificate: x509.Certificate) -> RevokedCertificate | None:
        """Return the revocation of the authority that issued a certificate; None if it was not revoked.

        By the name of the issuer, for `TrustAnchors` go by that: whoever stole its key writes any key identifier.
        """
        fallen = (each for each in self.generations if each.revoked is not None)
        return next((each.revoked for each in fallen if each.certificate.subject == certificate.issuer), None)

    def was_revoked(self, certificate: x509.Certificate, at: datetime) -> bool:
        """Return whether one of the operator's own, or the authority above it, was revoked by then."""
        revocations = (found(certificate, self.revoked), self.revocation_above(certificate))
        return any(each is not None and each.revoked_at <= at for each in revocations)

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
        """Whose certificates count: ours. Whether their authority was revoked is the caller's question."""
        return TrustAnchors([self.root], [each.certificate for each in self.generations])

    @property
    def trust_now(self) -> TrustAnchors:
        """Whose certificates count for what is signed now: ours, but for those of revoked authorities."""
        return TrustAnchors([self.root], [each.certificate for each in self.generations if each.revoked is None])

    @property
    def issuers_pem(self) -> bytes:
        """The certificates of the issuing authorities whose certificates count now."""
        return _pem(each.certificate for each in self.generations if each.revoked is None)

    @property
    def chain_pem(self) -> bytes:
        """The certificates of all issuing authorities, then the root's."""
        return _pem([*(each.certificate for each in self.generations), self.root])

    def require_in_force(self, now: datetime) -> None:
        """Insist that what is to be served counts, and that somebody issues. HierarchyError says what to do."""
        for label, certificate in {ROOT: self.root, **self.own}.items():
            _require_valid(label, certificate, now)
        if not self.live(now):
            raise HierarchyError("every issuing authority has ended: add a generation and hold the ceremony again")
        _require_issuers(self.live(now))
        for label, certificate in self.own.items():
            _require_not_revoked(label, certificate, self)


def issuing_for(generations: Sequence[Generation], public_key: PublicKey, at: datetime, until: datetime) -> Generation:
    """Return the last that certifies this key at that time, until then. HierarchyError if none does."""
    fitting = [each for each in generations if each.may_certify(public_key, at, until)]
    if not fitting:
        kind = "RSA" if isinstance(public_key, rsa.RSAPublicKey) else "EC"
        raise HierarchyError(
            f"no issuing authority for {kind} keys that is not revoked lives until {until}: "
            "add a generation to the ceremony's configuration and hold it again"
        )
    return fitting[-1]


def load(directory: Path, now: datetime) -> Hierarchy:
    """Read the certificates and verify that they form chains, valid now. HierarchyError otherwise.

    An issuing authority past its end stays: what was signed in its time is still verified.
    """
    root, seal, tsa = (read_certificate(directory, label) for label in (ROOT, SEAL, TSA))
    _require_issued(ROOT, root, root)
    revoked = _revoked(directory)
    generations = tuple(each.among(revoked) for each in _generations(directory))
    hierarchy = Hierarchy(root, generations, seal, tsa, revoked)
    for each in generations:
        _require_issued(each.label, each.certificate, root)
    for label, certificate in hierarchy.own.items():
        if not any(issued(certificate, each.certificate) for each in generations):
            raise HierarchyError(f"{label}.pem is not issued by the authority above it")
    hierarchy.require_in_force(now)
    _require_stated(directory, hierarchy)
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


def _revoked(directory: Path) -> tuple[RevokedCertificate, ...]:
    try:
        return read_revoked(directory)
    except ValueError as error:
        raise HierarchyError(str(error)) from error


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


def _pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the one signed the other."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _require_issued(label: str, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not issued(certificate, issuer):
        raise HierarchyError(f"{label}.pem is not issued by the authority above it")


def _require_valid(label: str, certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise HierarchyError(
            f"{label}.pem is valid from {certificate.not_valid_before_utc} to "
            f"{certificate.not_valid_after_utc}, not now: check the clock, or renew it "
            f"(take {label}.pem and {label}.intent away and hold the ceremony again)"
        )


def _require_not_revoked(label: str, certificate: x509.Certificate, hierarchy: Hierarchy) -> None:
    """Insist that a certificate to be served was not revoked, nor the authority above it."""
    again = f"take {label}.pem and {label}.intent away and hold the ceremony again"
    own = found(certificate, hierarchy.revoked)
    if own is not None:
        key = f" (and its key «{label}», if that was stolen)"
        raise HierarchyError(f"{label}.pem was revoked at {own.revoked_at} ({own.revoked_for}): {again}{key}")
    if hierarchy.revocation_above(certificate) is not None:
        raise HierarchyError(f"{label}.pem is issued by «{hierarchy.above(certificate).label}», revoked: {again}")


def _require_issuers(live: Sequence[Generation]) -> None:
    """Insist that not all of one kind are revoked."""
    for kind, rsa_keys in (("EC", False), ("RSA", True)):
        kin = [each for each in live if each.certifies_rsa is rsa_keys]
        if kin and all(each.revoked is not None for each in kin):
            labels = ", ".join(f"«{each.label}»" for each in kin)
            raise HierarchyError(
                f"every issuing authority for {kind} keys is revoked ({labels}): add a generation to the ceremony's "
                "configuration, hold it again, and replace the service's files"
            )


def _require_stated(directory: Path, hierarchy: Hierarchy) -> None:
    """Insist that whom the root's list revokes is revoked here: without `REVOKED` a stolen key would count again."""
    path = directory / ROOT_LIST
    if not path.exists():  # a metric shows its absence
        return
    crl = x509.load_pem_x509_crl(path.read_bytes())
    for each in hierarchy.generations:
        if each.revoked is None and crl.get_revoked_certificate_by_serial_number(each.certificate.serial_number):
            raise HierarchyError(
                f"{ROOT_LIST} revokes «{each.label}», but {REVOKED} does not know it: bring both from one ceremony"
            )
