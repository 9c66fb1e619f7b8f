"""An authority, another of the same names, and who signs with certificates of theirs."""

import pytest

from libs.common.pki.trust import TrustAnchors
from services.ca.model.profiles import ORGANISATION_SEAL, SIGN, Profile
from tests.unit.ca.hierarchies import ORGANISATION, PERSON, CertificationAuthority, establish
from tests.unit.ca.signing import Signer
from tests.unit.common.signatures import KEYS, MakeSigner


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    return establish(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def look_alike(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    """Another authority of the very same names: what public tools make in a minute."""
    return establish(tmp_path_factory.mktemp("look-alike"))


@pytest.fixture(scope="session")
def trust(authority: CertificationAuthority) -> TrustAnchors:
    return authority.trust


@pytest.fixture(scope="session")
def make_signer(tmp_path_factory: pytest.TempPathFactory) -> MakeSigner:
    def make(authority: CertificationAuthority, profile: Profile = SIGN, kind: str = "P-256") -> Signer:
        key = KEYS[kind]
        holder = ORGANISATION if profile is ORGANISATION_SEAL else PERSON
        certificate = authority.issue(authority.order(key.public_key(), profile, holder))
        return Signer(certificate, key, tmp_path_factory.mktemp("signer"))

    return make


@pytest.fixture(scope="session")
def signer(authority: CertificationAuthority, make_signer: MakeSigner) -> Signer:
    return make_signer(authority)


@pytest.fixture(scope="session")
def signature(signer: Signer) -> bytes:
    return signer.cms()
