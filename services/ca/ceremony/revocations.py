"""Revoking the operator's own certificates: what the configuration states is found, checked, and published.

A certificate is known by its file: any ``.pem`` in the ceremony's folder, such as ``tsa-stolen.pem``, in which an
authority of this hierarchy signed it. So nothing is revoked that never existed, or that is a citizen's.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from libs.common.pki.der import serial_text
from services.ca.authority.generations import Generation
from services.ca.authority.hierarchy import ROOT, ROOT_LIST, HierarchyError, issued, read_certificate
from services.ca.authority.issuers import Issuer, PrivateKey, public_digest, usable_key
from services.ca.authority.revoked import REVOKED, RevokedCertificate, read_revoked, written
from services.ca.ceremony.config import CeremonyConfig, RevokedConfig
from services.ca.ceremony.transcript import Transcript
from services.ca.crl.signing import BACKDATED, ROOT_LIFETIME, CrlFields, RevokedEntries, entry, sign_whole
from services.ca.keys.files import PUBLIC, write_over
from services.ca.model.ids import ShardId
from services.ca.model.profiles import DOCUMENT_SIGNING

_OPERATORS: Final = {ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING, DOCUMENT_SIGNING}
"""What no holder's certificate is for."""

Stated = tuple[tuple[RevokedCertificate, ...], frozenset[str]]


def stated(config: CeremonyConfig, generations: Sequence[Generation], now: datetime) -> Stated:
    """Return what the configuration revokes, and the digests of the public keys that it calls stolen.

    Raises:
        HierarchyError: a certificate is not there, is not the operator's own, or was not valid at that time; one in the
            folder bears a stolen key and is not stated; or one that was stated before is left out before its end, or is
            said to be revoked otherwise.
    """
    known = dict(_certificates(config.directory)) if config.revoked else {}
    revoked, stolen = [], set()
    for each in config.revoked:
        certificate = _named(each, known, generations, config.directory)
        revoked.append(_revocation(each, certificate, generations, config.directory, now))
        if each.reason == "keyCompromise":
            stolen.add(public_digest(usable_key(certificate.public_key())))
    _require_all_of_stolen_keys(known, revoked, stolen, now)
    _require_as_before(read_revoked(config.directory), revoked, now)
    return tuple(revoked), frozenset(stolen)


def require_none_stolen(serving: Mapping[str, PrivateKey], stolen: Collection[str]) -> None:
    """Insist that keys which are to go on serving, by label, are none of the stolen. HierarchyError otherwise."""
    for label, key in serving.items():
        if public_digest(key.public_key()) in stolen:
            raise HierarchyError(
                f"the key «{label}» is one that was stolen: take it and, if there are any, {label}.pem and "
                f"{label}.intent away, so that this ceremony makes new ones"
            )


def write_revoked(directory: Path, revoked: tuple[RevokedCertificate, ...], transcript: Transcript) -> None:
    """Write down for the running services what is revoked, be it nothing, if there is something new."""
    before = read_revoked(directory)
    for each in revoked:
        if each not in before:
            facts = each.model_dump(mode="json", exclude={"serial", "not_after", "crl_shard"})
            transcript.note("revocation stated", each.serial, **facts)
    if revoked != before or not (directory / REVOKED).exists():
        write_over(directory / REVOKED, written(revoked), mode=PUBLIC)


def write_root_list(
    directory: Path, revoked: tuple[RevokedCertificate, ...], root: Issuer, key: PrivateKey, transcript: Transcript
) -> None:
    """Publish the root's list of revoked authorities when it changes, and again once half of its time is over.

    It names no distribution point: there is one list of all that the root signed, itself included.
    """
    path, number, now = directory / ROOT_LIST, 1, transcript.now
    entries = {_entry(each) for each in revoked if each.issuer == ROOT}
    if path.exists():
        present = x509.load_pem_x509_crl(path.read_bytes())
        if now < present.last_update_utc + ROOT_LIFETIME / 2 and {_listed(each) for each in present} == entries:
            return
        number += present.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    edition = CrlFields(number=number, url=None, this_update=now - BACKDATED, lifetime=ROOT_LIFETIME)
    signed = sign_whole(RevokedEntries.read(b"".join(sorted(entries))), edition, root, key)
    crl = x509.load_der_x509_crl(signed)
    write_over(path, crl.public_bytes(Encoding.PEM), mode=PUBLIC)
    transcript.note("revocation list signed", ROOT, number=number, entries=len(crl))


def _entry(revoked: RevokedCertificate) -> bytes:
    """Encode an authority's entry; that its key was stolen has a word of its own (RFC 5280, 5.3.1)."""
    reason = "cACompromise" if revoked.revoked_for == "keyCompromise" else revoked.revoked_for
    return entry(int(revoked.serial, 16), revoked.revoked_at, reason)


def _listed(present: x509.RevokedCertificate) -> bytes:
    reason = present.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    return entry(present.serial_number, present.revocation_date_utc, str(reason))


def _certificates(directory: Path) -> Iterator[tuple[str, x509.Certificate]]:
    for path in sorted(directory.glob("*.pem")):
        try:
            found = x509.load_pem_x509_certificates(path.read_bytes())
        except ValueError:  # a list, or something of the operator's
            continue
        for each in found:
            yield serial_text(each.serial_number), each


def _named(
    wanted: RevokedConfig, known: Mapping[str, x509.Certificate], generations: Sequence[Generation], directory: Path
) -> x509.Certificate:
    if wanted.label:
        labelled = next((each.certificate for each in generations if each.label == wanted.label), None)
        if labelled is None:
            raise HierarchyError(
                f"«{wanted.label}» is stated as revoked, but a label names an issuing authority alone: "
                "name other certificates by their serial number, which the transcript shows"
            )
        return labelled
    if wanted.serial not in known:
        raise HierarchyError(
            f"«{wanted.serial}» is stated as revoked, but no certificate with this serial number lies in {directory}: "
            "correct the number, or put the certificate there as a .pem file"
        )
    return known[wanted.serial]


def _revocation(
    wanted: RevokedConfig,
    certificate: x509.Certificate,
    generations: Sequence[Generation],
    directory: Path,
    now: datetime,
) -> RevokedCertificate:
    at = wanted.at.astimezone(UTC).replace(microsecond=0)
    if not certificate.not_valid_before_utc <= at <= min(now, certificate.not_valid_after_utc):
        raise HierarchyError(
            f"«{wanted.name}» is stated as revoked at {at}: not within its time ({certificate.not_valid_before_utc} to "
            f"{certificate.not_valid_after_utc}), or in the future"
        )
    issuer = _issuer(wanted, certificate, generations, directory)
    return RevokedCertificate(
        issuer=issuer,
        serial=serial_text(certificate.serial_number),
        certificate_sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=certificate.not_valid_after_utc,
        crl_shard=ShardId.named_in(certificate).number,
        revoked_at=at,
        revoked_for=wanted.reason,
    )


def _issuer(
    wanted: RevokedConfig, certificate: x509.Certificate, generations: Sequence[Generation], directory: Path
) -> str:
    root = read_certificate(directory, ROOT)
    if certificate == root:
        raise HierarchyError("a root does not revoke itself: begin anew with another root, see docs/operations.md")
    if issued(certificate, root):
        return ROOT
    above = next((each.label for each in generations if issued(certificate, each.certificate)), None)
    if above is None:
        raise HierarchyError(f"«{wanted.name}» is stated as revoked, but no authority of this hierarchy issued it")
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if _OPERATORS.isdisjoint(purposes):
        raise HierarchyError(f"«{wanted.name}» is a holder's certificate: a clerk revokes it in the running service")
    return above


def _require_all_of_stolen_keys(
    known: Mapping[str, x509.Certificate], revoked: Sequence[RevokedCertificate], stolen: Collection[str], now: datetime
) -> None:
    """Insist that a stolen key's other certificates, of before or after a renewal with the same key, are stated too."""
    named = {each.serial for each in revoked}
    for serial, each in known.items():
        key = each.public_key()
        bears = isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) and public_digest(key) in stolen
        if bears and serial not in named and now <= each.not_valid_after_utc:
            raise HierarchyError(f"the certificate «{serial}» bears a stolen key as well: state it as revoked, too")


def _require_as_before(
    before: Sequence[RevokedCertificate], revoked: Sequence[RevokedCertificate], now: datetime
) -> None:
    """Insist that what is revoked stays so, for its first time and reason, as long as it would be valid."""
    serials = [each.serial for each in revoked]
    twice = next((each for each in serials if serials.count(each) > 1), None)
    if twice is not None:
        raise HierarchyError(f"«{twice}» is stated as revoked twice: leave one of them out")
    for each in before:
        if each not in revoked and now <= each.not_after:
            raise HierarchyError(
                f"«{each.serial}» was stated as revoked at {each.revoked_at} ({each.revoked_for}), and stays so: "
                "put that back into the configuration as it was"
            )
