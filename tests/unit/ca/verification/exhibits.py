"""One of everything the authority signs, as files, made now: most judges go by the machine's clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from libs.citizen.keys.keystore import KeyEntry, pack
from libs.common.core.values import utc_now
from services.ca.authority.issuers import Issuer, PrivateKey
from services.ca.crl.signing import CrlFields, RevokedEntries, entry, sign_list
from services.ca.model.profiles import AUTH, ENTITIES, OCSP_RESPONDER, ORGANISATION_SEAL, SIGN, TSA, Profile
from services.ca.model.status import GoodStatus, RevokedStatus, Status
from services.ca.model.subject import Authority, NaturalPerson, Organisation, Representative
from services.ca.ocsp.answers import Responder
from tests.unit.ca.hierarchies import AUTHORITY, ORGANISATION, PERSON, establish, pem

REPRESENTATIVE = Representative(person=PERSON, organisation="«Жұлдыз» ЖШС", bin="000740000728")
PASSWORD = "Invented-Password-1"  # noqa: S105 - of a key store made here
KINDS = ("P-256", "P-384", "RSA-2048")
HOLDERS = (SIGN, AUTH, *ENTITIES.values(), ORGANISATION_SEAL, OCSP_RESPONDER, TSA)
REVOKED = "revoked"
CERTIFICATES = (
    *(f"{profile.name}-{kind}" for profile in HOLDERS for kind in KINDS),
    *(f"{REVOKED}-{kind}" for kind in KINDS),
)
SHARD = 7


def keys() -> dict[str, PrivateKey]:
    return {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "RSA-2048": rsa.generate_private_key(65537, 2048),
    }


@dataclass(frozen=True)
class Exhibit:
    """A certificate, and what tells of its revocation."""

    name: str
    profile: Profile
    certificate: x509.Certificate
    key: PrivateKey
    issuer: str
    folder: Path

    @property
    def revoked(self) -> bool:
        return self.name.startswith(REVOKED)

    @property
    def policy(self) -> str | None:
        policies = self.profile.policies
        return policies[0].dotted_string if policies else None

    @property
    def pem(self) -> Path:
        return self.folder / f"{self.name}.pem"

    @property
    def ocsp(self) -> Path:
        return self.folder / f"{self.name}.ocsp"

    @property
    def issuing(self) -> Path:
        return self.folder / f"{self.issuer}.pem"

    @property
    def crl(self) -> Path:
        return self.folder / f"{self.issuer}.crl"


class Exhibits:
    """Everything in one folder: certificates, lists, answers. ``lists.pem`` and ``chain.pem`` hold all of a kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = utc_now().replace(microsecond=0)
        self.authority = establish(folder / "authority", self.now - timedelta(minutes=2))
        self.certificates = {each.name: each for each in self._certificates()}
        self._write_authorities()
        self._write_lists()
        self._write_answers()

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    @property
    def chain(self) -> Path:
        return self.folder / "chain.pem"

    @property
    def lists(self) -> Path:
        return self.folder / "lists.pem"

    def key_store(self, name: str) -> Path:
        """Write a citizen's PKCS#12 file."""
        exhibit = self.certificates[name]
        chain = (self.authority.hierarchy.generation(exhibit.issuer).certificate, self.authority.hierarchy.root)
        path = self.folder / f"{name}.p12"
        path.write_bytes(pack(KeyEntry(exhibit.key, exhibit.certificate, chain), PASSWORD, rounds=10_000))
        return path

    def _certificates(self) -> Iterator[Exhibit]:
        for kind, key in keys().items():
            for profile in HOLDERS:
                yield self._exhibit(f"{profile.name}-{kind}", profile, key)
            yield self._exhibit(f"{REVOKED}-{kind}", SIGN, key)

    def _exhibit(self, name: str, profile: Profile, key: PrivateKey) -> Exhibit:
        begin = self.now - timedelta(minutes=1)
        order = self.authority.order(key.public_key(), profile, holder_of(profile), begin)
        certificate = self.authority.issue(order)
        issuer = self.authority.hierarchy.above(certificate).label
        exhibit = Exhibit(name, profile, certificate, key, issuer, self.folder)
        exhibit.pem.write_bytes(pem(certificate))
        return exhibit

    def _write_authorities(self) -> None:
        hierarchy = self.authority.hierarchy
        self.root.write_bytes(pem(hierarchy.root))
        for each in hierarchy.generations:
            (self.folder / f"{each.label}.pem").write_bytes(pem(each.certificate))
        self.chain.write_bytes(hierarchy.chain_pem)

    def _write_lists(self) -> None:
        root = x509.load_pem_x509_crl((self.authority.directory / "root-crl.pem").read_bytes())
        issuers = [each.issuer for each in self.authority.hierarchy.generations]
        lists = {"root": root} | {each.label: self._list(each) for each in issuers}
        for label, crl in lists.items():
            (self.folder / f"{label}.crl").write_bytes(crl.public_bytes(Encoding.DER))
            (self.folder / f"{label}.crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
        self.lists.write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in lists.values()))

    def _list(self, issuer: Issuer) -> x509.CertificateRevocationList:
        revoked = [
            entry(each.certificate.serial_number, self.now - timedelta(seconds=30), "superseded")
            for each in self.certificates.values()
            if each.revoked and each.issuer == issuer.label
        ]
        url = self.authority.publication.crl(issuer.label, SHARD)
        edition = CrlFields(number=1, url=url, this_update=self.now)
        frame = sign_list([RevokedEntries.read(b"".join(revoked))], edition, issuer, self.authority.keys[issuer.label])
        return x509.load_der_x509_crl(b"".join((frame.before, *revoked, frame.after)))

    def _write_answers(self) -> None:
        for each in self.certificates.values():
            responder = self._responder(each.issuer)
            status: Status = (
                RevokedStatus(self.now - timedelta(seconds=30), "superseded") if each.revoked else GoodStatus()
            )
            question = responder.question(each.certificate.serial_number)
            each.ocsp.write_bytes(responder.answer(question, [status], self.now))

    def _responder(self, label: str) -> Responder:
        key = self.authority.responder_keys[label]
        order = self.authority.order(key.public_key(), OCSP_RESPONDER, AUTHORITY, self.now - timedelta(minutes=1))
        return Responder.of(self.authority.hierarchy.generation(label).issuer, self.authority.issue(order), key)


def holder_of(profile: Profile) -> NaturalPerson | Representative | Organisation | Authority:
    if profile in {OCSP_RESPONDER, TSA}:
        return AUTHORITY
    if profile in ENTITIES.values():
        return REPRESENTATIVE
    return ORGANISATION if profile is ORGANISATION_SEAL else PERSON
