import pytest

from tests.unit.ca.authority import CertificationAuthority, establish


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    return establish(tmp_path_factory.mktemp("authority"))
