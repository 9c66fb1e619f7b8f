"""A whole authority for tests: made by a real ceremony, issuing by the real steps."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import SecretStr

from libs.common.trust import TrustAnchors
from services.ca.ceremony import CeremonyConfig, perform
from services.ca.hierarchy import ISSUING, Hierarchy
from services.ca.holders import Authority, Organisation, Person
from services.ca.issuance import prepare, sign
from services.ca.issuers import PublicKey
from services.ca.keys import EncryptedFiles
from services.ca.lint import lint
from services.ca.orders import SERIAL_OCTETS, Order, serial_number
from services.ca.profiles import SIGN, Profile, Publication

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEYSTORE_PASSPHRASE: Final = SecretStr("a passphrase for tests alone")
SEAL_PASSPHRASE: Final = "seal for tests"  # noqa: S105 - invented
PERSON: Final = Person(iin="830717350867", surname="СЕРІКҚЫЗЫ", given_name="АЙГҮЛ", patronymic="МҰРАТҚЫЗЫ")
AUTHORITY: Final = Authority(organisation="Сынақ куәландырушы орталығы", common_name="Services (test)")
ORGANISATION: Final = Organisation(name="Көші-қон комитеті", bin="000740000728", common_name="Кандас мөрі")


def config(directory: Path) -> CeremonyConfig:
    return CeremonyConfig(
        directory=directory,
        organisation="Сынақ куәландырушы орталығы",
        bin="000740000728",
        root_name="NCA Root R1 (test)",
        issuing_name="NCA Issuing I1 (test)",
        seal_name="Көші-қон комитетінің мөрі",
        base_url="http://pki.test.kz",
        seal_passphrase=SecretStr(SEAL_PASSPHRASE),
    )


def keystore(directory: Path) -> EncryptedFiles:
    return EncryptedFiles(directory / "keys", KEYSTORE_PASSPHRASE)


@dataclass(frozen=True, repr=False)
class CertificationAuthority:
    """What a ceremony left behind, and the steps from an order to a certificate."""

    directory: Path
    hierarchy: Hierarchy
    publication: Publication
    key: ec.EllipticCurvePrivateKey

    @property
    def trust(self) -> TrustAnchors:
        return TrustAnchors([self.hierarchy.root], [self.hierarchy.issuing])

    def order(
        self,
        public_key: PublicKey,
        profile: Profile = SIGN,
        holder: Person | Organisation | Authority = PERSON,
        not_before: datetime = NOW,
    ) -> Order:
        return Order(
            profile=profile,
            holder=holder,
            public_key=public_key,
            serial_number=serial_number(secrets.token_bytes(SERIAL_OCTETS)),
            not_before=not_before,
            crl_shard=7,
        )

    def issue(self, order: Order) -> x509.Certificate:
        issuer = self.hierarchy.issuer
        tbs = prepare(order, issuer, self.publication)
        return sign(lint(tbs, order, issuer, self.publication), self.key)


def establish(directory: Path) -> CertificationAuthority:
    keys = keystore(directory)
    hierarchy = perform(config(directory), keys, NOW)
    key = keys.load(ISSUING)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return CertificationAuthority(directory, hierarchy, config(directory).publication, key)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
