"""A whole authority for tests: made by a real ceremony, issuing by the real steps."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import SecretStr

from libs.common.pki.trust import TrustAnchors
from services.ca.authority.hierarchy import Hierarchy, ocsp_label
from services.ca.authority.issuers import Issuer, PrivateKey, PublicKey
from services.ca.ceremony.config import CeremonyConfig, IssuingConfig, NamedConfig, RevokedConfig, RootConfig
from services.ca.ceremony.steps import perform
from services.ca.issuance.lint import lint
from services.ca.issuance.orders import Order
from services.ca.issuance.steps import prepare, sign
from services.ca.keys.store import EncryptedFiles, SigningKeyKind
from services.ca.model.ids import SERIAL_OCTETS, serial_number
from services.ca.model.profiles import SIGN, Profile, Publication
from services.ca.model.subject import Authority, NaturalPerson, Organisation, Representative

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEYSTORE_PASSPHRASE: Final = SecretStr("a passphrase for tests alone")
SEAL_PASSPHRASE: Final = "seal for tests"  # noqa: S105 - invented
PERSON: Final = NaturalPerson(iin="830717350867", surname="СЕРІКҚЫЗЫ", given_name="АЙГҮЛ", patronymic="МҰРАТҚЫЗЫ")
AUTHORITY: Final = Authority(organisation="Сынақ куәландырушы орталығы", common_name="Services (test)")
EC: Final = IssuingConfig(label="issuing", name="NCA Issuing I1 (test)", key=SigningKeyKind.P256)
RSA: Final = IssuingConfig(label="issuing-rsa", name="NCA Issuing I2 (test)", key=SigningKeyKind.RSA2048)
"""Of 2048 bits, which are made quickly; a real one has more."""
ORGANISATION: Final = Organisation(name="Көші-қон комитеті", bin="000740000728", common_name="Кандас мөрі")


def config(directory: Path) -> CeremonyConfig:
    return CeremonyConfig(
        directory=directory,
        organisation="Сынақ куәландырушы орталығы",
        bin="000740000728",
        base_url="http://pki.test.kz",
        root=RootConfig(name="NCA Root R1 (test)"),
        issuing=(EC, RSA),
        seal=NamedConfig(name="Көші-қон комитетінің мөрі"),
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
    keys: Mapping[str, PrivateKey]
    responder_keys: Mapping[str, PrivateKey]

    @property
    def trust(self) -> TrustAnchors:
        return self.hierarchy.trust

    @property
    def issuing(self) -> x509.Certificate:
        """The certificate of the authority that issues for EC keys."""
        return self.hierarchy.generation(EC.label).certificate

    @property
    def issuer(self) -> Issuer:
        return self.hierarchy.generation(EC.label).issuer

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        key = self.keys[EC.label]
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def order(
        self,
        public_key: PublicKey,
        profile: Profile = SIGN,
        holder: NaturalPerson | Representative | Organisation | Authority = PERSON,
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
        kind = RSA if isinstance(order.public_key, rsa.RSAPublicKey) else EC
        issuer = self.hierarchy.generation(kind.label).issuer
        tbs = prepare(order, issuer, self.publication)
        return sign(lint(tbs, order, issuer, self.publication), self.keys[issuer.label])


def establish(
    directory: Path,
    at: datetime = NOW,
    issuing: tuple[IssuingConfig, ...] = (EC, RSA),
    revoked: tuple[RevokedConfig, ...] = (),
) -> CertificationAuthority:
    keys = keystore(directory)
    hierarchy = perform(config(directory).model_copy(update={"issuing": issuing, "revoked": revoked}), keys, at)
    labels = [each.label for each in hierarchy.live(at)]
    loaded = {label: keys.load(label) for label in labels}
    responders = {label: keys.load(ocsp_label(label)) for label in labels}
    return CertificationAuthority(directory, hierarchy, config(directory).publication, loaded, responders)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
